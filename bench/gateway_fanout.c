/* A crowd of WebSocket viewers in one small process, for bench/gateway_fanout.py.
 *
 *   gateway_fanout PORT PATH COUNT one|each plain|socketio SECONDS
 *
 * Connects COUNT viewers to 127.0.0.1:PORT, at most 128 at a time in their handshake. PATH has
 * "%d" where the auction's number goes: 0 for all (one), or each viewer's own (each). A viewer
 * is in when its first count arrived; the crowd is done when everybody's newest count is the
 * last one (COUNT, or 1). Prints one line of JSON when that is so or after SECONDS, then holds
 * the connections until its input ends. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IN_FLIGHT 128
#define REST_BYTES 512 /* of an incomplete frame, or of response headers */
#define READ_BYTES 65536

struct viewer {
    int fd;
    uint32_t count; /* the newest told */
    uint16_t rest;  /* bytes of an incomplete frame kept */
    bool open, in;  /* handshake done; first count seen */
    char kept[REST_BYTES];
};

static struct {
    int port, total, epoll, in_flight, opened, in, done, lost;
    const char *path;
    bool each, socketio;
    uint64_t frames, bytes;
    struct viewer *viewers;
} crowd;

static double
read_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
fail(const char *what)
{
    fprintf(stderr, "gateway_fanout: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void
open_viewer(int index)
{
    struct viewer *viewer = &crowd.viewers[index];
    struct sockaddr_in place = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)crowd.port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    viewer->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (viewer->fd < 0)
        fail("socket");
    setsockopt(viewer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(viewer->fd, (struct sockaddr *)&place, sizeof place) && errno != EINPROGRESS)
        fail("connect");
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.u32 = (uint32_t)index};
    epoll_ctl(crowd.epoll, EPOLL_CTL_ADD, viewer->fd, &event);
    crowd.in_flight++;
}

static void
ask(int index)
{
    char path[256], request[512];
    snprintf(path, sizeof path, crowd.path, crowd.each ? index : 0);
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                          path, crowd.port);
    if (write(crowd.viewers[index].fd, request, (size_t)length) != length)
        fail("write");
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    epoll_ctl(crowd.epoll, EPOLL_CTL_MOD, crowd.viewers[index].fd, &event);
}

static void
send_text(struct viewer *viewer, const char *text)
{
    unsigned char frame[64] = {0x81, (unsigned char)(0x80 | strlen(text))};
    memcpy(frame + 6, text, strlen(text)); /* masked with zeros */
    if (write(viewer->fd, frame, 6 + strlen(text)) < 0)
        fail("write");
}

static void
take_count(struct viewer *viewer, uint32_t count)
{
    uint32_t last = crowd.each ? 1 : (uint32_t)crowd.total;
    if (!viewer->in) {
        viewer->in = true;
        crowd.in++;
        crowd.in_flight--;
    }
    crowd.done += (count == last) - (viewer->count == last);
    viewer->count = count;
}

/* Text of a frame: its last number is the count. */
static void
take_text(struct viewer *viewer, const char *text, size_t length)
{
    if (crowd.socketio && length && text[0] == '0') {
        send_text(viewer, "40"); /* connect to the namespace */
        return;
    }
    if (crowd.socketio && length && text[0] == '2') {
        send_text(viewer, "3"); /* pong */
        return;
    }
    if (crowd.socketio && (length < 2 || memcmp(text, "42", 2)))
        return;
    crowd.frames++;
    size_t end = length;
    while (end && (text[end - 1] < '0' || text[end - 1] > '9'))
        end--;
    size_t start = end;
    while (start && text[start - 1] >= '0' && text[start - 1] <= '9')
        start--;
    uint32_t count = 0;
    for (; start < end; start++)
        count = count * 10 + (uint32_t)(text[start] - '0');
    take_count(viewer, count);
}

/* Takes whole frames off the bytes; returns how many bytes that were. */
static size_t
take_frames(struct viewer *viewer, const char *bytes, size_t length)
{
    size_t at = 0;
    while (length - at >= 2) {
        const unsigned char *frame = (const unsigned char *)bytes + at;
        size_t head = 2, size = frame[1];
        if (size == 126) {
            if (length - at < 4)
                break;
            head = 4;
            size = (size_t)frame[2] << 8 | frame[3];
        }
        if (length - at < head + size)
            break;
        if ((frame[0] & 15) == 1)
            take_text(viewer, bytes + at + head, size);
        at += head + size;
    }
    return at;
}

static void
lose(struct viewer *viewer)
{
    if (!crowd.lost++)
        fprintf(stderr, "gateway_fanout: a connection was closed\n");
    crowd.in_flight -= !viewer->in;
    close(viewer->fd);
    viewer->fd = -1;
}

static void
read_viewer(struct viewer *viewer)
{
    static char bytes[REST_BYTES + READ_BYTES];
    memcpy(bytes, viewer->kept, viewer->rest);
    ssize_t more = read(viewer->fd, bytes + viewer->rest, READ_BYTES);
    if (more <= 0) {
        if (more == 0 || errno != EAGAIN)
            lose(viewer);
        return;
    }
    crowd.bytes += (uint64_t)more;
    size_t length = viewer->rest + (size_t)more, at = 0;
    if (!viewer->open) {
        char *end = memmem(bytes, length, "\r\n\r\n", 4);
        if (end) {
            if (memcmp(bytes, "HTTP/1.1 101", 12))
                fail("the handshake was refused");
            at = (size_t)(end + 4 - bytes);
            viewer->open = true;
            crowd.opened++;
        }
    }
    if (viewer->open)
        at += take_frames(viewer, bytes + at, length - at);
    if (length - at > REST_BYTES)
        fail("a frame is too long");
    viewer->rest = (uint16_t)(length - at);
    memcpy(viewer->kept, bytes + at, viewer->rest);
}

static void
turn(int timeout_ms)
{
    struct epoll_event events[1024];
    int count = epoll_wait(crowd.epoll, events, 1024, timeout_ms);
    for (int i = 0; i < count; i++) {
        struct viewer *viewer = &crowd.viewers[events[i].data.u32];
        if (events[i].events & EPOLLOUT)
            ask((int)events[i].data.u32);
        if (viewer->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            read_viewer(viewer);
    }
}

static void
gather(double seconds)
{
    double start = read_seconds(), now = start;
    int next = 0;
    while (crowd.done < crowd.total && now - start < seconds && !crowd.lost) {
        while (next < crowd.total && crowd.in_flight < IN_FLIGHT)
            open_viewer(next++);
        turn(20);
        now = read_seconds();
    }
    printf("{\"seconds\": %.4f, \"done\": %s, \"in\": %d, \"frames\": %llu, \"bytes\": %llu}\n",
           now - start, crowd.done == crowd.total ? "true" : "false", crowd.in,
           (unsigned long long)crowd.frames, (unsigned long long)crowd.bytes);
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr,
                "usage: gateway_fanout PORT PATH COUNT one|each plain|socketio SECONDS\n");
        return 100;
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    crowd.port = atoi(argv[1]);
    crowd.path = argv[2];
    crowd.total = atoi(argv[3]);
    crowd.each = !strcmp(argv[4], "each");
    crowd.socketio = !strcmp(argv[5], "socketio");
    crowd.viewers = calloc((size_t)crowd.total, sizeof *crowd.viewers);
    crowd.epoll = epoll_create1(0);
    if (!crowd.viewers || crowd.epoll < 0)
        fail("start");
    gather(atof(argv[6]));
    char line[16];
    fd_set input;
    for (bool ended = false; !ended;) { /* goes on answering pings */
        struct timeval none = {0};
        turn(20);
        FD_ZERO(&input);
        FD_SET(0, &input);
        ended = select(1, &input, NULL, NULL, &none) > 0 && read(0, line, sizeof line) <= 0;
    }
    return 0;
}
