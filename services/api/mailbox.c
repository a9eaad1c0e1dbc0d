/* A pipe of pointers, read by a libuv loop. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mailbox.h"
#include "mem.h"

#define LETTERS 256 /* read at once */

struct mailbox {
    int read_fd;
    int write_fd;
    uv_poll_t poll; /* read_fd */
    mailbox_f *read;
    void *arg; /* of read */
};

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    struct mailbox *mailbox = poll->data;
    void *letters[LETTERS];
    (void)status, (void)events;
    ssize_t bytes = read(mailbox->read_fd, letters, sizeof letters);
    for (ssize_t i = 0; i < bytes / (ssize_t)sizeof *letters; i++)
        mailbox->read(mailbox->arg, letters[i]);
}

struct mailbox *
mailbox_new(uv_loop_t *loop, mailbox_f *read, void *arg)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return NULL;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    struct mailbox *mailbox = mem_alloc(sizeof *mailbox);
    mailbox->read_fd = ends[0];
    mailbox->write_fd = ends[1];
    mailbox->read = read;
    mailbox->arg = arg;
    uv_poll_init(loop, &mailbox->poll, mailbox->read_fd);
    mailbox->poll.data = mailbox;
    uv_poll_start(&mailbox->poll, UV_READABLE, on_readable);
    return mailbox;
}

static void
on_closed(uv_handle_t *handle)
{
    struct mailbox *mailbox = handle->data;
    close(mailbox->read_fd);
    close(mailbox->write_fd);
    free(mailbox);
}

void
mailbox_destroy(struct mailbox **mailbox)
{
    if (!*mailbox)
        return;
    uv_close((uv_handle_t *)&(*mailbox)->poll, on_closed);
    *mailbox = NULL;
}

void
mailbox_send(struct mailbox *mailbox, void *letter)
{
    ssize_t written;
    do
        written = write(mailbox->write_fd, &letter, sizeof letter);
    while (written < 0 && errno == EINTR);
    assert(written == sizeof letter); /* no more than PIPE_BUF: whole or not at all */
}

int
mailbox_ask(struct mailbox *mailbox, void *letter, struct mailbox_reply *reply)
{
    uint64_t count;
    ssize_t bytes;
    reply->event_fd = eventfd(0, EFD_CLOEXEC);
    if (reply->event_fd < 0)
        return -1;
    mailbox_send(mailbox, letter);
    do
        bytes = read(reply->event_fd, &count, sizeof count);
    while (bytes < 0 && errno == EINTR);
    close(reply->event_fd);
    return 0;
}

void
mailbox_answer(struct mailbox_reply *reply)
{
    ssize_t written = write(reply->event_fd, &(uint64_t){1}, sizeof(uint64_t));
    assert(written == sizeof(uint64_t));
}
