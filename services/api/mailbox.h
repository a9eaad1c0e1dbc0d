/* How any thread hands something to the loop's thread: pointers through a pipe, in order, no
 * mutex. A full pipe (8,000 pointers on Linux) makes the sender wait for the loop. */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <uv.h>

struct mailbox;

/* Called in the loop's thread for each pointer that was sent. */
typedef void mailbox_f(void *arg, void *letter);

/* NULL with errno when the machine refuses a pipe. */
struct mailbox *mailbox_new(uv_loop_t *loop, mailbox_f *read, void *arg);

/* Nobody may send any more. The handle closes in the loop's next turns. */
void mailbox_destroy(struct mailbox **mailbox);

/* Any thread: returns at once; letter stays the sender's until the loop's thread says so. */
void mailbox_send(struct mailbox *mailbox, void *letter);

/* A question that its asker waits for: embed it in the letter. */
struct mailbox_reply {
    int event_fd;
};

/* Any thread but the loop's: sends the letter and waits until mailbox_answer() was called on
 * its reply. The loop's thread must answer promptly and always. 0, or -1 unsent when the
 * process has no descriptor left. */
int mailbox_ask(struct mailbox *mailbox, void *letter, struct mailbox_reply *reply);
void mailbox_answer(struct mailbox_reply *reply);

#endif
