/*
 * Fuzzy matching (later-clients.md L6): a pattern that spells symbols differently is aligned with
 * the state in its own spelling. Everything else works with the observed state as before.
 */
#ifndef KATO_FUZZY_H
#define KATO_FUZZY_H

#include "align/alike.h"
#include "query/query.h"

/* What one thread works with. */
typedef struct fuzzy {
    alike *alike;      /* of the whole query */
    int owns_alike;
    state state;       /* of the last pattern that spells it differently */
    double *ratios;    /* by spelling: the greatest in the last pattern; 0: none is alike */
    uint32_t *chosen;  /* by spelling: the pattern's first symbol with that ratio */
    uint32_t *met;     /* the spellings that have a ratio */
    uint32_t met_count;
    uint32_t *numbers; /* scratch: by position in the state */
    weights weights;
} fuzzy;

/*
 * Let symbols match from the ratio *least* on, above 0; for a query that is open, before it runs.
 * Under the interpreter lock. -1: no memory, an exception is set, or expired.
 */
int fuzzy_open(query *query, PyObject *symbols, double least);

/* The same for another thread of the query. NULL: no memory. */
fuzzy *fuzzy_share(const query *whole);
void fuzzy_close(fuzzy *fuzzy);

const state *fuzzy_state(query *query, const uint32_t *tokens, uint32_t count);

/* The state as a pattern spells it, until the next call: that of the query if nothing differs. */
static inline const state *state_for(query *query, const uint32_t *tokens, uint32_t count)
{
    return query->fuzzy == NULL ? &query->state : fuzzy_state(query, tokens, count);
}

/* Align a pattern with its state. */
static inline alignment aligned_with(query *query, const state *state, const uint32_t *tokens,
                                     uint32_t count, block *list)
{
    return state == &query->state ? aligned(state, &query->scratch, tokens, count, list)
                                  : aligned_once(state, &query->scratch, tokens, count, list);
}

/* 1 − cos of a pattern's present and the state, with the pattern's spelling of what matches. */
double distance_of(query *query, const uint32_t *tokens, uint32_t count, present part);

/* A position of the state that the pattern of the last `state_for` spells differently. */
static inline int is_respelled(const fuzzy *fuzzy, uint32_t at)
{
    uint32_t spelling = fuzzy->alike->spelled[at];
    return spelling != 0 && fuzzy->ratios[spelling] > 0.0
           && fuzzy->chosen[spelling] != fuzzy->alike->known[spelling];
}

#endif
