/* The first sieve: no alignment matches more symbols than a pattern and the state have in common. */
#include <string.h>

#include "query.h"

/* Entries of one of the state's symbols, each counting at most *most*. */
typedef struct {
    uint32_t start, count, most;
} posting_list;

/* Add the list's counts to the overlaps, noting places that had none. MANY_TIMES: enough. */
static uint32_t add_noting(query *query, const postings *found, posting_list list, uint32_t met)
{
    for (uint32_t at = list.start; at < list.start + list.count; at++) {
        uint32_t times = found->times[at], local = found->locals[at];
        if (query->overlap[local] == 0) {
            query->survivors[met++] = (uint16_t)local;
        }
        uint32_t common = times < list.most && times < MANY_TIMES ? times : list.most;
        query->overlap[local] = (uint16_t)(query->overlap[local] + common);
    }
    return met;
}

static void add_all(query *query, const postings *found, posting_list list)
{
    const uint16_t *locals = found->locals + list.start;
    const uint8_t *all_times = found->times + list.start;
    uint16_t *overlap = query->overlap;
    if (list.most == 1) {
        for (uint32_t at = 0; at < list.count; at++) {
            overlap[locals[at]]++;
        }
        return;
    }
    for (uint32_t at = 0; at < list.count; at++) {
        uint32_t times = all_times[at];
        uint32_t common = times < list.most && times < MANY_TIMES ? times : list.most;
        overlap[locals[at]] = (uint16_t)(overlap[locals[at]] + common);
    }
}

static int enough(const query *query, const uint32_t *offsets, uint32_t local)
{
    return query->overlap[local] >= query->needed[offsets[local + 1] - offsets[local]];
}

/* Keep those of the noted places that overlap enough, and clear all of them. */
static uint32_t sieved(query *query, const uint32_t *offsets, uint32_t met)
{
    uint32_t kept = 0;
    for (uint32_t at = 0; at < met; at++) {
        uint16_t local = query->survivors[at];
        query->survivors[kept] = local;
        kept += (uint32_t)enough(query, offsets, local);
        query->overlap[local] = 0;
    }
    return kept;
}

/* Keep every place that overlaps enough, and clear all. */
static uint32_t swept(query *query, const uint32_t *offsets, uint32_t patterns)
{
    uint32_t kept = 0;
    for (uint32_t local = 0; local < patterns; local++) {
        if (query->overlap[local] != 0) {
            query->survivors[kept] = (uint16_t)local;
            kept += (uint32_t)enough(query, offsets, local);
        }
    }
    memset(query->overlap, 0, patterns * sizeof(*query->overlap));
    return kept;
}

static uint32_t overlapping(query *query, const segment_view *view, const postings *found)
{
    const state *state = &query->state;
    const uint32_t *offsets = view_offsets(view);
    uint64_t entries = 0;
    uint32_t met = 0;
    posting_list list;
    for (uint32_t local = 1; local <= state->distinct; local++) {
        entries += postings_find(found, state->symbols[local], &list.start);
    }
    if (entries == 0) {
        return 0;
    }
    int few = entries < found->patterns / FEW;
    for (uint32_t local = 1; local <= state->distinct; local++) {
        list.count = postings_find(found, state->symbols[local], &list.start);
        list.most = state->counts[local];
        if (few) {
            met = add_noting(query, found, list, met);
        } else {
            add_all(query, found, list);
        }
    }
    return few ? sieved(query, offsets, met) : swept(query, offsets, found->patterns);
}

uint32_t find_survivors(query *query, const segment_view *view)
{
    postings found = postings_in(view);
    uint32_t kept = 0, next = found.patterns;
    if (query->threshold <= 0.0 || query->state.length > UINT16_MAX) {
        next = 0; /* all of them; and overlaps are counted with 16 bits */
    } else if (found.patterns > 0) {
        kept = overlapping(query, view, &found);
    }
    for (; next < view->count; next++) {
        query->survivors[kept++] = (uint16_t)next;
    }
    return kept;
}
