/* Symbols as small numbers, and what was counted of each of them. */
#ifndef KATO_SYMBOLS_H
#define KATO_SYMBOLS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#include "index/memory.h"

enum {
    COUNTS_PER_PAGE = 512,
    SHARD_BITS = 6, /* of hash tables, so that no single growth takes long */
    SYMBOL_SHARDS = 1 << SHARD_BITS,
};

#define MAX_SYMBOLS 0x7fffffffu

/*
 * An open hash table: a place has 32 bits of a str's hash, then its number. Invariant: never full,
 * so that every probe ends at a free place.
 */
typedef struct {
    uint64_t *places;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t used;
} symbol_shard;

/* Every str it has met has a number. Only grows; a cleared index starts with another one. */
typedef struct {
    size_t holders;
    symbol_shard shards[SYMBOL_SHARDS];
    PyObject **objects; /* by number, held */
    uint32_t count;
    uint32_t capacity;
    size_t string_bytes; /* what the objects take */
} symbol_table;

symbol_table *symbols_new(void);
symbol_table *symbols_hold(symbol_table *table);
void symbols_drop(symbol_table *table);
size_t symbols_bytes(const symbol_table *table);

/* The symbol's number, -1 if it has none, -2 with an exception set. */
int64_t symbols_find(const symbol_table *table, PyObject *symbol);

/* The symbol's number, given now if it is new; -2 with an exception set. */
int64_t symbols_intern(symbol_table *table, PyObject *symbol);

/*
 * Sums over learns, and corrections of them: of each symbol the pattern member frequency (pmf)
 * and its occurrences, by symbol number, and totals. Snapshots hold the pages of pmf, which are
 * copied before they change while others hold them; occurrences are the index's alone.
 */
typedef struct {
    shared **pages; /* of COUNTS_PER_PAGE int64_t: pmf */
    uint32_t page_count;
    int64_t *occurrences; /* with room for as many as the pages; NULL in snapshots */
    int64_t learns;       /* TP */
    int64_t total;        /* TS: occurrences over learns */
    int64_t distinct;     /* TSP: distinct symbols over learns */
    uint32_t symbols;     /* S: those with pmf > 0 */
} symbol_counts;

/* Make the counts of symbols below *count* and that of *number* changeable. -1: no memory. */
int counts_reserve(symbol_counts *counts, uint32_t count);
int counts_own(symbol_counts *counts, uint32_t number);

/* Add; stays at the end of what can be counted instead of going beyond. */
static inline void counts_raise(int64_t *count, int64_t more)
{
    if (__builtin_add_overflow(*count, more, count)) {
        *count = more > 0 ? INT64_MAX : INT64_MIN;
    }
}

/* Add to an owned count; cannot fail. Totals are added apart. */
void counts_add(symbol_counts *counts, uint32_t number, int64_t patterns, int64_t occurrences);

/* The same counts for a snapshot. -1: no memory. */
int counts_copy(symbol_counts *copy, const symbol_counts *counts);
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
