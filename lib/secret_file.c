/* In: a path. Out: one line. A named pipe would hold up whoever opens or reads it. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secret_file.h"

static const char *
judge(int file)
{
    struct stat about;
    if (fstat(file, &about))
        return strerror(errno);
    if (S_ISDIR(about.st_mode))
        return strerror(EISDIR);
    return S_ISREG(about.st_mode) ? NULL : "is no regular file";
}

enum secret_file
secret_file_read(const char *path, char *line, size_t line_bytes, const char **problem)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) {
        *problem = strerror(errno);
        return errno == ENOENT ? SECRET_FILE_NONE : SECRET_FILE_BAD;
    }
    ssize_t bytes = 0;
    *problem = judge(file);
    if (!*problem && (bytes = read(file, line, line_bytes - 1)) < 0)
        *problem = strerror(errno);
    close(file);
    if (*problem)
        return SECRET_FILE_BAD;
    line[bytes] = 0;
    size_t length = strcspn(line, "\r\n");
    bool text = line[length] || (ssize_t)length == bytes;
    line[length] = 0;
    *problem = !text ? "its first line is no text" : !length ? "empty" : NULL;
    return !text ? SECRET_FILE_BAD : length ? SECRET_FILE_READ : SECRET_FILE_NONE;
}
