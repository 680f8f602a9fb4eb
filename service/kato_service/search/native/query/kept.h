/*
 * What later clients want to know (later-clients.md L1–L5, L7 and L8). All of it depends on every
 * pattern that reaches the threshold, so these are listed; a query that asks for none of it lists
 * none.
 */
#ifndef KATO_KEPT_H
#define KATO_KEPT_H

#include <stddef.h>
#include <stdint.h>

/* What a query ranks by, in the order of RANKS in compiled_index.py. */
typedef enum {
    BY_POTENTIAL,
    BY_SIMILARITY,
    BY_EVIDENCE,
    BY_CONFIDENCE,
    BY_SNR,
    BY_FRAGMENTATION,
    BY_FREQUENCY,
    BY_NORMALIZED_ENTROPY,
    BY_GLOBAL_NORMALIZED_ENTROPY,
    BY_ITFDF,
    BY_CONFLUENCE,
    BY_PREDICTIVE_INFORMATION,
    BY_POSTERIOR,
    BY_PRIOR,
    BY_LIKELIHOOD,
    BY_TFIDF,
    BY_WEIGHTED_SIMILARITY,
    BY_WEIGHTED_EVIDENCE,
    BY_WEIGHTED_CONFIDENCE,
    BY_WEIGHTED_SNR,
    RANKS
} rank_key;

/* All 0: only the predictions of processor.md §7. */
typedef struct {
    int metrics;        /* of later clients, for each of the best */
    int futures;        /* the potentials of futures, in order */
    int in_first_event; /* only patterns whose first event holds the state's one symbol */
    rank_key rank;
    const struct column *affinity; /* by which symbols are weighed; NULL: they are not */
    int next;         /* what comes next (decision 0064), instead of the best */
    int looks_around; /* what is not kept: how many share symbols, and which is the nearest */
    uint32_t named;   /* of what comes next: how many events and symbols name their patterns */
} wanted;

#define NO_FUTURE UINT32_MAX

/* A pattern that reaches the threshold. */
typedef struct {
    uint32_t segment; /* place of the segment in the frozen copy */
    uint32_t local;
    uint32_t matched;
    uint32_t blocks;
    uint32_t present_begin; /* in the pattern's tokens; the future starts at the end */
    uint32_t present_end;
    uint32_t future; /* the place of its future among all, or NO_FUTURE */
} kept;

/* Patterns that expect the same: event by event, the same symbols equally often. */
typedef struct {
    uint64_t hash;
    double weight;    /* W(f): frequency · similarity, summed over its patterns */
    double potential; /* its rounded share of the weight of all futures */
    uint32_t first;   /* the place of its first-learned pattern among the kept ones */
    uint32_t patterns;
} future;

enum { NAMES_BEHIND = 10 }; /* patterns that are named behind something that may come next */

/* Something that may come next: an event or a symbol; or that nothing does. */
typedef struct {
    uint64_t hash;
    double weight;     /* frequency · similarity, summed over the patterns behind it */
    double share;      /* its rounded share of the weight of all kept patterns */
    uint32_t number;   /* in order of its first-learned patterns, and of their symbols */
    uint32_t first;    /* the place of its first-learned pattern among the kept ones */
    uint32_t symbol;
    uint32_t patterns; /* behind it */
    uint32_t latest;   /* the place of the last pattern that was counted or named, plus one */
    uint32_t named;
} coming;

typedef struct {
    coming *all; /* ranked, once `next_find` is done */
    uint32_t count;
    uint32_t capacity;
    uint32_t *behind; /* places of kept patterns, NAMES_BEHIND for each that names any */
    uint32_t naming;  /* how many name their patterns */
} coming_list;

typedef enum { NEXT_EVENTS, NEXT_SYMBOLS, NEXT_STOP, NEXT_LISTS } next_list;

typedef struct {
    double normalized_entropy;
    double global_normalized_entropy;
    double shannon_entropy;
    double predictive_information;
    double tfidf;
    double prior;
    double likelihood;
    double posterior;
} later_metrics;

/* What the parts of a kept pattern and of the state weigh (weighted.c). */
typedef struct {
    double matched; /* Wm */
    double extras;  /* We */
    double pattern; /* WF */
    double present; /* Wp */
} weighed;

typedef struct {
    double similarity;
    double evidence;
    double confidence;
    double snr;
} weighted_metrics;

typedef struct later {
    kept *kept; /* in order of first learns, once all segments were looked at */
    size_t count;
    size_t capacity;
    future *futures; /* in order of their first-learned patterns; sorted if they are wanted */
    uint32_t future_count;
    double future_weight; /* W: of all futures */
    double weight;        /* of all kept patterns */
    uint32_t *holders;    /* df by symbol number; see holders.c */
    uint32_t patterns;    /* U */
    later_metrics *metrics; /* of the best, in their order */
    double *of_state;       /* what the symbol at each place of the state weighs */
    weighed *weighed;       /* of each kept pattern; NULL: symbols are not weighed */
    coming_list next[NEXT_LISTS]; /* what comes next, if it is wanted */
} later;

#endif
