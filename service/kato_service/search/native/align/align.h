/* Alignment: the matching blocks that difflib finds without junk (processor.md §6). */
#ifndef KATO_ALIGN_H
#define KATO_ALIGN_H

#include "align/state.h"

typedef struct {
    uint32_t in_pattern;
    uint32_t in_state;
    uint32_t size;
} block;

/* The blocks of a pattern in sum. */
typedef struct {
    uint32_t matched; /* symbols in all blocks */
    uint32_t blocks;
    uint32_t begin; /* start of the first block in the pattern; 0 without a block */
    uint32_t end;   /* end of the last block in the pattern */
    uint64_t touched; /* short states: `state_touches` of the pattern's symbols; else all bits */
} alignment;

/* Holds a query up or ends it, from any thread; asked at every look at the clock. */
typedef struct {
    const uint8_t *signal;        /* not 0: obey; NULL: nobody does it */
    double (*obeyed)(void *whom); /* waits; gives the seconds, or a negative number to give up */
    void *whom;
} pacemaker;

/* Scratch memory for one state and patterns up to some length. */
typedef struct {
    uint64_t *rows;     /* short state: positions of each symbol that the state holds */
    uint64_t *runs;     /* short state: positions where runs of the current length end */
    uint32_t *row_at;   /* short state: the place in the pattern of each row */
    uint32_t *lengths;  /* long state: length of the run that ends at a position, … */
    uint64_t *stamps;   /* … valid for the row of this number */
    uint64_t next_stamp;
    void *boxes;        /* stack of the parts that are still to be searched */
    block *found;       /* room for every block of a pattern */
    struct repeats *repeats; /* made for the first pattern that repeats itself with a long state */
    uint64_t patience;  /* steps that walks over pairs may take before it is made */
    double until;       /* when to give up, in seconds of the monotonic clock */
    pacemaker pace;
    uint64_t work;      /* steps since the last look at the clock */
    uint64_t steps;     /* all steps */
    int expired;        /* it gave up: what was found is incomplete, … */
    int no_memory;      /* … because there was no memory */
} align_scratch;

/* Count *steps*, and look at the clock after many; gives `expired`, which is never reset. */
int align_expired(align_scratch *scratch, uint64_t steps);

/* Look at the clock now. */
int align_look(align_scratch *scratch);

/* -1: no memory, and nothing has to be closed. No lock needed. */
int align_open(align_scratch *scratch, const state *state, uint32_t longest_pattern);
void align_close(align_scratch *scratch);

/* Align a pattern of *count* tokens with the state; *list*, if any, gets its blocks in order. */
alignment aligned(const state *state, align_scratch *scratch, const uint32_t *tokens,
                  uint32_t count, block *list);

/*
 * The same with another state of the same length, with which no other pattern is aligned: what the
 * scratch memory holds of its own state is not used, and stays.
 */
alignment aligned_once(const state *state, align_scratch *scratch, const uint32_t *tokens,
                       uint32_t count, block *list);

#endif
