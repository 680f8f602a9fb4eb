/* Symbols as small numbers, and the symbol statistics of an index. */
#ifndef KATO_SYMBOLS_H
#define KATO_SYMBOLS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#include "index/memory.h"

enum {
    COUNTS_PER_PAGE = 512,
    SHARD_BITS = 6, /* many hash tables, so that growing one of them takes little time */
    SYMBOL_SHARDS = 1 << SHARD_BITS,
};

#define MAX_SYMBOLS 0x7fffffffu

/*
 * An open hash table: a place holds 32 bits of a str's hash, then its number. Invariant: it is
 * never full, so every probe ends at a free place.
 */
typedef struct {
    uint64_t *places;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t used;
} symbol_shard;

/* A number for every str it was given. It only grows; a cleared index starts with a new one. */
typedef struct {
    size_t holders;
    symbol_shard shards[SYMBOL_SHARDS];
    PyObject **objects; /* by number, held */
    uint32_t count;
    uint32_t capacity;
    size_t string_bytes; /* estimated size of the objects */
} symbol_table;

symbol_table *symbols_new(void);
symbol_table *symbols_hold(symbol_table *table);
void symbols_drop(symbol_table *table);
size_t symbols_bytes(const symbol_table *table);

/* The symbol's number; -1: it has none; -2 with an exception set. */
int64_t symbols_find(const symbol_table *table, PyObject *symbol);

/* The symbol's number, assigned now if it is new; -2 with an exception set. */
int64_t symbols_intern(symbol_table *table, PyObject *symbol);

/*
 * Sums over learns plus corrections: by symbol number, the pattern member frequency (pmf) and the
 * occurrences; and totals. Frozen copies share the pages of pmf, which are copied before they
 * change while others hold them. Few queries need the occurrences, which are copied for these.
 */
typedef struct {
    shared **pages; /* pmf: COUNTS_PER_PAGE int64_t each */
    uint32_t page_count;
    int64_t *occurrences; /* as many as the pages have; NULL in frozen copies without them */
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
    uint32_t page = number / COUNTS_PER_PAGE;
    if (page >= counts->page_count) {
        return 0;
    }
    return ((const int64_t *)shared_data(counts->pages[page]))[number % COUNTS_PER_PAGE];
}

/* Of counts that have them. */
static inline int64_t counts_occurrences(const symbol_counts *counts, uint32_t number)
{
    return number / COUNTS_PER_PAGE < counts->page_count ? counts->occurrences[number] : 0;
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
