/* Symbols as small numbers. */
#ifndef KATO_SYMBOLS_H
#define KATO_SYMBOLS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

/* Test builds have small limits, so that small tests go beyond them. */
#ifdef KATO_SMALL_SEGMENTS
enum { FEW_SYMBOLS = 8, SHARED_SYMBOLS = 20 };
#else
enum {
    FEW_SYMBOLS = 1024,    /* so many have one hash table */
    SHARED_SYMBOLS = 4096, /* the first ones have strings that all tables share */
};
#endif

enum {
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

/*
 * A number for every str it was given. It only grows; a cleared index starts with a new one. The
 * first SHARED_SYMBOLS objects are held with `strings_hold`, the others by their own count.
 */
typedef struct {
    size_t holders;
    symbol_shard few;     /* the only shard while there are few symbols */
    symbol_shard *shards; /* SYMBOL_SHARDS then; NULL before */
    PyObject **objects;   /* by number */
    uint32_t count;
    uint32_t capacity;
    size_t string_bytes; /* estimated size of the objects, as if none were shared */
} symbol_table;

symbol_table *symbols_new(void);
symbol_table *symbols_hold(symbol_table *table);
void symbols_drop(symbol_table *table);
size_t symbols_bytes(const symbol_table *table);

/* The symbol's number; -1: it has none; -2 with an exception set. */
int64_t symbols_find(const symbol_table *table, PyObject *symbol);

/* The symbol's number, assigned now if it is new; -2 with an exception set. */
int64_t symbols_intern(symbol_table *table, PyObject *symbol);

#endif
