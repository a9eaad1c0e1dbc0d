/* How many files and sockets the process may have open. Main thread, before any other starts.
 */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#define DESCRIPTORS_MIN 64
/* Of every peer that a sampler may have, in both directions, and to spare. */
#define DESCRIPTORS_WANTED 16384

/* Raises the limit to what is wanted, as far as the machine allows. 0, or -1 after a line in
 * the log when that is too little to start with: ZeroMQ ends a process that runs out meanwhile.
 */
int descriptors_raise(void);

#endif
