/*
 * How many of the patterns that are there now hold a symbol (df). Postings tell, so nothing is
 * counted before a query asks, and learns cost nothing (decision 0046).
 */
#include "query/later.h"

#define KNOWN 0x80000000u /* in `holders`: the patterns with postings are counted, too */

enum { FIND_A_SEGMENT = 16 }; /* steps that looking a symbol up in a segment counts for */

/* Count the symbols of one pattern, each once. */
static void count_pattern(query *query, const uint32_t *tokens, uint32_t count)
{
    for (uint32_t at = 0; at < count; at++) {
        uint32_t symbol = TOKEN_SYMBOL(tokens[at]);
        query->later.holders[symbol] += query->occurrences[symbol] == 0;
        query->occurrences[symbol] = 1;
    }
    for (uint32_t at = 0; at < count; at++) {
        query->occurrences[TOKEN_SYMBOL(tokens[at])] = 0;
    }
}

int holders_open(query *query)
{
    const frozen *frozen = query->frozen;
    later *later = &query->later;
    later->holders = kato_allocate_zeroed(query->state.table_size, sizeof(*later->holders));
    if (later->holders == NULL) {
        return -1;
    }
    /* Patterns without postings are few; all of them are counted at once. */
    for (uint32_t number = 0; number < frozen->segment_count; number++) {
        const segment_view *view = &frozen->segments[number];
        const uint32_t *frequencies = view_frequencies(view), *offsets = view_offsets(view);
        uint32_t indexed = postings_in(view).patterns;
        for (uint32_t local = 0; local < view->count; local++) {
            if (frequencies[local] == REMOVED) {
                continue;
            }
            later->patterns++;
            if (local >= indexed) {
                count_pattern(query, view_tokens(view) + offsets[local],
                              offsets[local + 1] - offsets[local]);
            }
        }
        if (align_expired(&query->scratch, view->count)) {
            return -1;
        }
    }
    return 0;
}

/* The living patterns of a segment that hold the symbol, as far as they have postings. */
static uint32_t held_in(query *query, const segment_view *view, uint32_t symbol)
{
    postings found = postings_in(view);
    const uint32_t *frequencies = view_frequencies(view);
    uint32_t start, count, held = 0, last = UINT32_MAX;
    count = found.patterns > 0 ? postings_find(&found, symbol, &start) : 0;
    for (uint32_t at = 0; at < count; at++) {
        uint32_t local = entry_local(found.entries[start + at]);
        held += local != last && frequencies[local] != REMOVED;
        last = local;
    }
    align_expired(&query->scratch, (uint64_t)count + FIND_A_SEGMENT);
    return held;
}

uint32_t holders_of(query *query, uint32_t symbol)
{
    uint32_t *holders = &query->later.holders[symbol];
    if (!(*holders & KNOWN)) {
        for (uint32_t number = 0; number < query->frozen->segment_count; number++) {
            *holders += held_in(query, &query->frozen->segments[number], symbol);
        }
        *holders |= KNOWN;
    }
    return *holders & ~KNOWN;
}
