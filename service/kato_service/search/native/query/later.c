/* Ranks by other fields than the potential, and gives what later clients want to know. */
#include "query/later.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { METRIC_STEPS = 64 }; /* steps that the metrics of a symbol count for */

static int reserve(later *later, size_t more)
{
    size_t needed = later->count + more;
    if (needed <= later->capacity) {
        return 0;
    }
    size_t doubled = later->capacity ? later->capacity * 2 : 256;
    size_t capacity = needed > doubled ? needed : doubled;
    kept *grown = kato_resize(later->kept, capacity, sizeof(*grown));
    if (grown == NULL) {
        return -1;
    }
    later->kept = grown;
    later->capacity = capacity;
    return 0;
}

int later_keep(later *later, const candidate *found)
{
    if (reserve(later, 1) < 0) {
        return -1;
    }
    later->kept[later->count++] = (kept){
        .segment = found->segment,
        .local = found->local,
        .matched = found->alignment.matched,
        .blocks = found->alignment.blocks,
        .present_begin = found->present_begin,
        .present_end = found->present_end,
        .future = NO_FUTURE,
    };
    return 0;
}

int later_take_over(later *later, const struct later *found)
{
    if (found->count == 0) {
        return 0;
    }
    if (reserve(later, found->count) < 0) {
        return -1;
    }
    memcpy(later->kept + later->count, found->kept, found->count * sizeof(kept));
    later->count += found->count;
    return 0;
}

void later_close(later *later)
{
    kato_free(later->kept);
    kato_free(later->futures);
    kato_free(later->holders);
    kato_free(later->metrics);
    kato_free(later->of_state);
    kato_free(later->weighed);
    next_close(later);
}

/* Their places are in the order of first learns. */
static int compare_places(const void *left, const void *right)
{
    const kept *a = left, *b = right;
    if (a->segment != b->segment) {
        return a->segment > b->segment ? 1 : -1;
    }
    return (a->local > b->local) - (a->local < b->local);
}

/* Two threads list what they keep one after the other; only then is there anything to sort. */
static void sort_kept(later *later)
{
    for (size_t at = 1; at < later->count; at++) {
        if (compare_places(&later->kept[at - 1], &later->kept[at]) > 0) {
            qsort(later->kept, later->count, sizeof(kept), compare_places);
            return;
        }
    }
}

static uint32_t size_of(const query *query, const kept *one)
{
    const uint32_t *offsets = view_offsets(&query->frozen->segments[one->segment]);
    return offsets[one->local + 1] - offsets[one->local];
}

static uint32_t frequency_of(const query *query, const kept *one)
{
    return view_frequencies(&query->frozen->segments[one->segment])[one->local];
}

static double similarity_of(const query *query, const kept *one)
{
    return 2.0 * one->matched / ((double)size_of(query, one) + query->state.length);
}

double weight_of(const query *query, const kept *one)
{
    return (double)frequency_of(query, one) * similarity_of(query, one);
}

static present present_of(const query *query, const kept *one)
{
    const segment_view *view = &query->frozen->segments[one->segment];
    const uint32_t *tokens = view_tokens(view) + view_offsets(view)[one->local];
    return (present){tokens + one->present_begin, one->present_end - one->present_begin};
}

const kept *kept_at(const query *query, uint32_t segment, uint32_t local)
{
    const kept wanted = {.segment = segment, .local = local};
    return bsearch(&wanted, query->later.kept, query->later.count, sizeof(wanted),
                   compare_places);
}

candidate candidate_of(const query *query, const kept *one)
{
    return (candidate){
        .segment = one->segment,
        .local = one->local,
        .frequency = frequency_of(query, one),
        .present_begin = one->present_begin,
        .present_end = one->present_end,
        .alignment = {.matched = one->matched, .blocks = one->blocks},
    };
}

static double predictive_information(const query *query, const kept *one)
{
    if (one->future == NO_FUTURE || query->total_frequency == 0) {
        return 0.0;
    }
    double of_future = query->later.futures[one->future].weight;
    double of_all = query->later.future_weight;
    if (of_future == 0.0) {
        return 0.0;
    }
    return round12((weight_of(query, one) / of_future)
                   * (of_all / (double)query->total_frequency));
}

static double itfdf_of(query *query, const kept *one)
{
    candidate found = candidate_of(query, one);
    candidate_score(query, &found);
    return found.itfdf;
}

/* What a pattern is ranked by, which is not the potential. */
static double value_of(query *query, const kept *one)
{
    present part = present_of(query, one);
    switch (query->wanted.rank) {
    case BY_SIMILARITY:
    case BY_LIKELIHOOD:
        return similarity_of(query, one);
    case BY_EVIDENCE:
        return (double)one->matched / size_of(query, one);
    case BY_CONFIDENCE:
        return (double)one->matched / part.count;
    case BY_SNR:
        return signal_to_noise(one->matched, query->state.length - one->matched);
    case BY_FRAGMENTATION:
        return (double)one->blocks - 1.0;
    case BY_FREQUENCY:
        return frequency_of(query, one);
    case BY_NORMALIZED_ENTROPY:
        return normalized_entropy(query, part);
    case BY_GLOBAL_NORMALIZED_ENTROPY:
        return global_normalized_entropy(query, part);
    case BY_ITFDF:
        return itfdf_of(query, one);
    case BY_CONFLUENCE:
        return metrics_of(&query->frozen->counts, part, frequency_of(query, one),
                          query->occurrences)
            .confluence;
    case BY_PREDICTIVE_INFORMATION:
        return predictive_information(query, one);
    case BY_POSTERIOR:
        return share_of(weight_of(query, one), query->later.weight);
    case BY_PRIOR:
        return share_of(frequency_of(query, one), (double)query->total_frequency);
    case BY_TFIDF:
        return tfidf_score(query, part);
    case BY_WEIGHTED_SIMILARITY:
        return weighted_of(query, one).similarity;
    case BY_WEIGHTED_EVIDENCE:
        return weighted_of(query, one).evidence;
    case BY_WEIGHTED_CONFIDENCE:
        return weighted_of(query, one).confidence;
    case BY_WEIGHTED_SNR:
        return weighted_of(query, one).snr;
    default:
        return 0.0;
    }
}

/*
 * Make candidates of the patterns that may be among the best: those whose value is at least the
 * limit-th greatest. Equal values are ranked by their potential, so all of these are scored.
 * -1: no memory, or expired.
 */
static int select_by_value(query *query)
{
    later *later = &query->later;
    double *values = kato_allocate(later->count, sizeof(*values));
    int failed = values == NULL;
    query->bound_count = 0;
    for (size_t at = 0; at < later->count && !failed; at++) {
        kept *one = &later->kept[at];
        values[at] = value_of(query, one);
        bounds_note(query, values[at]);
        uint32_t shown = one->present_end - one->present_begin;
        failed = align_expired(&query->scratch, (uint64_t)METRIC_STEPS * shown);
    }
    double least = query->bound_count < query->limit ? -INFINITY : query->bounds[0];
    for (size_t at = 0; at < later->count && !failed; at++) {
        if (values[at] >= least) {
            candidate found = candidate_of(query, &later->kept[at]);
            found.value = values[at];
            failed = candidates_append(query, &found) < 0;
        }
    }
    kato_free(values);
    return failed ? -1 : 0;
}

static int needs_holders(const wanted *wanted)
{
    return wanted->metrics || wanted->rank == BY_GLOBAL_NORMALIZED_ENTROPY
           || wanted->rank == BY_TFIDF;
}

static int needs_futures(const wanted *wanted)
{
    return wanted->metrics || wanted->futures || wanted->rank == BY_PREDICTIVE_INFORMATION;
}

int later_prepare(query *query)
{
    later *later = &query->later;
    sort_kept(later);
    for (size_t at = 0; at < later->count; at++) {
        later->weight += weight_of(query, &later->kept[at]);
    }
    if (align_expired(&query->scratch, later->count)
        || (needs_futures(&query->wanted) && futures_find(query) < 0)
        || (needs_holders(&query->wanted) && holders_open(query) < 0)
        || (query->wanted.affinity != NULL && weigh_kept(query) < 0)) {
        return -1;
    }
    if (query->wanted.next) {
        return next_find(query);
    }
    if (query->wanted.rank == BY_POTENTIAL) {
        return query->wanted.affinity != NULL ? select_by_weight(query) : 0;
    }
    candidates_weigh(query);
    return select_by_value(query);
}

static later_metrics metrics_at(query *query, const candidate *found)
{
    const kept *one = kept_at(query, found->segment, found->local);
    present part = present_of(query, one);
    return (later_metrics){
        .normalized_entropy = normalized_entropy(query, part),
        .global_normalized_entropy = global_normalized_entropy(query, part),
        .shannon_entropy = shannon_entropy(query, part),
        .predictive_information = predictive_information(query, one),
        .tfidf = tfidf_score(query, part),
        .prior = share_of(found->frequency, (double)query->total_frequency),
        .likelihood = similarity_of(query, one),
        .posterior = share_of(weight_of(query, one), query->later.weight),
    };
}

int later_fill(query *query)
{
    later *later = &query->later;
    if (query->wanted.metrics) {
        later->metrics = kato_allocate(query->candidate_count, sizeof(*later->metrics));
        if (later->metrics == NULL) {
            return -1;
        }
        for (size_t at = 0; at < query->candidate_count; at++) {
            const candidate *found = &query->candidates[at];
            uint32_t shown = found->present_end - found->present_begin;
            later->metrics[at] = metrics_at(query, found);
            if (align_expired(&query->scratch, (uint64_t)METRIC_STEPS * shown)) {
                return -1;
            }
        }
    }
    if (query->wanted.futures) {
        futures_sort(query);
    }
    return 0;
}
