/* The suffixes of a long state in sorted order: where a string of its symbols occurs. */
#ifndef KATO_SUFFIXES_H
#define KATO_SUFFIXES_H

#include "align/state.h"

enum { MAX_SUFFIXES = UINT16_MAX }; /* a place in the state fits 16 bits */

typedef struct {
    uint64_t bits;
    uint32_t ones_before;
} bit_word;

/*
 * The suffix array of the state, with two tables over it. The first gives what neighbours share;
 * the second is a wavelet matrix of the array: per bit of a place, from the highest on, all places
 * sorted by the bits above it.
 */
typedef struct {
    uint32_t length;
    uint32_t levels; /* 2^levels > length */
    uint32_t words;  /* of 64 bits per level */
    uint16_t *text;  /* local numbers; 0, an unknown symbol, equals no symbol of a pattern */
    uint16_t *order; /* the places where suffixes start, sorted by the suffix */
    uint16_t *ranks; /* the inverse: by place */
    uint16_t *shared; /* [level · length + r]: how many first symbols each of the 2^level suffixes
                         from rank r on shares with the one before it; the least of them */
    bit_word *matrix; /* [level · words + …] */
    uint32_t *zeros;  /* places whose bit is 0, per level */
} suffixes;

/* Neighbours in the sorted order, up to *to*. */
typedef struct {
    uint32_t from, to;
} ranks;

/* NULL: no memory. Needs no lock; takes a few milliseconds for 65 535 symbols. */
suffixes *suffixes_new(const state *state);
void suffixes_free(suffixes *all);

/* Searches, in a file of their own. */

/* All suffixes that share at least their first *size* symbols with the one at *rank*. */
ranks suffixes_alike(const suffixes *all, uint32_t rank, uint32_t size);

/* Those of *among* whose symbol after the first *size*, which all share, is *local*. */
ranks suffixes_going_on(const suffixes *all, ranks among, uint32_t size, uint32_t local);

/* The first place from *low* on where one of them starts; `length` if there is none. */
uint32_t suffixes_first(const suffixes *all, ranks among, uint32_t low);

#endif
