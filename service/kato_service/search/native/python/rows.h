/* Patterns and predictions as Python tuples. */
#ifndef KATO_ROWS_H
#define KATO_ROWS_H

#include "index/patterns.h"
#include "query/query.h"

/* Decode 40 hexadecimal digits into a raw name. 0: it is not a name. */
int name_parse(PyObject *text, uint8_t *name);

/* Write its 2 * NAME_BYTES hexadecimal digits; or make a str of them. */
void name_spell(const uint8_t *name, char *digits);
PyObject *name_text(const uint8_t *name);

/* The names of patterns, a tuple of str. NULL with an exception set. */
PyObject *names_at(const pattern_place *places, uint32_t count);

/*
 * A prediction: the fields of Prediction in their order, without emotives and metadata. Other
 * threads get the interpreter lock while a large one is made.
 * *state_symbols*: the tuple that the query was opened with.
 */
PyObject *prediction_row(query *query, const candidate *found, PyObject *state_symbols);

/*
 * Its anomalies, a tuple of the fields of Anomaly for each, in the order of the state. Both give up
 * if the query's pace does; NULL with an exception set.
 */
PyObject *prediction_anomalies(query *query, const candidate *found, PyObject *state_symbols);

/*
 * How it came about: of every block its start in the pattern, its start in the state and its size;
 * then evidence, confidence and snr as they are in its potential, not rounded.
 */
PyObject *prediction_explained(query *query, const candidate *found, PyObject *state_symbols);

/* Something that may come next: the event or the symbol (None: nothing comes), its share, how many
 * patterns expect it, and the names of some. */
PyObject *next_row(const query *query, next_list number, uint32_t place);

#endif
