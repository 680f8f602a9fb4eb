#include "query/fuzzy.h"

#include <string.h>

void fuzzy_close(fuzzy *fuzzy)
{
    if (fuzzy == NULL) {
        return;
    }
    if (fuzzy->owns_alike) {
        alike_close(fuzzy->alike);
        kato_free(fuzzy->alike);
    }
    state_close(&fuzzy->state);
    kato_free(fuzzy->ratios);
    kato_free(fuzzy->chosen);
    kato_free(fuzzy->met);
    kato_free(fuzzy->numbers);
    kato_free(fuzzy->weights.by_local);
    kato_free(fuzzy);
}

/* Scratch memory for a thread; NULL: none left. */
static fuzzy *opened(const state *state)
{
    fuzzy *own = kato_allocate_zeroed(1, sizeof(*own));
    if (own == NULL) {
        return NULL;
    }
    size_t room = (size_t)state->length + 1;
    own->ratios = kato_allocate_zeroed(room, sizeof(*own->ratios));
    own->chosen = kato_allocate_zeroed(room, sizeof(*own->chosen));
    own->met = kato_allocate(room, sizeof(*own->met));
    own->numbers = kato_allocate(room, sizeof(*own->numbers));
    own->weights.by_local = kato_allocate(room, sizeof(double));
    if (!own->ratios || !own->chosen || !own->met || !own->numbers || !own->weights.by_local
        || state_open_empty(&own->state, state->length, state->table_size) < 0) {
        fuzzy_close(own);
        return NULL;
    }
    return own;
}

fuzzy *fuzzy_share(const query *whole)
{
    fuzzy *own = opened(&whole->state);
    if (own != NULL) {
        own->alike = whole->fuzzy->alike;
    }
    return own;
}

/* Let the prefilter count what the state may hold in any spelling: never less than an alignment. */
static void set_sought(query *query, const alike *found)
{
    uint64_t longest = query->frozen->longest;
    query->sought = (sought){
        .symbols = found->sought_symbols,
        .counts = found->sought_counts,
        .count = found->sought,
        .most = found->sought_times < longest ? found->sought_times : longest,
    };
}

int fuzzy_open(query *query, PyObject *symbols, double least)
{
    fuzzy *own = query->fuzzy = opened(&query->state);
    uint8_t *in_matches = kato_allocate_zeroed((size_t)query->state.length + 1, 1);
    if (in_matches != NULL) {
        /* A pattern's spelling of the state may have more symbols that are in the index. */
        kato_free(query->in_matches);
        query->in_matches = in_matches;
    }
    if (own == NULL || in_matches == NULL) {
        return -1;
    }
    own->alike = kato_allocate_zeroed(1, sizeof(*own->alike));
    own->owns_alike = own->alike != NULL;
    if (own->alike == NULL
        || alike_find(own->alike, query->frozen, symbols, &query->state, least, &query->scratch)
               < 0) {
        return -1;
    }
    set_sought(query, own->alike);
    return 0;
}

/*
 * Choose the pattern's spelling of each of the state's: the most similar, the first of equals. A
 * symbol that the pattern holds chooses itself, since only equal symbols have the ratio 1. Gives
 * whether any differs.
 */
static int choose(fuzzy *own, align_scratch *scratch, const uint32_t *tokens, uint32_t count)
{
    const alike *alike = own->alike;
    uint64_t steps = 0;
    for (uint32_t number = 0; number < own->met_count; number++) {
        own->ratios[own->met[number]] = 0.0;
    }
    own->met_count = 0;
    for (uint32_t at = 0; at < count; at++) {
        uint32_t symbol = TOKEN_SYMBOL(tokens[at]);
        uint32_t first = alike->starts[symbol], end = alike->starts[symbol + 1];
        for (uint32_t pair = first; pair < end; pair++) {
            const likeness *like = &alike->pairs[pair];
            if (own->ratios[like->own] == 0.0) {
                own->met[own->met_count++] = like->own;
            }
            if (like->ratio > own->ratios[like->own]) {
                own->ratios[like->own] = like->ratio;
                own->chosen[like->own] = symbol;
            }
        }
        steps += end - first;
    }
    align_expired(scratch, steps);
    for (uint32_t number = 0; number < own->met_count; number++) {
        uint32_t spelling = own->met[number];
        if (own->chosen[spelling] != alike->known[spelling]) {
            return 1;
        }
    }
    return 0;
}

static void refill(fuzzy *own)
{
    state_empty(&own->state);
    state_fill(&own->state, own->numbers);
}

const state *fuzzy_state(query *query, const uint32_t *tokens, uint32_t count)
{
    fuzzy *own = query->fuzzy;
    if (!choose(own, &query->scratch, tokens, count)) {
        return &query->state;
    }
    for (uint32_t at = 0; at < query->state.length; at++) {
        own->numbers[at] = is_respelled(own, at) ? own->chosen[own->alike->spelled[at]]
                                                 : own->alike->numbers[at];
    }
    align_expired(&query->scratch, (uint64_t)query->state.length * 4);
    refill(own);
    return &own->state;
}

/* Fill the state again, with the pattern's spelling only where its blocks are. */
static void keep_matched(fuzzy *own, const uint32_t *tokens, const block *blocks, uint32_t count)
{
    memcpy(own->numbers, own->alike->numbers, own->alike->length * sizeof(*own->numbers));
    for (uint32_t number = 0; number < count; number++) {
        const block *one = &blocks[number];
        for (uint32_t at = 0; at < one->size; at++) {
            own->numbers[one->in_state + at] = TOKEN_SYMBOL(tokens[one->in_pattern + at]);
        }
    }
    refill(own);
}

/* Only symbols that are in some present have a weight; the pattern's spellings are in its own. */
static void weigh(query *query)
{
    fuzzy *own = query->fuzzy;
    for (uint32_t local = 1; local <= own->state.distinct; local++) {
        uint32_t symbol = own->state.symbols[local];
        uint32_t observed = state_local(&query->state, symbol);
        double probability = counts_probability(&query->frozen->counts, symbol);
        int is_covered = observed == 0 || query->covered[observed];
        own->weights.by_local[local] = is_covered ? probability * own->state.counts[local] : 0.0;
    }
    own->weights.length = length_of(own->weights.by_local, own->state.distinct);
}

double distance_of(query *query, const uint32_t *tokens, uint32_t count, present part)
{
    const symbol_counts *counts = &query->frozen->counts;
    const state *state = state_for(query, tokens, count);
    if (state == &query->state) {
        return cosine_distance(state, &query->weights, counts, part, query->occurrences);
    }
    block *blocks = query->scratch.found;
    alignment found = aligned_with(query, state, tokens, count, blocks);
    keep_matched(query->fuzzy, tokens, blocks, found.blocks);
    weigh(query);
    return cosine_distance(state, &query->fuzzy->weights, counts, part, query->occurrences);
}
