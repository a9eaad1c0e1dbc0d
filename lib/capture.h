/* What a test's code writes to stdout or stderr; for tests alone. */
#ifndef CAPTURE_H
#define CAPTURE_H

struct capture {
    int fd;    /* the descriptor that is captured */
    int saved; /* where it led before */
    int file;  /* where it leads now */
};

void capture_start(struct capture *capture, int fd);

/* Ends it and returns what was written; the caller frees it. */
char *capture_end(struct capture *capture);

#endif
