/* Which patterns reach a threshold, and the best of them (processor.md §6–7). */
#ifndef KATO_QUERY_H
#define KATO_QUERY_H

#include "query/align.h"
#include "query/metrics.h"
#include "index/snapshot.h"

/* A kept pattern that may be among the best. */
typedef struct {
    uint32_t segment; /* its place in the snapshot */
    uint32_t local;
    uint32_t frequency;
    uint32_t present_begin; /* in the pattern's tokens */
    uint32_t present_end;
    alignment alignment;
    double base; /* (evidence + confidence)·snr + 1/blocks: the potential without itfdf */
    double itfdf;
    double potential;
} candidate;

typedef struct {
    const snapshot *snapshot;
    state state;
    double threshold;
    uint32_t limit;
    align_scratch scratch;
    tally *occurrences;
    uint32_t *needed; /* least matched symbols by pattern length */
    uint16_t *overlap; /* by place in a segment; all 0 between segments */
    uint16_t *survivors;
    uint8_t *covered; /* by local number: in the present of a kept pattern */
    uint8_t *in_matches; /* by local number, while a row is made; all 0 between rows */
    uint32_t uncovered;
    uint64_t uncovered_mask; /* what uncovered symbols of a short state touch; else all, or 0 */
    uint64_t total_frequency; /* Fsum */
    uint64_t aligned; /* patterns so far */
    double *weights; /* P·count by local number, for the ranking */
    double *bounds; /* heap of the best lower bounds of potentials without their common 1 */
    uint32_t bound_count;
    double floor; /* a base below it is not among the best */
    candidate *candidates;
    size_t candidate_count;
    size_t candidate_capacity;
} query;

/* -1 with an exception set; under the interpreter lock, as is closing. *symbols*: of str. */
int query_open(query *opened, const snapshot *snapshot, PyObject *symbols, double threshold,
               uint32_t limit);
/* By the monotonic clock, seconds: when to give up; without it, never. */
void query_until(query *opened, double until);
int query_expired(const query *opened);
void query_close(query *query);

/* Leave the best in query->candidates, best first. -1: no memory, or expired. Needs no lock. */
int query_run(query *query);

/* Parts of query_run, in files of their own. */

/* Consider every pattern of a segment. -1: no memory, or expired. */
int query_run_segment(query *query, uint32_t segment);

/* The same of all segments behind *from*, with a second thread. */
int query_run_shared(query *query, uint32_t from);
int query_has_processors(void);

/* Places in a segment of patterns that may reach the threshold; gives how many. */
uint32_t find_survivors(query *query, const segment_view *view);

/* Keep the pattern as a candidate while it may be among the best. -1: no memory. */
int candidates_add(query *query, const candidate *found);

/* Score and sort the candidates, and drop all behind the limit. Cannot fail. */
void candidates_rank(query *query);

#endif
