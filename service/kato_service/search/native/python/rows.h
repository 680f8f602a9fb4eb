/* Patterns and predictions as Python tuples. */
#ifndef KATO_ROWS_H
#define KATO_ROWS_H

#include "query/query.h"

/* 40 hexadecimal digits as raw bytes. 0: they are none. */
int name_parse(PyObject *text, uint8_t *name);
PyObject *name_text(const uint8_t *name);

/* All events of a pattern, a tuple of tuples of str. */
PyObject *events_of(const symbol_table *symbols, const uint32_t *tokens, uint32_t count);

/*
 * One of the best: the fields of Prediction in their order, emotives and metadata left out.
 * *state_symbols*: what the query was opened with.
 */
PyObject *prediction_row(query *query, const candidate *found, PyObject *state_symbols);

#endif
