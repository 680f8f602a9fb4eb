/* The state of a query, prepared for matching: symbols as small local numbers and bit masks. */
#ifndef KATO_STATE_H
#define KATO_STATE_H

#include "index/memory.h"
#include "index/symbols.h"

enum {
    SHORT_STATE = 255, /* the longest state that is matched on bits; local numbers fit a byte */
    STATE_WORDS = (SHORT_STATE + 63) / 64
};

#define NO_SYMBOL UINT32_MAX /* the number of a symbol that is not in the index */

/*
 * Distinct symbols that are in the index have local numbers 1 … distinct, in order of appearance;
 * 0 stands for all others. Arrays by symbol number have *table_size* places: symbols that were
 * learned after the copy was frozen are in none of its patterns.
 */
typedef struct {
    uint32_t length; /* symbols, unknown ones included */
    uint32_t distinct;
    uint32_t table_size;
    uint8_t *short_local;  /* short state: local number by symbol */
    uint32_t *long_local;  /* long state: the same */
    uint32_t *symbols;     /* by local number */
    uint32_t *counts;      /* occurrences by local number */
    uint32_t *starts;      /* into positions, by local number, one more */
    uint32_t *positions;   /* in the state, ascending for each local number */
    /* Short state: by local number, positions as bits in `state_words` words; none for 0. */
    uint64_t masks[(SHORT_STATE + 1) * STATE_WORDS];
} state;

/* -1 with an exception set. *symbols*: a tuple of str. */
int state_open(state *opened, const symbol_table *table, uint32_t table_size, PyObject *symbols);
void state_close(state *state);

/*
 * A state of *length* symbols that is filled many times, each time from the numbers of its symbols;
 * it has to be emptied before it is filled again. -1: no memory, and nothing has to be closed.
 */
int state_open_empty(state *opened, uint32_t length, uint32_t table_size);
void state_fill(state *state, const uint32_t *numbers);
void state_empty(state *state);

static inline int state_is_short(const state *state)
{
    return state->length <= SHORT_STATE;
}

static inline uint32_t state_words(const state *state)
{
    return (state->length + 63) / 64;
}

/* Short state: all positions of a local number, those 64 apart folded together. */
static inline uint64_t state_touches(const state *state, uint32_t local)
{
    uint64_t touches = 0;
    for (uint32_t word = 0; word < state_words(state); word++) {
        touches |= state->masks[local * state_words(state) + word];
    }
    return touches;
}

static inline uint32_t state_local(const state *state, uint32_t symbol)
{
    return state_is_short(state) ? state->short_local[symbol] : state->long_local[symbol];
}

#endif
