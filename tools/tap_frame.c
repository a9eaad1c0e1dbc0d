/* In: a table. Out: lines. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

#include "message_json.h"

#include "tap_frame.h"

#define AUCTION_COLUMNS 40 /* beside the name */
#define NODE_COLUMNS 58    /* beside the id */
#define NAME_MIN 8
#define HEARD_LATE_MS 1500 /* one heartbeat is overdue */

struct page {
    const struct tap_table *table;
    const struct tap_frame_view *view;
    struct tap_frame_line *lines;
    size_t count;
    size_t height; /* not 0 */
};

const char *
tap_sort_text(enum tap_sort sort)
{
    static const char *const texts[] = {"viewers", "joins", "name"};
    return texts[sort];
}

static void __attribute__((format(printf, 3, 4)))
add_line(struct page *page, enum tap_frame_style style, const char *format, ...)
{
    if (page->count == page->height)
        return;
    struct tap_frame_line *line = &page->lines[page->count++];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line->text, sizeof line->text, format, arguments);
    va_end(arguments);
    line->style = style;
    size_t width = page->view->width;
    if (width && width < sizeof line->text)
        line->text[width] = 0;
}

/* A name's columns, when those beside it take so many and the longest name has `longest`. */
static int
count_name_columns(const struct page *page, size_t beside, size_t longest)
{
    size_t width = page->view->width, columns = longest < NAME_MIN ? NAME_MIN : longest;
    if (width && columns + beside > width)
        columns = width > beside + NAME_MIN ? width - beside : NAME_MIN;
    return (int)columns;
}

/* "12.3s", "4m05s", "3h12m", "8d02h". */
static const char *
write_age(int64_t ms, char text[16])
{
    int64_t s = ms > 0 ? ms / 1000 : 0;
    if (s > 86400 * 9999)
        snprintf(text, 16, "-");
    else if (s < 60)
        snprintf(text, 16, "%d.%ds", (int)s, (int)((ms > 0 ? ms % 1000 : 0) / 100));
    else if (s < 3600)
        snprintf(text, 16, "%dm%02ds", (int)(s / 60), (int)(s % 60));
    else if (s < 86400)
        snprintf(text, 16, "%dh%02dm", (int)(s / 3600), (int)(s / 60 % 60));
    else
        snprintf(text, 16, "%dd%02dh", (int)(s / 86400), (int)(s / 3600 % 24));
    return text;
}

static void
add_totals(struct page *page)
{
    const struct tap_table *table = page->table;
    const struct tap_frame_view *view = page->view;
    char time[CLOCK_TEXT_BYTES];
    clock_text(view->wall_ms / 1000 * 1000, time);
    add_line(page, TAP_FRAME_TITLE, "headcount top  %s  by %s%s%s", time,
             tap_sort_text(view->sort), view->paused ? "  PAUSED" : "",
             view->keys ? "  [q]uit [s]ort [p]ause" : "");
    add_line(page, TAP_FRAME_PLAIN,
             "viewers %" PRIu64 " in %zu auctions   joins %.1f/s  leaves %.1f/s   gateways %zu"
             "  samplers %zu",
             table->viewers, table->auctions, table->joins_s, table->leaves_s,
             table->alive[NODE_GATEWAY], table->alive[NODE_SAMPLER]);
    add_line(page, TAP_FRAME_PLAIN,
             "messages/s  event %.1f  count %.1f  snapshot %.1f  heartbeat %.1f  bye %.1f",
             table->messages_s[MESSAGE_EVENT], table->messages_s[MESSAGE_COUNT],
             table->messages_s[MESSAGE_SNAPSHOT], table->messages_s[MESSAGE_HEARTBEAT],
             table->messages_s[MESSAGE_BYE]);
    add_line(page,
             table->missed || table->refused || view->undecodable ? TAP_FRAME_ALARM
                                                                  : TAP_FRAME_PLAIN,
             "gaps %" PRIu64 "  missed %" PRIu64 "  dropped %" PRIu64 "  undecodable %" PRIu64,
             table->gaps, table->missed, table->refused, view->undecodable);
}

static void
add_node(struct page *page, const struct tap_table_node *node, int columns)
{
    char heard[16], age[16], missing[16] = "-", viewers[24] = "-";
    bool alive = node->fate == TAP_NODE_ALIVE;
    bool bad = node->fate == TAP_NODE_LOST ||
               (alive && (node->missing || node->heard_ago_ms > HEARD_LATE_MS));
    const char *state = node->fate == TAP_NODE_LOST   ? "lost"
                        : node->fate == TAP_NODE_LEFT ? "left"
                                                      : node_state_text(node->state);
    if (alive && node->missing)
        snprintf(missing, sizeof missing, "%u", node->missing);
    if (alive)
        snprintf(viewers, sizeof viewers, "%" PRIu64, node->viewers);
    add_line(page, bad ? TAP_FRAME_ALARM : TAP_FRAME_PLAIN,
             "%-*.*s  %-8s %-8s %10s  %8s  %7s  %7s", columns, columns, node->id,
             node_role_text(node->role), state, viewers,
             write_age(node->epoch_ms ? page->view->wall_ms - node->epoch_ms : INT64_MAX, age),
             write_age(node->heard_ago_ms, heard), missing);
}

static void
add_nodes(struct page *page)
{
    size_t count = page->table->node_count, most = page->height / 2;
    size_t longest = 0;
    for (size_t i = 0; i < count; i++)
        if (strlen(page->table->nodes[i].id) > longest)
            longest = strlen(page->table->nodes[i].id);
    int columns = count_name_columns(page, NODE_COLUMNS, longest);
    size_t room = most > page->count + 2 ? most - page->count - 2 : 0;
    size_t shown = count <= room || !page->view->height ? count : room ? room - 1 : 0;
    add_line(page, TAP_FRAME_PLAIN, "%s", "");
    add_line(page, TAP_FRAME_HEAD, "%-*.*s  %-8s %-8s %10s  %8s  %7s  %7s", columns, columns,
             "NODE", "ROLE", "STATE", "VIEWERS", "EPOCH", "HEARD", "MISSING");
    for (size_t i = 0; i < shown; i++)
        add_node(page, &page->table->nodes[i], columns);
    if (shown < count)
        add_line(page, TAP_FRAME_PLAIN, "... and %zu more", count - shown);
}

static void
add_auctions(struct page *page)
{
    size_t longest = 0;
    for (size_t i = 0; i < page->table->row_count; i++)
        if (strlen(page->table->rows[i].name) > longest)
            longest = strlen(page->table->rows[i].name);
    int columns = count_name_columns(page, AUCTION_COLUMNS, longest);
    bool known = page->table->alive[NODE_GATEWAY]; /* joins and leaves are */
    add_line(page, TAP_FRAME_PLAIN, "%s", "");
    add_line(page, TAP_FRAME_HEAD, "%-*.*s  %10s  %10s  %10s", columns, columns, "AUCTION",
             "VIEWERS", "JOINS/S", "LEAVES/S");
    for (size_t i = 0; i < page->table->row_count; i++) {
        const struct tap_table_auction *row = &page->table->rows[i];
        char joins[24] = "-", leaves[24] = "-";
        if (known) {
            snprintf(joins, sizeof joins, "%.1f", row->joins_s);
            snprintf(leaves, sizeof leaves, "%.1f", row->leaves_s);
        }
        add_line(page, TAP_FRAME_PLAIN, "%-*.*s  %10" PRIu64 "  %10s  %10s", columns, columns,
                 row->name, row->viewers, joins, leaves);
    }
}

size_t
tap_frame_make(const struct tap_table *table, const struct tap_frame_view *view,
               struct tap_frame_line *lines)
{
    struct page page = {table, view, lines, 0, TAP_FRAME_LINES_MAX};
    if (view->height && view->height < page.height)
        page.height = view->height;
    add_totals(&page);
    add_nodes(&page);
    add_auctions(&page);
    return page.count;
}
