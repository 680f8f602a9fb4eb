/* A query: which patterns reach a threshold, and the best of them (processor.md §6–7). */
#ifndef KATO_QUERY_H
#define KATO_QUERY_H

#include "align/align.h"
#include "query/kept.h"
#include "query/prediction_metrics.h"
#include "index/frozen.h"

/* A pattern that reaches the threshold and may be among the best. */
typedef struct {
    uint32_t segment; /* place of the segment in the frozen copy */
    uint32_t local;
    uint32_t frequency;
    uint32_t present_begin; /* in the pattern's tokens */
    uint32_t present_end;
    alignment alignment;
    double base; /* (evidence + confidence)·snr + 1/blocks: the potential without itfdf */
    double value; /* what it is ranked by before the potential; 0 unless something is wanted */
    double itfdf;
    double potential;
} candidate;

/* The most similar pattern below the threshold: the first-learned of equals. */
typedef struct {
    double similarity; /* 0: there is none */
    uint32_t segment;
    uint32_t local;
} below;

/* What the prefilter looks for. */
typedef struct {
    const uint32_t *symbols; /* from place 1 on */
    const uint32_t *counts;  /* at most so often does the state hold them */
    uint32_t count;
    uint64_t most; /* no pattern has more in common with the state */
} sought;

typedef struct {
    const frozen *frozen;
    state state;
    sought sought;
    struct fuzzy *fuzzy; /* NULL: only equal symbols match */
    double threshold;
    uint32_t limit;
    align_scratch scratch;
    tally *occurrences;
    uint32_t *needed; /* by pattern length, the least number of matched symbols */
    uint16_t *overlap; /* by place in a segment; all 0 between segments */
    uint16_t *survivors;
    uint8_t *covered; /* by local number: it is in some pattern's present, so it has a weight */
    uint8_t *in_matches; /* by local number, while a row is made; all 0 between rows */
    uint32_t uncovered;
    uint64_t uncovered_mask; /* short state: what uncovered symbols touch; else all bits, or none */
    uint64_t total_frequency; /* Fsum, so far */
    uint64_t kept_count; /* patterns that reach the threshold, so far */
    uint64_t sharing; /* those that have a symbol in common with the state, if it looks around */
    below nearest; /* the same */
    uint64_t aligned; /* patterns that were aligned so far */
    weights weights; /* for the ranking */
    double *bounds; /* heap of the best lower bounds of potentials, without their common 1 */
    uint32_t bound_count;
    double floor; /* patterns with a base below it are not among the best */
    candidate *candidates;
    size_t candidate_count;
    size_t candidate_capacity;
    wanted wanted;
    int lists_kept; /* something is wanted that depends on every pattern that is kept */
    later later; /* empty unless they are listed */
} query;

/* -1 with an exception set. *symbols*: tuple of str. Open and close under the interpreter lock. */
int query_open(query *opened, const frozen *frozen, PyObject *symbols, double threshold,
               uint32_t limit);
/* Set when to give up, in seconds of the monotonic clock, and what holds it up; by default never. */
void query_limit(query *opened, double until, const pacemaker *pace);
/* Set what it gives in addition; by default nothing. */
void query_want(query *opened, const wanted *wanted);
int query_expired(const query *opened);
void query_close(query *query);

/* Put the best into query->candidates, best first. -1: no memory, or expired. No lock needed. */
int query_run(query *query);

/* The parts of query_run, which are in several files. */

/* Consider all patterns of a segment. -1: no memory, or expired. */
int query_run_segment(query *query, uint32_t segment);

/* The same for all segments from *from* on, with a second thread. */
int query_run_shared(query *query, uint32_t from);
int query_has_processors(void);

/* The prefilter: survivors are the places of patterns that may reach the threshold. */
uint32_t find_survivors(query *query, const segment_view *view);

/* If it looks around: note a pattern below the threshold. */
void nearest_note(query *query, below found);

/* Add a candidate, unless it cannot be among the best; or in any case. -1: no memory. */
int candidates_add(query *query, const candidate *found);
int candidates_append(query *query, const candidate *found);

/* (evidence + confidence) and snr of a candidate; weighted if symbols are weighed. */
typedef struct {
    double shares;
    double noise;
} merits;

merits merits_of(const query *query, const candidate *found);
merits weighted_merits(const query *query, const candidate *found);

/* Note a number; `bounds` has the greatest of them, as many as the limit, the least on top. */
void bounds_note(query *query, double value);

/* Weigh the state's symbols, once all segments were looked at. */
void candidates_weigh(query *query);

/* Set itfdf and potential. -1: expired. */
int candidate_score(query *query, candidate *found);

/* Score and sort the candidates, and drop all after the limit. -1: expired. */
int candidates_rank(query *query);

/* List one, or all that another thread has listed. -1: no memory. */
int later_keep(later *later, const candidate *found);
int later_take_over(later *later, const struct later *found);

/* Before and after the candidates are ranked; -1: no memory, or expired. */
int later_prepare(query *query);
int later_fill(query *query);

void later_close(later *later);

#endif
