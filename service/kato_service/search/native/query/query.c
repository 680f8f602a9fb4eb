#include "query/fuzzy.h"

#include <math.h>
#include <string.h>

enum { AHEAD = 8 }; /* how many survivors ahead tokens are prefetched */

/* Patterns to align that make a second thread worth while: starting it takes some 50 µs. */
#ifdef KATO_SMALL_SEGMENTS
enum { WORTH_A_THREAD = 8 };
#else
enum { WORTH_A_THREAD = 8192 };
#endif

/*
 * By length, the least M with 2.0·M / (length + state) ≥ threshold, in that very expression: so no
 * rounding can lose a pattern. It grows with the length, so the search continues from the last one.
 */
static void fill_needed(query *query)
{
    uint32_t needed = query->threshold > 0.0 ? 1 : 0;
    for (uint32_t length = 0; length <= query->frozen->longest; length++) {
        double total = (double)length + query->state.length;
        while (needed <= total && 2.0 * needed / total < query->threshold) {
            needed++;
        }
        query->needed[length] = needed;
    }
}

static int allocate(query *opened)
{
    size_t longest = opened->frozen->longest, distinct = opened->state.distinct;
    opened->occurrences = kato_allocate_zeroed(opened->state.table_size, sizeof(tally));
    opened->needed = kato_allocate(longest + 1, sizeof(*opened->needed));
    opened->overlap = kato_allocate_zeroed(SEGMENT_PATTERNS, sizeof(*opened->overlap));
    opened->survivors = kato_allocate(SEGMENT_PATTERNS + 1, sizeof(*opened->survivors));
    opened->covered = kato_allocate_zeroed(distinct + 1, sizeof(*opened->covered));
    opened->in_matches = kato_allocate_zeroed(distinct + 1, sizeof(*opened->in_matches));
    opened->weights.by_local = kato_allocate(distinct + 1, sizeof(double));
    opened->bounds = kato_allocate(opened->limit, sizeof(*opened->bounds));
    int complete = opened->occurrences && opened->needed && opened->overlap && opened->survivors
                   && opened->covered && opened->in_matches && opened->weights.by_local
                   && opened->bounds;
    return complete ? align_open(&opened->scratch, &opened->state, (uint32_t)longest) : -1;
}

/* What the uncovered symbols touch: a pattern that touches none of it covers none of them. */
static uint64_t touches_of_uncovered(const query *query)
{
    uint64_t touches = 0;
    if (!state_is_short(&query->state)) {
        return query->uncovered > 0 ? UINT64_MAX : 0;
    }
    for (uint32_t local = 1; local <= query->state.distinct; local++) {
        touches |= query->covered[local] ? 0 : state_touches(&query->state, local);
    }
    return touches;
}

int query_open(query *opened, const frozen *frozen, PyObject *symbols, double threshold,
               uint32_t limit)
{
    memset(opened, 0, sizeof(*opened));
    opened->frozen = frozen;
    opened->threshold = threshold;
    opened->limit = limit;
    opened->floor = -INFINITY;
    if (state_open(&opened->state, frozen->symbols, frozen->symbol_count, symbols) < 0) {
        return -1;
    }
    if (allocate(opened) < 0) {
        query_close(opened);
        PyErr_NoMemory();
        return -1;
    }
    opened->uncovered = opened->state.distinct;
    opened->uncovered_mask = touches_of_uncovered(opened);
    opened->sought = (sought){opened->state.symbols, opened->state.counts, opened->state.distinct,
                              opened->state.length};
    fill_needed(opened);
    return 0;
}

void query_limit(query *opened, double until, const pacemaker *pace)
{
    opened->scratch.until = until;
    opened->scratch.pace = *pace;
}

void query_want(query *opened, const wanted *wanted)
{
    opened->wanted = *wanted;
    opened->lists_kept = wanted->metrics || wanted->futures || wanted->rank != BY_POTENTIAL
                         || wanted->affinity != NULL || wanted->next;
}

int query_expired(const query *opened)
{
    return opened->scratch.expired && !opened->scratch.no_memory;
}

void query_close(query *query)
{
    align_close(&query->scratch);
    fuzzy_close(query->fuzzy);
    state_close(&query->state);
    kato_free(query->occurrences);
    kato_free(query->needed);
    kato_free(query->overlap);
    kato_free(query->survivors);
    kato_free(query->covered);
    kato_free(query->in_matches);
    kato_free(query->weights.by_local);
    kato_free(query->bounds);
    kato_free(query->candidates);
    later_close(&query->later);
    memset(query, 0, sizeof(*query));
}

/*
 * The present: from the event in which the first block starts to the one in which the last block
 * ends. The event before belongs to it, too, if the first block starts an event and the one before
 * contains the same symbol. Without a block: all events.
 */
static void set_present(candidate *found, const uint32_t *tokens, uint32_t count)
{
    uint32_t begin = found->alignment.begin, end = found->alignment.end;
    if (found->alignment.blocks == 0) {
        found->present_begin = 0;
        found->present_end = count;
        return;
    }
    uint32_t symbol = TOKEN_SYMBOL(tokens[begin]);
    if (begin > 0 && (tokens[begin] & EVENT_START)) {
        uint32_t before = begin;
        int holds = 0;
        do {
            before--;
            holds |= TOKEN_SYMBOL(tokens[before]) == symbol;
        } while (!(tokens[before] & EVENT_START));
        begin = holds ? before : begin;
    }
    while (!(tokens[begin] & EVENT_START)) {
        begin--;
    }
    while (end < count && !(tokens[end] & EVENT_START)) {
        end++;
    }
    found->present_begin = begin;
    found->present_end = end;
}

/* Note which of the state's symbols are in a present. */
static void cover(query *query, const uint32_t *tokens, uint32_t count)
{
    const state *state = &query->state;
    uint32_t uncovered = query->uncovered;
    for (uint32_t at = 0; at < count; at++) {
        uint32_t local = state_local(state, TOKEN_SYMBOL(tokens[at]));
        if (local != 0 && !query->covered[local]) {
            query->covered[local] = 1;
            query->uncovered--;
        }
    }
    if (query->uncovered != uncovered) {
        query->uncovered_mask = touches_of_uncovered(query);
    }
}

/* An upper bound of the base while the present is unknown: evidence ≤ confidence ≤ 1. */
static double highest_base(const alignment *found, uint32_t size, double noise)
{
    double evidence = (double)found->matched / size;
    double shares = noise > 0.0 ? evidence + 1.0 : 2.0 * evidence;
    return shares * noise + (found->blocks ? 1.0 / found->blocks : 0.0);
}

/* Whether the first block starts in the first event. */
static int starts_early(const alignment *found, const uint32_t *tokens)
{
    uint32_t at = found->begin;
    while (at > 0 && !(tokens[at] & EVENT_START)) {
        at--;
    }
    return at == 0;
}

/* Count a pattern that was aligned, and note it if it is below the threshold. */
static void look_around(query *query, const candidate *found, uint32_t size)
{
    uint32_t matched = found->alignment.matched;
    query->sharing += matched > 0;
    if (matched > 0 && matched < query->needed[size]) {
        double similarity = 2.0 * matched / ((double)size + query->state.length);
        nearest_note(query, (below){similarity, found->segment, found->local});
    }
}

void nearest_note(query *query, below found)
{
    const below *known = &query->nearest;
    int is_first = found.segment != known->segment ? found.segment < known->segment
                                                   : found.local < known->local;
    if (found.similarity > known->similarity
        || (found.similarity == known->similarity && is_first)) {
        query->nearest = found;
    }
}

/*
 * Align one pattern. If it reaches the threshold, it adds to Fsum and covers symbols, whether it is
 * among the best or not; it becomes a candidate if it may be among them. -1: no memory.
 */
static int consider(query *query, uint32_t segment, uint32_t local)
{
    const segment_view *view = &query->frozen->segments[segment];
    const uint32_t *offsets = view_offsets(view);
    const uint32_t *tokens = view_tokens(view) + offsets[local];
    uint32_t size = offsets[local + 1] - offsets[local];
    candidate found = {.segment = segment, .local = local};
    found.frequency = view_frequencies(view)[local];
    if (found.frequency == REMOVED) {
        return 0;
    }
    const state *state = state_for(query, tokens, size);
    found.alignment = aligned_with(query, state, tokens, size, NULL);
    uint32_t matched = found.alignment.matched;
    if (query->wanted.looks_around) {
        look_around(query, &found, size);
    }
    if (matched < query->needed[size]
        || (query->wanted.in_first_event && !starts_early(&found.alignment, tokens))) {
        return 0;
    }
    query->kept_count++;
    query->total_frequency += found.frequency;
    double noise = signal_to_noise(matched, query->state.length - matched);
    int uncovers = (found.alignment.touched & query->uncovered_mask) != 0;
    int hopeless = highest_base(&found.alignment, size, noise) < query->floor;
    if (hopeless && !uncovers && !query->lists_kept) {
        return 0;
    }
    set_present(&found, tokens, size);
    uint32_t shown = found.present_end - found.present_begin;
    if (uncovers) {
        cover(query, tokens + found.present_begin, shown);
    }
    if (query->lists_kept && later_keep(&query->later, &found) < 0) {
        return -1;
    }
    if (query->wanted.rank != BY_POTENTIAL || query->wanted.affinity != NULL || query->wanted.next) {
        return 0; /* candidates are made when everything is known that they are ranked by */
    }
    double shares = (double)matched / size + (double)matched / shown;
    found.base = shares * noise + (found.alignment.blocks ? 1.0 / found.alignment.blocks : 0.0);
    return candidates_add(query, &found);
}

int query_run_segment(query *query, uint32_t segment)
{
    const segment_view *view = &query->frozen->segments[segment];
    const uint32_t *offsets = view_offsets(view), *tokens = view_tokens(view);
    uint32_t count = find_survivors(query, view);
    query->aligned += count;
    for (uint32_t at = 0; at < count; at++) {
        if (at + AHEAD < count) {
            const uint32_t *next = tokens + offsets[query->survivors[at + AHEAD]];
            __builtin_prefetch(next);
            __builtin_prefetch(next + 16);
        }
        if (consider(query, segment, query->survivors[at]) < 0) {
            return -1;
        }
        uint32_t local = query->survivors[at];
        if (align_expired(&query->scratch, offsets[local + 1] - offsets[local] + 64)) {
            return -1;
        }
    }
    return query->scratch.expired ? -1 : 0;
}

/* Whether the remaining segments, judged by those so far, keep two threads busy. */
static int is_large(const query *query, uint32_t done)
{
    uint64_t left = query->frozen->segment_count - done;
    return done > 0 && left > 0 && query->aligned / done * left >= WORTH_A_THREAD
           && query_has_processors();
}

int query_run(query *query)
{
    uint32_t done = 0;
    while (done < query->frozen->segment_count && !is_large(query, done)) {
        if (query_run_segment(query, done++) < 0) {
            return -1;
        }
    }
    if (done < query->frozen->segment_count && query_run_shared(query, done) < 0) {
        return -1;
    }
    if (query->lists_kept && later_prepare(query) < 0) {
        return -1;
    }
    if (candidates_rank(query) < 0) {
        return -1;
    }
    return query->lists_kept ? later_fill(query) : 0;
}
