/* Symbols as small numbers, and how many learns each of them was part of. */
#ifndef KATO_SYMBOLS_H
#define KATO_SYMBOLS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#include "memory.h"

enum {
    COUNTS_PER_PAGE = 1024,
    SHARD_BITS = 6, /* of dictionaries, so that no single growth takes long */
    SYMBOL_SHARDS = 1 << SHARD_BITS,
};

#define MAX_SYMBOLS 0x7fffffffu

/* Every str it has met has a number. Only grows; a cleared index starts with another one. */
typedef struct {
    size_t holders;
    PyObject *numbers[SYMBOL_SHARDS]; /* dicts, str -> number; keep the objects alive */
    PyObject **objects; /* by number, borrowed */
    uint32_t count;
    uint32_t capacity;
} symbol_table;

symbol_table *symbols_new(void);
symbol_table *symbols_hold(symbol_table *table);
void symbols_drop(symbol_table *table);

/* The symbol's number, -1 if it has none, -2 with an exception set. */
int64_t symbols_find(const symbol_table *table, PyObject *symbol);

/* The symbol's number, given now if it is new; -2 with an exception set. */
int64_t symbols_intern(symbol_table *table, PyObject *symbol);

/*
 * Sums over learns: pages of pattern member frequencies (pmf) by symbol number, and totals.
 * Snapshots hold the same pages; a page is copied before it changes while others hold it.
 */
typedef struct {
    shared **pages; /* of COUNTS_PER_PAGE uint32_t */
    uint32_t page_count;
    uint64_t learns;   /* TP */
    uint64_t distinct; /* TSP */
    uint64_t symbols;  /* S: those with pmf > 0 */
} symbol_counts;

/* Make the counts of symbols below *count* and that of *number* changeable. -1: no memory. */
int counts_reserve(symbol_counts *counts, uint32_t count);
int counts_own(symbol_counts *counts, uint32_t number);

/* Add to an owned count; cannot fail. */
void counts_add(symbol_counts *counts, uint32_t number, uint32_t learns);

/* The same counts for a snapshot. -1: no memory. */
int counts_copy(symbol_counts *copy, const symbol_counts *counts);
void counts_clear(symbol_counts *counts);

static inline uint32_t counts_of(const symbol_counts *counts, uint32_t number)
{
    uint32_t page = number / COUNTS_PER_PAGE;
    if (page >= counts->page_count) {
        return 0;
    }
    return ((const uint32_t *)shared_data(counts->pages[page]))[number % COUNTS_PER_PAGE];
}

/* P(s) = pmf(s) / TSP, 0 if TSP = 0. */
static inline double counts_probability(const symbol_counts *counts, uint32_t number)
{
    if (counts->distinct == 0) {
        return 0.0;
    }
    return (double)counts_of(counts, number) / (double)counts->distinct;
}

#endif
