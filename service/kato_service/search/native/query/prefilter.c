/*
 * The prefilter: no alignment matches more symbols than a pattern and the state have in common, as
 * multisets. The overlap is counted from postings; patterns with too little are never aligned.
 */
#include <string.h>

#include "query/query.h"

enum {
    FIND_STEPS = 64, /* steps that a search for a symbol's entries counts for */
    FINDS_A_LOOK = 1 << 12
};

/* Entries of one symbol, of which the state holds at most *most*. */
typedef struct {
    uint32_t start, count, most;
} posting_list;

/* How much an entry adds, if the pattern's earlier entries of the symbol added *before*. */
static inline uint32_t in_common(uint16_t entry, uint32_t most, uint32_t before)
{
    uint32_t times = entry_times(entry);
    return times < most - before ? times : most - before;
}

/* Add a list to the overlaps, and note the places that it met first. */
static uint32_t add_noting(query *query, const postings *found, posting_list list, uint32_t met)
{
    const uint16_t *entries = found->entries + list.start;
    uint32_t last = SEGMENT_PATTERNS, counted = 0;
    for (uint32_t at = 0; at < list.count; at++) {
        uint32_t local = entry_local(entries[at]);
        if (query->overlap[local] == 0) {
            query->survivors[met++] = (uint16_t)local;
        }
        counted = local == last ? counted : 0;
        uint32_t common = in_common(entries[at], list.most, counted);
        query->overlap[local] = (uint16_t)(query->overlap[local] + common);
        counted += common;
        last = local;
    }
    return met;
}

/* Add a list to the overlaps without noting places. */
static void add_all(query *query, const postings *found, posting_list list)
{
    const uint16_t *entries = found->entries + list.start;
    uint16_t *overlap = query->overlap;
    uint32_t last = SEGMENT_PATTERNS, counted = 0;
    if (list.most == 1) {
        for (uint32_t at = 0; at < list.count; at++) {
            uint32_t local = entry_local(entries[at]);
            overlap[local] = (uint16_t)(overlap[local] + (local != last));
            last = local;
        }
        return;
    }
    for (uint32_t at = 0; at < list.count; at++) {
        uint32_t local = entry_local(entries[at]);
        counted = local == last ? counted : 0;
        uint32_t common = in_common(entries[at], list.most, counted);
        overlap[local] = (uint16_t)(overlap[local] + common);
        counted += common;
        last = local;
    }
}

static int enough(const query *query, const uint32_t *offsets, uint32_t local)
{
    return query->overlap[local] >= query->needed[offsets[local + 1] - offsets[local]];
}

/* Keep the noted places that overlap enough, and reset all of them. */
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

/* Scan all places, keep those that overlap enough, and reset all of them. */
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

/*
 * The same for a query that looks around: it keeps the patterns as well that may be the most similar
 * one below the threshold. The others share a symbol with the state if they overlap with it at all.
 */
static uint32_t looked_at(query *query, const segment_view *view, uint32_t patterns)
{
    const uint32_t *offsets = view_offsets(view);
    uint32_t kept = 0;
    for (uint32_t local = 0; local < patterns; local++) {
        if (query->overlap[local] == 0 || view_frequencies(view)[local] == REMOVED) {
            continue;
        }
        double size = (double)(offsets[local + 1] - offsets[local]) + query->state.length;
        if (enough(query, offsets, local)
            || 2.0 * query->overlap[local] / size >= query->nearest.similarity) {
            query->survivors[kept++] = (uint16_t)local;
        } else {
            query->sharing++;
        }
    }
    memset(query->overlap, 0, patterns * sizeof(*query->overlap));
    return kept;
}

/* How many entries the symbols that are sought have in a segment. */
static uint64_t entries_of(query *query, const postings *found)
{
    const sought *sought = &query->sought;
    uint64_t entries = 0;
    uint32_t start;
    for (uint32_t at = 1; at <= sought->count; at++) {
        entries += postings_find(found, sought->symbols[at], &start);
        if (at % FINDS_A_LOOK == 0 && align_expired(&query->scratch, FIND_STEPS * FINDS_A_LOOK)) {
            return 0;
        }
    }
    align_expired(&query->scratch, (uint64_t)FIND_STEPS * (sought->count % FINDS_A_LOOK));
    return entries;
}

static uint32_t overlapping(query *query, const segment_view *view, const postings *found)
{
    const sought *sought = &query->sought;
    const uint32_t *offsets = view_offsets(view);
    uint64_t entries = entries_of(query, found);
    uint32_t met = 0;
    posting_list list;
    if (entries == 0 || align_expired(&query->scratch, entries)) {
        return 0;
    }
    /* With few entries, noting the places they meet is cheaper than scanning all places after. */
    int few = entries < found->patterns / FEW;
    for (uint32_t at = 1; at <= sought->count; at++) {
        list.count = postings_find(found, sought->symbols[at], &list.start);
        list.most = sought->counts[at];
        if (at % FINDS_A_LOOK == 0 && align_expired(&query->scratch, FIND_STEPS * FINDS_A_LOOK)) {
            return 0;
        }
        if (few) {
            met = add_noting(query, found, list, met);
        } else {
            add_all(query, found, list);
        }
    }
    if (query->wanted.looks_around) {
        return looked_at(query, view, found->patterns);
    }
    return few ? sieved(query, offsets, met) : swept(query, offsets, found->patterns);
}

uint32_t find_survivors(query *query, const segment_view *view)
{
    postings found = postings_in(view);
    uint32_t kept = 0, next = found.patterns;
    if (query->threshold <= 0.0 || query->sought.most > UINT16_MAX) {
        next = 0; /* all of them: none is excluded, or 16 bits are too few for overlaps */
    } else if (found.patterns > 0) {
        kept = overlapping(query, view, &found);
    }
    /* The newest patterns have no postings yet: all of them are aligned. */
    for (; next < view->count; next++) {
        query->survivors[kept++] = (uint16_t)next;
    }
    return kept;
}
