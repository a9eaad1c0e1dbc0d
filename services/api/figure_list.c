/* One sorted array: found by bisection, swept and listed in order. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "figure_list.h"
#include "mem.h"

#define CAPACITY_FIRST 4

void
figure_list_fini(struct figure_list *list)
{
    free(list->figures);
    *list = (struct figure_list){0};
}

/* The index of the first figure whose auction is not before the given one. */
static size_t
find_place(const struct figure_list *list, const char *auction)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(list->figures[middle].auction, auction) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool
is_at(const struct figure_list *list, size_t place, const char *auction)
{
    return place < list->count && !strcmp(list->figures[place].auction, auction);
}

struct figure *
figure_list_find(const struct figure_list *list, const char *auction)
{
    size_t place = find_place(list, auction);
    return is_at(list, place, auction) ? &list->figures[place] : NULL;
}

struct figure *
figure_list_make(struct figure_list *list, const char *auction)
{
    size_t place = find_place(list, auction);
    if (is_at(list, place, auction))
        return &list->figures[place];
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : CAPACITY_FIRST;
        list->figures = mem_resize(list->figures, list->capacity * sizeof *list->figures);
    }
    struct figure *figure = &list->figures[place];
    memmove(figure + 1, figure, (list->count++ - place) * sizeof *figure);
    *figure = (struct figure){0};
    strcpy(figure->auction, auction); /* a valid id fits */
    return figure;
}

void
figure_list_sweep(struct figure_list *list, uint32_t mark)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->figures[i].mark == mark)
            list->figures[kept++] = list->figures[i];
    }
    list->count = kept;
}

void
figure_list_prune(struct figure_list *list, int64_t oldest_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct figure *figure = &list->figures[i];
        if (figure->count || figure->named_ms >= oldest_ms)
            list->figures[kept++] = *figure;
    }
    list->count = kept;
}

const struct figure *
figure_list_next(const struct figure_list *list, size_t *place, const char *after)
{
    if (!*place)
        *place = find_place(list, after);
    while (*place < list->count) {
        const struct figure *figure = &list->figures[(*place)++];
        if (figure->count && strcmp(figure->auction, after) > 0)
            return figure;
    }
    return NULL;
}
