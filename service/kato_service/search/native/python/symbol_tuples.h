/* Symbols of patterns and states as Python tuples; NULL with an exception set. */
#ifndef KATO_SYMBOL_TUPLES_H
#define KATO_SYMBOL_TUPLES_H

#include "query/query.h"

uint32_t events_in(const uint32_t *tokens, uint32_t count);

/*
 * All events of a pattern, a tuple of tuples of str. With *may_breathe*, others get the interpreter
 * meanwhile: the tokens have to be a snapshot's.
 */
PyObject *events_of(const symbol_table *symbols, const uint32_t *tokens, uint32_t count,
                    int may_breathe);

/* The parts of a prediction; all of them let others have the interpreter meanwhile. */

/* The state's symbols in blocks, or those in none. */
PyObject *state_part(PyObject *symbols, const block *blocks, uint32_t block_count, uint32_t size,
                     int inside);

/* Symbols of the present that are not among the matches: `in_matches` marks those of *state*, with
 * which the pattern was aligned, that are. */
PyObject *missing_part(const query *query, const state *state, present part);

/* Of every block its start in the state and its size. */
PyObject *block_numbers(const block *blocks, uint32_t count);

#endif
