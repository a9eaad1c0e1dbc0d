/* What a viewer's bytes mean by RFC 6455, checked to the letter: libwebsockets 4.1.6 takes
 * frames without a mask, lengths in more bytes than needed and text that is no UTF-8. Payload
 * of messages is checked and not kept. Bytes are unmasked where they lie.
 *
 *             head whole                        last byte, FIN or control
 *     HEAD ──────────────▶ PAYLOAD (mask, check) ──────────────▶ HEAD, told as an event
 *       └──────────────────────┴── anything that must not be ──▶ FAULT, for good
 *
 * Pure; one thread. */
#ifndef FRAME_READER_H
#define FRAME_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_BYTES_MAX 125 /* payload of a control frame */
#define FRAME_HEAD_BYTES 4    /* of a frame of ours, at most */

enum frame_opcode {
    FRAME_CONTINUATION = 0,
    FRAME_TEXT = 1,
    FRAME_BINARY = 2,
    FRAME_CLOSE = 8,
    FRAME_PING = 9,
    FRAME_PONG = 10
};

enum close_code {
    CLOSE_NORMAL = 1000,
    CLOSE_PROTOCOL = 1002,
    CLOSE_NONE = 1005, /* never sent: the close frame had no code */
    CLOSE_NO_UTF8 = 1007,
    CLOSE_POLICY = 1008,
    CLOSE_TOO_BIG = 1009,
    CLOSE_RESTART = 1012
};

/* Text that comes in parts. */
struct utf8 {
    uint8_t left;      /* bytes of a character to come */
    uint8_t low, high; /* what the next of them may be */
};

/* False: from here on it is no UTF-8. It is whole when utf8->left is 0. */
bool utf8_take(struct utf8 *utf8, const unsigned char *bytes, size_t length);

/* Zeroed to begin with. */
struct frame_reader {
    uint64_t left;          /* payload to come */
    uint64_t message_bytes; /* of the message so far */
    struct utf8 utf8;       /* of the message */
    unsigned char head[14];
    uint8_t head_length;
    uint8_t opcode;         /* of the frame */
    uint8_t message;        /* opcode of the message begun, 0: none is */
    uint8_t masked;         /* bytes unmasked so far, modulo 4 */
    bool fin;               /* the frame is its message's last */
    bool faulty;            /* nothing is read any more */
    uint16_t code;          /* of FRAME_READ_CLOSE and FRAME_READ_FAULT */
    uint8_t control_length; /* of the payload in control */
    unsigned char control[CONTROL_BYTES_MAX];
};

enum frame_read {
    FRAME_READ_MORE,     /* all bytes are used up, no frame has ended */
    FRAME_READ_FRAGMENT, /* a frame that is not its message's last */
    FRAME_READ_MESSAGE,  /* a whole one, with this frame */
    FRAME_READ_PING,     /* to be answered with control[] */
    FRAME_READ_PONG,
    FRAME_READ_CLOSE, /* code: the viewer's, CLOSE_NONE for none */
    FRAME_READ_FAULT  /* code: to close with */
};

/* Reads on, to the end of a frame or of the bytes, which *bytes and *length then are behind.
 * Messages of more than message_max bytes are a fault as soon as a head says so. */
enum frame_read frame_reader_next(struct frame_reader *reader, uint64_t message_max,
                                  unsigned char **bytes, size_t *length);

/* The head of a whole frame of ours with that much payload (up to 65535); its length. */
size_t frame_head(enum frame_opcode opcode, size_t length,
                  unsigned char head[FRAME_HEAD_BYTES]);

#endif
