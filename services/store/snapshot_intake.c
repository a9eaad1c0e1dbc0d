/* In: [identity][topic][body] from the ROUTER socket. Out: jobs for the writer, acks for the
 * requesters. Thread: the loop's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "bus_io.h"
#include "clock.h"
#include "log.h"
#include "mem.h"

#include "job.h"
#include "snapshot_intake.h"
#include "store_metrics.h"

#define BUDGET 100 /* requests in one turn of the loop */
#define LOG_INTERVAL_MS 10000
#define LINGER_MS 1000

struct snapshot_intake {
    const struct store_settings *settings;
    struct keyring *keys;
    struct metrics *metrics;
    struct snapshot_write *writer;
    zsock_t *socket;           /* ROUTER */
    struct bus_watch *watch;   /* NULL: takes no more */
    struct bus_watch *answers; /* of the writer */
    struct encoder *encoder;
    int64_t waiting;             /* jobs that the writer has */
    struct log_limit junk_limit; /* of log lines about bad requests */
    struct log_limit key_limit;
    struct log_limit queue_limit;
};

static void
answer(struct snapshot_intake *intake, const void *identity, size_t identity_bytes,
       const struct ack *ack)
{
    void *handle = zsock_resolve(intake->socket);
    if (zmq_send(handle, identity, identity_bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return; /* the requester is gone: it will ask again */
    struct encoded message = ack_encode(intake->encoder, ack);
    bus_send(intake->socket, message.topic, message.topic_bytes, message.body,
             message.body_bytes);
}

static void
answer_whole(struct snapshot_intake *intake, const zmq_msg_t *identity, uint64_t id,
             enum ack_code code, const char *text)
{
    struct ack ack = {.id = id, .code = code};
    snprintf(ack.message, sizeof ack.message, "%s", text);
    answer(intake, zmq_msg_data((zmq_msg_t *)identity), zmq_msg_size(identity), &ack);
}

/* Counts a request that is refused whole and logs it, but not each one of a flood. */
static void
note_refusal(struct snapshot_intake *intake, enum store_metric metric, struct log_limit *limit,
             const char *id, const char *reason)
{
    int64_t suppressed;
    metrics_add(intake->metrics, metric, 1);
    if (log_allowed(limit, clock_mono_ms(), LOG_INTERVAL_MS, &suppressed))
        log_warn(id, "a request was refused", LOG_STR("reason", reason),
                 LOG_INT("suppressed", suppressed));
}

static void
refuse_undecoded(struct snapshot_intake *intake, const zmq_msg_t *identity, uint64_t id,
                 enum decode_result result)
{
    char text[ACK_MESSAGE_BYTES];
    snprintf(text, sizeof text,
             "the request does not decode: %s; allowed: version %d as in "
             "proto/README.md",
             decode_result_text(result), PROTOCOL_VERSION);
    note_refusal(intake, METRIC_BAD_DECODE + (result - DECODE_TOPIC), &intake->junk_limit,
                 "store.undecodable", decode_result_text(result));
    answer_whole(intake, identity, id, result == DECODE_VERSION ? ACK_VERSION : ACK_INVALID,
                 text);
}

/* Hands a decoded request to the writer, or says why not. */
static void
accept_request(struct snapshot_intake *intake, const zmq_msg_t *identity,
               struct store_request *request)
{
    struct job *job = job_new(zmq_msg_data((zmq_msg_t *)identity), zmq_msg_size(identity));
    job->request = request;
    job->ack.id = request->id;
    metrics_add(intake->metrics,
                request->kind == REQUEST_BATCH ? METRIC_REQUEST_BATCH : METRIC_REQUEST_SETTING,
                1);
    enum keyring_match match = keyring_find(intake->keys, request->key, strlen(request->key));
    metrics_add(intake->metrics, METRIC_PREVIOUS_KEY, match == KEYRING_PREVIOUS);
    if (!match) {
        note_refusal(intake, METRIC_BAD_KEY, &intake->key_limit, "store.unauthorized",
                     "the internal API key is wrong");
        answer_whole(intake, identity, request->id, ACK_UNAUTHORIZED,
                     "the internal API key is wrong");
        job_destroy(&job);
        return;
    }
    if (intake->waiting >= intake->settings->queue_requests) {
        note_refusal(intake, METRIC_UNAVAILABLE_QUEUE, &intake->queue_limit, "store.queue_full",
                     "too many requests wait for the database");
        answer_whole(intake, identity, request->id, ACK_UNAVAILABLE,
                     "too many requests wait for the database");
        job_destroy(&job);
        return;
    }
    if (request->kind == REQUEST_BATCH)
        job_check_rows(job, clock_wall_ms());
    intake->waiting++;
    metrics_set(intake->metrics, METRIC_QUEUED, intake->waiting);
    snapshot_write_submit(intake->writer, &job);
}

/* Reads the rest of a message whose identity has been read; 2 when it had just topic and body.
 */
static int
receive_frames(void *handle, zmq_msg_t *identity, zmq_msg_t frames[2])
{
    int count = 0;
    bool more = zmq_msg_more(identity);
    while (more) {
        zmq_msg_t extra;
        zmq_msg_init(&extra);
        if (zmq_msg_recv(&extra, handle, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&extra);
            return -1;
        }
        more = zmq_msg_more(&extra);
        if (count < 2)
            zmq_msg_move(&frames[count], &extra);
        zmq_msg_close(&extra);
        count++;
    }
    return count;
}

static void
take_frames(struct snapshot_intake *intake, const zmq_msg_t *identity, zmq_msg_t frames[2],
            int count)
{
    struct store_request *request = NULL;
    uint64_t id = 0;
    if (count != 2 || zmq_msg_size(identity) > JOB_IDENTITY_BYTES) {
        note_refusal(intake, METRIC_BAD_FRAMES, &intake->junk_limit, "store.undecodable",
                     "not two frames, topic and body");
        answer_whole(intake, identity, 0, ACK_INVALID,
                     "not two frames; allowed: topic and body");
        return;
    }
    enum decode_result result =
        store_request_decode(zmq_msg_data(&frames[0]), zmq_msg_size(&frames[0]),
                             zmq_msg_data(&frames[1]), zmq_msg_size(&frames[1]), &request, &id);
    if (result == DECODE_OK)
        accept_request(intake, identity, request);
    else
        refuse_undecoded(intake, identity, id, result);
}

static bool
on_request(void *arg, zsock_t *socket)
{
    struct snapshot_intake *intake = arg;
    void *handle = zsock_resolve(socket);
    zmq_msg_t identity, frames[2];
    zmq_msg_init(&identity);
    zmq_msg_init(&frames[0]);
    zmq_msg_init(&frames[1]);
    bool read = zmq_msg_recv(&identity, handle, ZMQ_DONTWAIT) >= 0;
    if (read)
        take_frames(intake, &identity, frames, receive_frames(handle, &identity, frames));
    zmq_msg_close(&identity);
    zmq_msg_close(&frames[0]);
    zmq_msg_close(&frames[1]);
    return read;
}

static void
count_outcomes(struct snapshot_intake *intake, const struct job *job)
{
    const struct ack *ack = &job->ack;
    if (ack->code == ACK_UNAVAILABLE) {
        metrics_add(intake->metrics, METRIC_UNAVAILABLE_DATABASE, 1);
    } else if (job->request->kind == REQUEST_BATCH) {
        metrics_add(intake->metrics, METRIC_ROWS_SAVED, (int64_t)ack->saved);
        metrics_add(intake->metrics, METRIC_ROWS_KEPT, (int64_t)ack->kept);
        metrics_add(intake->metrics, METRIC_ROWS_IGNORED, (int64_t)ack->ignored);
        metrics_add(intake->metrics, METRIC_ROWS_REFUSED, (int64_t)ack->refused);
    }
}

static bool
on_done(void *arg, zsock_t *pipe)
{
    struct snapshot_intake *intake = arg;
    (void)pipe;
    struct job *job = snapshot_write_done(intake->writer);
    if (!job)
        return false;
    intake->waiting--;
    metrics_set(intake->metrics, METRIC_QUEUED, intake->waiting);
    count_outcomes(intake, job);
    answer(intake, job->identity, job->identity_bytes, &job->ack);
    job_destroy(&job);
    return true;
}

struct snapshot_intake *
snapshot_intake_new(uv_loop_t *loop, const struct store_settings *settings,
                    struct keyring *keys, struct metrics *metrics,
                    struct snapshot_write *writer)
{
    char error[512];
    struct snapshot_intake *intake = mem_alloc(sizeof *intake);
    intake->settings = settings;
    intake->keys = keys;
    intake->metrics = metrics;
    intake->writer = writer;
    intake->socket = bus_socket(ZMQ_ROUTER, settings->bus_hwm);
    const char *reason = intake->socket ? error : "no socket can be made";
    if (!intake->socket ||
        bus_bind(intake->socket, settings->store_bind, error, sizeof error)) {
        log_error("store.bind", "cannot take requests", LOG_STR("reason", reason));
        zsock_destroy(&intake->socket);
        free(intake);
        return NULL;
    }
    zsock_set_linger(intake->socket, LINGER_MS);
    intake->encoder = encoder_new();
    intake->watch = bus_watch_new(loop, intake->socket, BUDGET, on_request, intake);
    intake->answers = bus_watch_new(loop, snapshot_write_pipe(writer), BUDGET, on_done, intake);
    return intake;
}

void
snapshot_intake_stop(struct snapshot_intake *intake)
{
    bus_watch_destroy(&intake->watch);
}

bool
snapshot_intake_idle(const struct snapshot_intake *intake)
{
    return !intake->waiting;
}

void
snapshot_intake_destroy(struct snapshot_intake **intake)
{
    if (!*intake)
        return;
    bus_watch_destroy(&(*intake)->watch);
    bus_watch_destroy(&(*intake)->answers);
    zsock_destroy(&(*intake)->socket);
    encoder_destroy(&(*intake)->encoder);
    free(*intake);
    *intake = NULL;
}
