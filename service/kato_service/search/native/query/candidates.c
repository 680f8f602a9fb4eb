/* Which patterns that reach the threshold may be among the best, and in what order. */
#include <stdlib.h>

#include "query/fuzzy.h"

/* More than rounding to 12 decimals and the errors of a few additions can change a potential. */
#define SLACK 1e-9

enum { SCORE_STEPS = 8 }; /* steps that scoring a symbol counts for */

/* Restore the order of a heap, whose least value is on top, below *place*. */
static void sift_down(double *heap, uint32_t count, uint32_t place)
{
    for (;;) {
        uint32_t least = place, left = 2 * place + 1, right = left + 1;
        if (left < count && heap[left] < heap[least]) {
            least = left;
        }
        if (right < count && heap[right] < heap[least]) {
            least = right;
        }
        if (least == place) {
            return;
        }
        double moved = heap[place];
        heap[place] = heap[least];
        heap[least] = moved;
        place = least;
    }
}

void bounds_note(query *query, double value)
{
    if (query->bound_count < query->limit) {
        query->bounds[query->bound_count++] = value;
        for (uint32_t place = query->limit / 2; query->bound_count == query->limit && place-- > 0;) {
            sift_down(query->bounds, query->limit, place);
        }
    } else if (value > query->bounds[0]) {
        query->bounds[0] = value;
        sift_down(query->bounds, query->limit, 0);
    }
}

/*
 * Potential = base + itfdf, where 1 − f/Fsum ≤ itfdf ≤ 1 (0 for all if Fsum = 0). So a pattern
 * whose base is below the limit-th best of the lower bounds base − f/Fsum is not among the best.
 * Fsum is not known before the end, but the sum so far is smaller, which only lowers the bounds.
 */
static void note_bound(query *query, const candidate *found)
{
    double bound = found->base;
    if (query->total_frequency > 0) {
        bound -= (double)found->frequency / (double)query->total_frequency;
    }
    bounds_note(query, bound);
    if (query->bound_count == query->limit) {
        query->floor = query->bounds[0] - SLACK;
    }
}

/* Drop candidates that the floor has passed. */
static void drop_hopeless(query *query)
{
    size_t kept = 0;
    for (size_t at = 0; at < query->candidate_count; at++) {
        if (query->candidates[at].base >= query->floor) {
            query->candidates[kept++] = query->candidates[at];
        }
    }
    query->candidate_count = kept;
}

/* -1: no memory. */
static int make_room(query *query)
{
    if (query->candidate_count < query->candidate_capacity) {
        return 0;
    }
    drop_hopeless(query);
    if (query->candidate_count < query->candidate_capacity / 2) {
        return 0;
    }
    size_t capacity = query->candidate_capacity ? query->candidate_capacity * 2 : 256;
    candidate *grown = kato_resize(query->candidates, capacity, sizeof(*grown));
    if (grown == NULL) {
        return -1;
    }
    query->candidates = grown;
    query->candidate_capacity = capacity;
    return 0;
}

int candidates_append(query *query, const candidate *found)
{
    if (make_room(query) < 0) {
        return -1;
    }
    query->candidates[query->candidate_count++] = *found;
    return 0;
}

int candidates_add(query *query, const candidate *found)
{
    if (found->base < query->floor) {
        return 0;
    }
    if (candidates_append(query, found) < 0) {
        return -1;
    }
    note_bound(query, found);
    return 0;
}

/* Compute the bounds again, now that Fsum is known. */
static void settle_floor(query *query)
{
    query->bound_count = 0;
    for (size_t at = 0; at < query->candidate_count; at++) {
        note_bound(query, &query->candidates[at]);
    }
}

/* P(s)·count(s) of the state's symbols; 0 for those that are in no pattern's present. */
void candidates_weigh(query *query)
{
    const state *state = &query->state;
    for (uint32_t local = 1; local <= state->distinct; local++) {
        double probability = counts_probability(&query->frozen->counts, state->symbols[local]);
        double weight = query->covered[local] ? probability * state->counts[local] : 0.0;
        query->weights.by_local[local] = weight;
    }
    query->weights.length = length_of(query->weights.by_local, state->distinct);
}

merits merits_of(const query *query, const candidate *found)
{
    if (query->wanted.affinity != NULL) {
        return weighted_merits(query, found);
    }
    const uint32_t *offsets = view_offsets(&query->frozen->segments[found->segment]);
    uint32_t size = offsets[found->local + 1] - offsets[found->local];
    uint32_t shown = found->present_end - found->present_begin;
    uint32_t matched = found->alignment.matched;
    return (merits){(double)matched / size + (double)matched / shown,
                    signal_to_noise(matched, query->state.length - matched)};
}

int candidate_score(query *query, candidate *found)
{
    const segment_view *view = &query->frozen->segments[found->segment];
    uint32_t start = view_offsets(view)[found->local];
    uint32_t size = view_offsets(view)[found->local + 1] - start;
    present part = {view_tokens(view) + start + found->present_begin,
                    found->present_end - found->present_begin};
    double distance = distance_of(query, view_tokens(view) + start, size, part);
    merits of = merits_of(query, found);
    found->itfdf = itfdf_similarity(distance, found->frequency, query->total_frequency);
    found->potential = potential_of(of.shares, of.noise, found->itfdf, found->alignment.blocks);
    return align_expired(&query->scratch, (uint64_t)SCORE_STEPS * part.count) ? -1 : 0;
}

/* Best first; equal ones in order of first learns, which is the order of their places. */
static int compare(const void *left, const void *right)
{
    const candidate *a = left, *b = right;
    if (a->value != b->value) {
        return a->value < b->value ? 1 : -1;
    }
    if (a->potential != b->potential) {
        return a->potential < b->potential ? 1 : -1;
    }
    if (a->segment != b->segment) {
        return a->segment > b->segment ? 1 : -1;
    }
    return (a->local > b->local) - (a->local < b->local);
}

int candidates_rank(query *query)
{
    if (query->wanted.rank == BY_POTENTIAL) {
        settle_floor(query);
        drop_hopeless(query);
    }
    candidates_weigh(query);
    for (size_t at = 0; at < query->candidate_count; at++) {
        if (candidate_score(query, &query->candidates[at]) < 0) {
            return -1;
        }
    }
    if (query->candidate_count > 1) {
        qsort(query->candidates, query->candidate_count, sizeof(candidate), compare);
    }
    if (query->candidate_count > query->limit) {
        query->candidate_count = query->limit;
    }
    return 0;
}
