/*
 * Metrics in which symbols weigh what their affinity says (later-clients.md L8), with the order of
 * operations of domain/affinity.py and search/plain_later.py.
 */
#include <math.h>

#include "query/column.h"
#include "query/fuzzy.h"
#include "query/later.h"

#define LEAST_WEIGHT 0.01
#define MOST_WEIGHT 1e290 /* no sum of so many as a pattern may have symbols overflows */

enum { WEIGH_STEPS = 8 }; /* steps that weighing a symbol counts for */

static double weight_of_symbol(const query *query, uint32_t symbol)
{
    int64_t occurrences = counts_occurrences(&query->frozen->counts, symbol);
    double sum = fabs(column_sum(query->wanted.affinity, symbol));
    double weight = (occurrences > 0 ? sum / (double)occurrences : 0.0) + LEAST_WEIGHT;
    return weight < MOST_WEIGHT ? weight : MOST_WEIGHT;
}

static double weight_of_tokens(const query *query, const uint32_t *tokens, uint32_t count)
{
    double total = 0.0;
    for (uint32_t at = 0; at < count; at++) {
        total += weight_of_symbol(query, TOKEN_SYMBOL(tokens[at]));
    }
    return total;
}

/* What the symbol at each place of the state weighs. -1: no memory. */
static int weigh_state(query *query)
{
    const state *state = &query->state;
    double *weights = kato_allocate(state->length, sizeof(*weights));
    query->later.of_state = weights;
    if (weights == NULL) {
        return -1;
    }
    for (uint32_t place = 0; place < state->length; place++) {
        weights[place] = LEAST_WEIGHT;
    }
    for (uint32_t local = 1; local <= state->distinct; local++) {
        double weight = weight_of_symbol(query, state->symbols[local]);
        for (uint32_t at = state->starts[local]; at < state->starts[local + 1]; at++) {
            weights[state->positions[at]] = weight;
        }
    }
    return 0;
}

/* Matched symbols count as the pattern spells them, extras as the state does. */
static weighed weigh(query *query, const kept *one)
{
    const segment_view *view = &query->frozen->segments[one->segment];
    uint32_t start = view_offsets(view)[one->local];
    uint32_t size = view_offsets(view)[one->local + 1] - start, place = 0;
    const uint32_t *tokens = view_tokens(view) + start;
    const double *of_state = query->later.of_state;
    weighed of = {0.0, 0.0, 0.0, 0.0};
    const block *list = query->scratch.found;
    const state *as_spelled = state_for(query, tokens, size);
    alignment found = aligned_with(query, as_spelled, tokens, size, query->scratch.found);
    for (uint32_t number = 0; number < found.blocks; number++) {
        for (uint32_t at = 0; at < list[number].size; at++) {
            uint32_t symbol = TOKEN_SYMBOL(tokens[list[number].in_pattern + at]);
            of.matched += weight_of_symbol(query, symbol);
        }
        for (; place < list[number].in_state; place++) {
            of.extras += of_state[place];
        }
        place += list[number].size;
    }
    for (; place < query->state.length; place++) {
        of.extras += of_state[place];
    }
    of.pattern = weight_of_tokens(query, tokens, size);
    of.present = weight_of_tokens(query, tokens + one->present_begin,
                                  one->present_end - one->present_begin);
    return of;
}

int weigh_kept(query *query)
{
    later *later = &query->later;
    later->weighed = kato_allocate(later->count, sizeof(*later->weighed));
    if (later->weighed == NULL || weigh_state(query) < 0) {
        return -1;
    }
    for (size_t at = 0; at < later->count; at++) {
        const kept *one = &later->kept[at];
        const uint32_t *offsets = view_offsets(&query->frozen->segments[one->segment]);
        uint64_t size = (uint64_t)offsets[one->local + 1] - offsets[one->local];
        later->weighed[at] = weigh(query, one);
        if (align_expired(&query->scratch, WEIGH_STEPS * (2 * size + query->state.length))) {
            return -1;
        }
    }
    return 0;
}

static const weighed *weighed_of(const query *query, const kept *one)
{
    return &query->later.weighed[one - query->later.kept];
}

static double weighted_snr(const weighed *of)
{
    return of->matched != 0.0 ? of->matched / (of->matched + of->extras) : 0.0;
}

merits weighted_merits(const query *query, const candidate *found)
{
    const weighed *of = weighed_of(query, kept_at(query, found->segment, found->local));
    return (merits){of->matched / of->pattern + of->matched / of->present, weighted_snr(of)};
}

/*
 * The potential is the weighted (evidence + confidence)·snr + 1/blocks + itfdf; the bounds of the
 * last term are those of plain potentials, so candidates.c prunes as it does for these.
 */
int select_by_weight(query *query)
{
    for (size_t at = 0; at < query->later.count; at++) {
        candidate found = candidate_of(query, &query->later.kept[at]);
        merits of = weighted_merits(query, &found);
        uint32_t blocks = found.alignment.blocks;
        found.base = of.shares * of.noise + (blocks ? 1.0 / blocks : 0.0);
        if (candidates_add(query, &found) < 0) {
            return -1;
        }
    }
    return align_expired(&query->scratch, query->later.count) ? -1 : 0;
}

weighted_metrics unrounded_of(const query *query, const kept *one)
{
    const weighed *of = weighed_of(query, one);
    return (weighted_metrics){
        .similarity = 2.0 * of->matched / (of->pattern + of->matched + of->extras),
        .evidence = of->matched / of->pattern,
        .confidence = of->matched / of->present,
        .snr = weighted_snr(of),
    };
}

weighted_metrics weighted_of(const query *query, const kept *one)
{
    weighted_metrics of = unrounded_of(query, one);
    return (weighted_metrics){
        .similarity = round12(of.similarity),
        .evidence = round12(of.evidence),
        .confidence = round12(of.confidence),
        .snr = round12(of.snr),
    };
}
