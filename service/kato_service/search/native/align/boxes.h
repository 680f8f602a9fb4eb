/* What alignment with short and long states shares: boxes to be searched, and blocks found. */
#ifndef KATO_BOXES_H
#define KATO_BOXES_H

#include "align/align.h"
#include "index/segment.h"

/* A part of pattern × state. Rows are places in the pattern; for a short state, gathered rows. */
typedef struct {
    uint32_t from, to;
    uint32_t low, high; /* columns: places in the state */
} box;

/* Blocks as they are found, not in order; the list may be NULL. */
typedef struct {
    alignment sum;
    block *list;
} gathered;

static inline void gather(gathered *all, uint32_t in_pattern, uint32_t in_state, uint32_t size)
{
    alignment *sum = &all->sum;
    if (all->list != NULL) {
        all->list[sum->blocks] = (block){in_pattern, in_state, size};
    }
    if (sum->blocks == 0 || in_pattern < sum->begin) {
        sum->begin = in_pattern;
    }
    if (in_pattern + size > sum->end) {
        sum->end = in_pattern + size;
    }
    sum->blocks++;
    sum->matched += size;
}

alignment short_aligned(const state *state, align_scratch *scratch, const uint32_t *tokens,
                        uint32_t count, block *list);
alignment long_aligned(const state *state, align_scratch *scratch, const uint32_t *tokens,
                       uint32_t count, block *list);

/*
 * For a long state and a pattern that repeat themselves: the longest block of a box, the first of
 * equals; size 0 if there is none. It has to be begun for every pattern. Both may give up.
 */
void repeats_begin(align_scratch *scratch, const state *state, const uint32_t *tokens,
                   uint32_t count);
block repeats_longest(align_scratch *scratch, const box *part);
void repeats_free(struct repeats *own);

#endif
