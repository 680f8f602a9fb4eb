/* Predictions as JSON text. */
#ifndef KATO_ROW_TEXT_H
#define KATO_ROW_TEXT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "query/query.h"
#include "text/text.h"

/*
 * Predictions from place *begin* to before *end*, as the members of a JSON array in the order of
 * the API's fields, separated by commas: bytes. It is written without the interpreter lock.
 *
 * *extras*: None, or a sequence with an item for each of the predictions: None, or the JSON of its
 * emotives and of its metadata (None: it has none), as bytes.
 *
 * NULL with an exception set; the exception is missing if the query's pace gave no more time, or
 * there was no memory.
 */
PyObject *predictions_text(query *query, Py_ssize_t begin, Py_ssize_t end,
                           PyObject *state_symbols, PyObject *extras, known_numbers *known);

#endif
