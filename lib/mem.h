/* Memory that is there or ends the process: no caller handles exhaustion (any thread). */
#ifndef MEM_H
#define MEM_H

#include <stddef.h>

/* Each returns memory that the caller owns and frees with free(); never NULL. */
void *mem_alloc(size_t bytes);             /* zeroed */
void *mem_resize(void *old, size_t bytes); /* new bytes are not zeroed; bytes > 0 */
char *mem_text(const char *text);          /* a copy; NULL gives NULL */
char *mem_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
