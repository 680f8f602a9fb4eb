/* The symbol statistics of an index. */
#ifndef KATO_COUNTS_H
#define KATO_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "index/memory.h"

enum {
    COUNTS_PER_PAGE = 512,
    COUNTS_AT_ONCE = 32, /* by which the first page grows until it is a full one */
};

/*
 * Sums over learns plus corrections: by symbol number, the pattern member frequency (pmf) and the
 * occurrences; and totals. Frozen copies share the pages of pmf, which are copied before they
 * change while others hold them. Few queries need the occurrences, which are copied for these.
 */
typedef struct {
    shared **pages; /* pmf: COUNTS_PER_PAGE int64_t each; a page that is alone may have fewer */
    uint32_t page_count;
    uint32_t capacity;    /* symbols that have counts */
    int64_t *occurrences; /* as many; NULL in frozen copies without them */
    int64_t learns;       /* TP */
    int64_t total;        /* TS: occurrences over learns */
    int64_t distinct;     /* TSP: distinct symbols over learns */
    uint32_t symbols;     /* S: those with pmf > 0 */
} symbol_counts;

/* Make counts for the symbols below *count*; make those of *number* changeable. -1: no memory. */
int counts_reserve(symbol_counts *counts, uint32_t count);
int counts_own(symbol_counts *counts, uint32_t number);

/* Add, but stay at the end of the range instead of overflowing. */
static inline void counts_raise(int64_t *count, int64_t more)
{
    if (__builtin_add_overflow(*count, more, count)) {
        *count = more > 0 ? INT64_MAX : INT64_MIN;
    }
}

/* Add to changeable counts; totals are added separately. Cannot fail. */
void counts_add(symbol_counts *counts, uint32_t number, int64_t patterns, int64_t occurrences);

/* Share the counts with a frozen copy, and copy the occurrences if it wants them. -1: no memory. */
int counts_copy(symbol_counts *copy, const symbol_counts *counts, int with_occurrences);
void counts_clear(symbol_counts *counts);
size_t counts_bytes(const symbol_counts *counts);

static inline int64_t counts_of(const symbol_counts *counts, uint32_t number)
{
    if (number >= counts->capacity) {
        return 0;
    }
    const int64_t *page = shared_data(counts->pages[number / COUNTS_PER_PAGE]);
    return page[number % COUNTS_PER_PAGE];
}

/* Of counts that have them. */
static inline int64_t counts_occurrences(const symbol_counts *counts, uint32_t number)
{
    return number < counts->capacity ? counts->occurrences[number] : 0;
}

/* P(s) = pmf(s) / TSP; 0 unless both are positive. */
static inline double counts_probability(const symbol_counts *counts, uint32_t number)
{
    int64_t patterns = counts_of(counts, number);
    if (patterns <= 0 || counts->distinct <= 0) {
        return 0.0;
    }
    return (double)patterns / (double)counts->distinct;
}

#endif
