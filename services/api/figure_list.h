/* The figures of one sampler's auctions in one shard, sorted by auction. Pure but for memory;
 * for live_figures.c. */
#ifndef FIGURE_LIST_H
#define FIGURE_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "auction.h"

struct figure {
    char auction[AUCTION_BYTES];
    uint64_t count;
    uint64_t sequence; /* of the message that said so */
    int64_t named_ms;  /* when it was last named */
    uint32_t mark;     /* see stream.h */
};

struct figure_list { /* zero-initialised: empty */
    struct figure *figures;
    size_t count;
    size_t capacity;
};

void figure_list_fini(struct figure_list *list);

/* The figure of an auction, or NULL. Valid until the list changes. */
struct figure *figure_list_find(const struct figure_list *list, const char *auction);

/* The same, made if it is not there: then all zero but for the auction. */
struct figure *figure_list_make(struct figure_list *list, const char *auction);

/* Removes what does not carry the mark. */
void figure_list_sweep(struct figure_list *list, uint32_t mark);

/* Removes what has no viewers and was last named before oldest_ms. */
void figure_list_prune(struct figure_list *list, int64_t oldest_ms);

/* The first figure with viewers at or behind *place (0: the start) whose auction sorts after
 * `after`, with *place moved behind it; NULL at the end. */
const struct figure *figure_list_next(const struct figure_list *list, size_t *place,
                                      const char *after);

#endif
