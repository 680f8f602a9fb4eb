/* Which symbols of an index are spelled like those of a state (later-clients.md L6). */
#ifndef KATO_ALIKE_H
#define KATO_ALIKE_H

#include "index/frozen.h"
#include "align/align.h"
#include "align/spelling.h"

/* A symbol of the state that is like one of the index. */
typedef struct {
    uint32_t own; /* its number among the state's spellings, from 1 */
    double ratio;
} likeness;

/*
 * A state's distinct symbols, those of vectors left out, are its spellings. Invariant: a symbol that
 * is in the index is like itself, with the ratio 1, which no other has. Read by all threads.
 */
typedef struct {
    uint32_t length;     /* symbols in the state */
    uint32_t *spelled;   /* by position in the state: its spelling, or 0 for a vector */
    uint32_t *numbers;   /* by position: the symbol's number in the index, or NO_SYMBOL */
    uint32_t *known;     /* by spelling: the same */
    uint32_t *times;     /* by spelling: its positions */
    spellings texts;     /* by spelling, less one */
    uint32_t *starts;    /* by symbol number, one more: its first likeness */
    likeness *pairs;
    size_t count, capacity;
    uint32_t *sought_symbols; /* what `sought` refers to, in query.h */
    uint32_t *sought_counts;
    uint32_t sought;
    uint64_t sought_times; /* the sum of counts */
} alike;

/*
 * Compare every symbol of the state, the tuple *symbols*, with every symbol of the index; *least*:
 * the ratio from which symbols are alike, above 0. Under the interpreter lock, which it releases
 * while it compares.
 * -1: no memory, expired, or an exception is set: OverflowError if too many symbols are alike.
 */
int alike_find(alike *found, const frozen *frozen, PyObject *symbols, const state *state,
               double least, align_scratch *scratch);
void alike_close(alike *found);

#endif
