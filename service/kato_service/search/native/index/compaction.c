#include "index/compaction.h"

#include <string.h>

static uint32_t living_in(const segment *segment)
{
    return segment->view.count - segment->removed;
}

static uint32_t tokens_in(const segment *segment)
{
    return view_offsets(&segment->view)[segment->view.count];
}

/* Append the living patterns of *from* to *to*. -1: no memory; *to* may hold some of them then. */
static int copied(segment *to, const segment *from)
{
    const segment_view *view = &from->view;
    const uint32_t *offsets = view_offsets(view), *tokens = view_tokens(view);
    const uint32_t *frequencies = view_frequencies(view);
    for (uint32_t local = 0; local < view->count; local++) {
        uint32_t size = offsets[local + 1] - offsets[local];
        if (frequencies[local] == REMOVED) {
            continue;
        }
        if (segment_reserve(to, 1, size) < 0) {
            return -1;
        }
        uint32_t moved = segment_append(to, tokens + offsets[local], size, view_name(view, local),
                                        frequencies[local]);
        segment_records(to)[moved] = segment_records(from)[local];
    }
    return 0;
}

/* A new segment with the living patterns of *first* (or NULL) and *second*; NULL: no memory. */
static segment *rewritten(patterns *all, const segment *first, const segment *second)
{
    int64_t id = patterns_free_id(all);
    segment *fresh = id < 0 ? NULL : segment_new((uint32_t)id);
    if (fresh == NULL) {
        return NULL;
    }
    if ((first != NULL && copied(fresh, first) < 0) || copied(fresh, second) < 0
        || segment_index(fresh, all->symbols->count) < 0) {
        segment_free(fresh);
        return NULL;
    }
    return fresh;
}

static uint32_t place_of(const patterns *all, const segment *segment)
{
    uint32_t place = 0;
    while (all->order[place] != segment) {
        place++;
    }
    return place;
}

static void forget(patterns *all, uint32_t place)
{
    segment *gone = all->order[place];
    all->registry[gone->id] = NULL;
    segment_free(gone);
    all->order_count--;
    memmove(&all->order[place], &all->order[place + 1],
            (all->order_count - place) * sizeof(segment *));
}

/*
 * Replace the segment at *place* by *fresh*, and the one before it, too, if *fresh* took *both*.
 * Old segments stay registered until all names lead to new slots: setting a name compares it with
 * names that are read through old and new slots alike. So *fresh* cannot take over an old id.
 */
static void replaced(patterns *all, uint32_t place, int both, segment *fresh)
{
    all->registry[fresh->id] = fresh;
    for (uint32_t local = 0; local < fresh->view.count; local++) {
        names_set(&all->names, view_name(&fresh->view, local), fresh->id << LOCAL_BITS | local);
    }
    all->registry[all->order[place]->id] = NULL;
    segment_free(all->order[place]);
    all->order[place] = fresh;
    if (both) {
        forget(all, place - 1);
    }
}

/* Whether both together fill at most half a segment. */
static int are_small(const segment *first, const segment *second)
{
    return living_in(first) + living_in(second) <= SEGMENT_PATTERNS / 2
           && tokens_in(first) + tokens_in(second) <= SEGMENT_TOKENS / 2;
}

void compact_around(patterns *all, segment *shrunk)
{
    if (shrunk->removed < REMOVED_KEPT || shrunk->removed * 2 <= shrunk->view.count) {
        return;
    }
    uint32_t place = place_of(all, shrunk);
    if (living_in(shrunk) == 0) {
        forget(all, place);
        return;
    }
    segment *before = place > 0 ? all->order[place - 1] : NULL;
    int both = before != NULL && are_small(before, shrunk);
    segment *fresh = rewritten(all, both ? before : NULL, shrunk);
    if (fresh != NULL) {
        replaced(all, place, both, fresh);
    }
}
