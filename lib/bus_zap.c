/* In: ZAP's questions. Out: its answers. */
#include <czmq.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus_io.h"
#include "bus_zap.h"
#include "mem.h"

#define PLACE "inproc://zeromq.zap.01"
#define FRAME_BYTES 256
#define KEY_BYTES 32
#define BUDGET 1000 /* questions a turn of the loop */

enum { VERSION, REQUEST_ID, DOMAIN_NAME, ADDRESS, IDENTITY, MECHANISM, KEY, FRAMES };

struct question {
    char frames[FRAMES][FRAME_BYTES];
    int bytes[FRAMES];
    int count;
};

struct bus_zap {
    zsock_t *socket; /* REP */
    struct bus_watch *watch;
    bus_zap_admit_f *admit;
    void *arg;
    struct question question;
};

/* False: there is none. */
static bool
read_question(zsock_t *socket, struct question *question)
{
    zmq_msg_t frame;
    bool more = true;
    for (question->count = 0; more; question->count++) {
        zmq_msg_init(&frame);
        int bytes = zmq_msg_recv(&frame, zsock_resolve(socket), ZMQ_DONTWAIT);
        more = bytes >= 0 && zmq_msg_more(&frame);
        if (bytes >= 0 && bytes < FRAME_BYTES && question->count < FRAMES) {
            memcpy(question->frames[question->count], zmq_msg_data(&frame), (size_t)bytes);
            question->frames[question->count][bytes] = 0;
            question->bytes[question->count] = bytes;
        }
        zmq_msg_close(&frame);
        if (bytes < 0)
            return false;
    }
    return true;
}

static bool
is_admitted(struct bus_zap *zap)
{
    const struct question *question = &zap->question;
    char key[BUS_KEY_BYTES];
    if (question->count != FRAMES || strcmp(question->frames[MECHANISM], "CURVE") ||
        question->bytes[KEY] != KEY_BYTES)
        return false;
    zmq_z85_encode(key, (const uint8_t *)question->frames[KEY], KEY_BYTES);
    return zap->admit(zap->arg, key, question->frames[ADDRESS]);
}

static bool
answer_question(void *arg, zsock_t *socket)
{
    struct bus_zap *zap = arg;
    struct question *question = &zap->question;
    *question = (struct question){.count = 0};
    if (!read_question(socket, question))
        return false;
    bool admitted = is_admitted(zap);
    const struct {
        const char *bytes;
        size_t count;
    } answer[] = {{question->frames[VERSION], strlen(question->frames[VERSION])},
                  {question->frames[REQUEST_ID], (size_t)question->bytes[REQUEST_ID]},
                  {admitted ? "200" : "400", 3},
                  {admitted ? "OK" : "refused", admitted ? 2 : 7},
                  {"", 0},  /* the user's name */
                  {"", 0}}; /* metadata */
    const size_t last = sizeof answer / sizeof *answer - 1;
    for (size_t i = 0; i <= last; i++)
        zmq_send(zsock_resolve(socket), answer[i].bytes, answer[i].count,
                 ZMQ_DONTWAIT | (i < last ? ZMQ_SNDMORE : 0));
    return true;
}

struct bus_zap *
bus_zap_new(uv_loop_t *loop, bus_zap_admit_f *admit, void *arg)
{
    zsock_t *socket = zmq_has("curve") ? zsock_new(ZMQ_REP) : NULL;
    if (!socket || zmq_bind(zsock_resolve(socket), PLACE)) {
        int reason = socket ? errno : ENOTSUP;
        zsock_destroy(&socket);
        errno = reason;
        return NULL;
    }
    struct bus_zap *zap = mem_alloc(sizeof *zap);
    *zap = (struct bus_zap){.socket = socket, .admit = admit, .arg = arg};
    zap->watch = bus_watch_new(loop, socket, BUDGET, answer_question, zap);
    return zap;
}

void
bus_zap_destroy(struct bus_zap **zap)
{
    if (!*zap)
        return;
    bus_watch_destroy(&(*zap)->watch);
    zsock_destroy(&(*zap)->socket);
    free(*zap);
    *zap = NULL;
}
