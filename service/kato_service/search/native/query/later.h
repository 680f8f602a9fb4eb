/* The parts of a query that later clients need (later-clients.md L1–L5, L8), in several files. */
#ifndef KATO_LATER_H
#define KATO_LATER_H

#include "query/query.h"

/* Of a part that holds at least one symbol; the order of operations is that of later_metrics.py. */
double normalized_entropy(query *query, present part);
double global_normalized_entropy(query *query, present part);
double shannon_entropy(query *query, present part);
double tfidf_score(query *query, present part);

/* part / whole, rounded; 0 if the whole is 0. */
double share_of(double part, double whole);

/* frequency · similarity. */
double weight_of(const query *query, const kept *one);

/* The kept pattern at a place; it must be kept. */
const kept *kept_at(const query *query, uint32_t segment, uint32_t local);

/* A candidate of a kept pattern, not scored. */
candidate candidate_of(const query *query, const kept *one);

/* Weigh all kept patterns, in their order. -1: no memory, or expired. */
int weigh_kept(query *query);

/* Make candidates of those that may have the greatest potentials. -1: no memory, or expired. */
int select_by_weight(query *query);

/* The rounded metrics of a kept pattern, if symbols are weighed. */
weighted_metrics weighted_of(const query *query, const kept *one);
weighted_metrics unrounded_of(const query *query, const kept *one);

/* Prepare counting; -1: no memory, or expired. Then, of a symbol that some pattern holds, df. */
int holders_open(query *query);
uint32_t holders_of(query *query, uint32_t symbol);

/* The tokens after the present. */
present future_part(const query *query, const kept *one);

/* Find the futures of all kept patterns and their weights. -1: no memory, or expired. */
int futures_find(query *query);

/* Sort the futures, the greatest potential first; they lose their numbers. */
void futures_sort(query *query);

/* Events are the same if they hold the same symbols equally often; then their hashes are equal. */
uint64_t event_hash(present event);
/* *occurrences* are all 0 before and after. */
int same_event(present left, present right, tally *occurrences);

/* Find what comes next, and rank it. The futures of kept patterns get other numbers. -1: no memory,
 * or expired. */
int next_find(query *query);
void next_close(later *later);

/* The first event of the future of a kept pattern; empty if it has none. */
present next_event(const query *query, const kept *one);

#endif
