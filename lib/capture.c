#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture.h"
#include "mem.h"

void
capture_start(struct capture *capture, int fd)
{
    fflush(NULL);
    capture->fd = fd;
    capture->saved = dup(fd);
    capture->file = memfd_create("capture", 0);
    assert_true(capture->saved >= 0 && capture->file >= 0);
    dup2(capture->file, fd);
}

char *
capture_end(struct capture *capture)
{
    fflush(NULL);
    dup2(capture->saved, capture->fd);
    close(capture->saved);
    off_t bytes = lseek(capture->file, 0, SEEK_END);
    char *text = mem_alloc((size_t)bytes + 1);
    assert_int_equal(pread(capture->file, text, (size_t)bytes, 0), bytes);
    close(capture->file);
    return text;
}
