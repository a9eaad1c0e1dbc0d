/* The top's table as lines of text, for a screen of any size or for a page without end. Pure;
 * any thread. */
#ifndef TAP_FRAME_H
#define TAP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tap_top.h"

#define TAP_FRAME_LINE_BYTES 256 /* with the end; all of it ASCII */
#define TAP_FRAME_LINES_MAX (2 * TAP_TOP_NODES_MAX + TAP_TOP_GONE_MAX + TAP_TOP_ROWS_MAX + 16)

struct tap_frame_view {
    size_t width, height; /* 0: not limited */
    enum tap_sort sort;
    bool paused;
    bool keys; /* say which there are */
    int64_t wall_ms;
    uint64_t undecodable; /* messages so far */
};

enum tap_frame_style { TAP_FRAME_PLAIN, TAP_FRAME_TITLE, TAP_FRAME_HEAD, TAP_FRAME_ALARM };

struct tap_frame_line {
    enum tap_frame_style style;
    char text[TAP_FRAME_LINE_BYTES]; /* no longer than the width */
};

/* Fills lines (room for TAP_FRAME_LINES_MAX) and returns how many, at most the height. Nodes
 * take up to half the height, auctions what is left. */
size_t tap_frame_make(const struct tap_table *table, const struct tap_frame_view *view,
                      struct tap_frame_line *lines);

/* "viewers", "joins", "name". */
const char *tap_sort_text(enum tap_sort sort);

#endif
