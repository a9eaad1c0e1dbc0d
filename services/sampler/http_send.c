/* In: batches. Out: requests; from their answers, acknowledgements. libcurl's multi interface
 * tells which sockets it waits for and for how long; libuv waits. */
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"

#include "backend_answer.h"
#include "http_send.h"

#define ANSWER_BYTES 4096 /* of a body are looked at */
#define URL_BYTES 2048

/* A row that is under way. */
struct post {
    struct http_send *http;
    CURL *easy; /* NULL: free */
    struct curl_slist *headers;
    char *body;
    size_t row;
    char answer[ANSWER_BYTES];
    size_t answer_bytes;
};

struct http_send {
    struct http_send_options options;
    CURLM *multi;
    uv_timer_t timer;
    struct post posts[HTTP_SEND_AT_ONCE];
    struct snapshot *rows; /* of the batch; NULL: none */
    size_t row_count, next_row, under_way;
    char *key;
    struct ack ack; /* so far */
    bool closing;
};

/* A socket of libcurl's that libuv watches. */
struct watch {
    uv_poll_t poll;
    struct http_send *http;
    curl_socket_t socket;
};

static void
wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

static void
end_post(struct post *post)
{
    if (!post->easy)
        return;
    curl_multi_remove_handle(post->http->multi, post->easy);
    curl_easy_cleanup(post->easy);
    for (struct curl_slist *header = post->headers; header; header = header->next)
        explicit_bzero(header->data, strlen(header->data));
    curl_slist_free_all(post->headers);
    free(post->body);
    *post = (struct post){.http = post->http};
}

static size_t
take_answer(char *bytes, size_t one, size_t length, void *arg)
{
    struct post *post = arg;
    size_t room = ANSWER_BYTES - post->answer_bytes, taken = length < room ? length : room;
    (void)one;
    memcpy(post->answer + post->answer_bytes, bytes, taken);
    post->answer_bytes += taken;
    return length; /* the rest is not looked at */
}

static char *
make_body(const struct snapshot *row)
{
    char time[CLOCK_TEXT_BYTES];
    clock_text(row->timestamp_ms, time);
    json_t *body =
        json_pack("{s:s, s:I, s:f, s:I, s:I, s:I}", "timestamp", time, "viewerCount",
                  (json_int_t)row->viewer_count, "avgViewers", row->avg_viewers, "peakViewers",
                  (json_int_t)row->peak_viewers, "minViewers", (json_int_t)row->min_viewers,
                  "sampleCount", (json_int_t)row->sample_count);
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

static struct curl_slist *
make_headers(const char *key)
{
    char line[KEY_BYTES_MAX + 64];
    snprintf(line, sizeof line, "x-internal-api-key: %s", key);
    struct curl_slist *headers = curl_slist_append(NULL, line);
    explicit_bzero(line, sizeof line);
    headers = curl_slist_append(headers, "content-type: application/json");
    return curl_slist_append(headers, "expect:"); /* no question before so few bytes */
}

static void
start_post(struct http_send *http, struct post *post, size_t row)
{
    char url[URL_BYTES];
    const char *base = http->options.url;
    size_t base_length = strlen(base);
    while (base_length && base[base_length - 1] == '/')
        base_length--;
    snprintf(url, sizeof url, "%.*s/api/v1/auctions/%s/analytics/snapshot", (int)base_length,
             base, http->rows[row].auction);
    post->row = row;
    post->body = make_body(&http->rows[row]);
    post->headers = make_headers(http->key);
    CURL *easy = post->easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, post->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post->body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, post);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, post);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)http->options.timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)http->options.timeout_ms);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_multi_add_handle(http->multi, easy);
    http->under_way++;
}

/* When the batch is put off, nothing more of it is begun. */
static void
judge(struct http_send *http, const struct post *post, CURLcode result)
{
    long status = 0;
    curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
    if (result == CURLE_OK)
        backend_answer_take(&http->ack, post->row, status, post->answer, post->answer_bytes);
    else
        backend_answer_missing(&http->ack, curl_easy_strerror(result));
    if (http->ack.code != ACK_OK)
        http->next_row = http->row_count;
}

static void
end_batch(struct http_send *http)
{
    struct ack ack = http->ack;
    free(http->rows);
    http->rows = NULL;
    wipe(&http->key);
    http->ack = (struct ack){0};
    http->options.done(http->options.arg, &ack);
    ack_fini(&ack);
}

static void
fill(struct http_send *http)
{
    for (size_t i = 0; i < HTTP_SEND_AT_ONCE && http->next_row < http->row_count; i++) {
        if (!http->posts[i].easy)
            start_post(http, &http->posts[i], http->next_row++);
    }
}

/* Takes what libcurl has finished, and begins the next rows. */
static void
take_finished(struct http_send *http)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(http->multi, &left))) {
        struct post *post;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &post);
        judge(http, post, result);
        end_post(post);
        http->under_way--;
    }
    fill(http);
    if (http->rows && !http->under_way)
        end_batch(http);
}

static void
on_timer(uv_timer_t *timer)
{
    struct http_send *http = timer->data;
    int running;
    curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_finished(http);
}

static int
set_timer(CURLM *multi, long wait_ms, void *arg)
{
    struct http_send *http = arg;
    (void)multi;
    if (http->closing)
        return 0;
    if (wait_ms < 0)
        uv_timer_stop(&http->timer);
    else
        uv_timer_start(&http->timer, on_timer, (uint64_t)wait_ms, 0);
    return 0;
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct http_send *http = watch->http;
    int running, flags = status < 0 ? CURL_CSELECT_ERR : 0;
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    curl_multi_socket_action(http->multi, watch->socket, flags, &running);
    take_finished(http);
}

static void
free_handle(uv_handle_t *handle)
{
    free(handle->data);
}

static int
set_watch(CURL *easy, curl_socket_t socket, int action, void *arg, void *of_socket)
{
    struct http_send *http = arg;
    struct watch *watch = of_socket;
    (void)easy;
    if (action == CURL_POLL_REMOVE) {
        if (watch)
            uv_close((uv_handle_t *)&watch->poll, free_handle);
        curl_multi_assign(http->multi, socket, NULL);
        return 0;
    }
    if (!watch) {
        watch = mem_alloc(sizeof *watch);
        watch->http = http;
        watch->socket = socket;
        uv_poll_init_socket(http->options.loop, &watch->poll, socket);
        watch->poll.data = watch;
        curl_multi_assign(http->multi, socket, watch);
    }
    int events = action & CURL_POLL_IN ? UV_READABLE : 0;
    events |= action & CURL_POLL_OUT ? UV_WRITABLE : 0;
    uv_poll_start(&watch->poll, events, on_ready);
    return 0;
}

struct http_send *
http_send_new(const struct http_send_options *options)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return NULL;
    struct http_send *http = mem_alloc(sizeof *http);
    http->options = *options;
    http->multi = curl_multi_init();
    for (size_t i = 0; i < HTTP_SEND_AT_ONCE; i++)
        http->posts[i].http = http;
    uv_timer_init(options->loop, &http->timer);
    http->timer.data = http;
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, set_watch);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    return http;
}

void
http_send_destroy(struct http_send **http)
{
    if (!*http)
        return;
    struct http_send *old = *http;
    *http = NULL;
    old->closing = true;
    for (size_t i = 0; i < HTTP_SEND_AT_ONCE; i++)
        end_post(&old->posts[i]);
    curl_multi_cleanup(old->multi);
    curl_global_cleanup();
    free(old->rows);
    wipe(&old->key);
    ack_fini(&old->ack);
    uv_close((uv_handle_t *)&old->timer, free_handle);
}

bool
http_send_batch(struct http_send *http, const struct outbox_batch *batch, const char *key)
{
    if (http->rows || !batch->row_count)
        return false;
    http->rows = mem_alloc(batch->row_count * sizeof *http->rows);
    memcpy(http->rows, batch->rows, batch->row_count * sizeof *http->rows);
    http->row_count = batch->row_count;
    http->next_row = 0;
    http->key = mem_text(key);
    http->ack = (struct ack){.id = batch->id};
    fill(http);
    return true;
}

bool
http_send_url_valid(const char *text)
{
    CURLU *url = curl_url();
    char *part = NULL;
    bool valid = strlen(text) < URL_BYTES / 2 && !curl_url_set(url, CURLUPART_URL, text, 0);
    if (valid && !curl_url_get(url, CURLUPART_SCHEME, &part, 0))
        valid = !strcmp(part, "http") || !strcmp(part, "https");
    curl_free(part);
    static const CURLUPart unwanted[] = {CURLUPART_USER, CURLUPART_QUERY, CURLUPART_FRAGMENT};
    for (size_t i = 0; valid && i < sizeof unwanted / sizeof *unwanted; i++) {
        part = NULL;
        valid = curl_url_get(url, unwanted[i], &part, 0) != CURLUE_OK;
        curl_free(part);
    }
    curl_url_cleanup(url);
    return valid;
}
