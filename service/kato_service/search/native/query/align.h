/* Longest contiguous matching blocks, as difflib finds them without junk (processor.md §6). */
#ifndef KATO_ALIGN_H
#define KATO_ALIGN_H

#include "query/state.h"

typedef struct {
    uint32_t in_pattern;
    uint32_t in_state;
    uint32_t size;
} block;

/* All blocks of a pattern together. */
typedef struct {
    uint32_t matched; /* symbols in them */
    uint32_t blocks;
    uint32_t begin; /* first symbol of the first in the pattern; 0 without any */
    uint32_t end;   /* behind the last symbol of the last */
    uint64_t touched; /* as `state_touches` of the symbols that the pattern holds; else all */
} alignment;

/* Working memory for patterns up to some length and one state. */
typedef struct {
    uint64_t *rows;     /* positions of the state equal to a pattern's symbol, empty ones left out */
    uint64_t *runs;
    uint32_t *row_at;   /* where in the pattern */
    uint32_t *lengths;  /* of a long state: run that ends at a position, … */
    uint64_t *stamps;   /* … valid for the row of this number */
    uint64_t next_stamp;
    void *boxes;        /* stack of what is left to search */
    block *found;       /* room for every block of a pattern */
    double until;       /* by the monotonic clock, seconds: when to give up */
    uint64_t work;      /* steps since the clock was last looked at */
    int expired;        /* given up: what was found is not complete */
} align_scratch;

/* Look at the clock once in many steps; gives `expired`, which stays once it is set. */
int align_expired(align_scratch *scratch, uint64_t steps);

/* -1: no memory; nothing is left to close then. Needs no lock. */
int align_open(align_scratch *scratch, const state *state, uint32_t longest_pattern);
void align_close(align_scratch *scratch);

/* Align a pattern of *count* tokens with the state. With *list*, its blocks in order there. */
alignment aligned(const state *state, align_scratch *scratch, const uint32_t *tokens,
                  uint32_t count, block *list);

#endif
