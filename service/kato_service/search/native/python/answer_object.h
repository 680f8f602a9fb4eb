/* Answer, what Frozen.best makes: what a query found. */
#ifndef KATO_ANSWER_OBJECT_H
#define KATO_ANSWER_OBJECT_H

#include "python/objects.h"
#include "python/pace.h"
#include "python/row_text.h"

typedef struct {
    PyObject_HEAD
    query query;
    PyObject *frozen; /* keeps alive what the query reads */
    PyObject *symbols;  /* the state, a tuple of str */
    PyObject *column; /* by which symbols are weighed; NULL: they are not */
    known_numbers *known; /* NULL: nothing was written yet */
    held_pace pace;
} answer_object;

/* Set the exception of a query that ended early: its time was over, or there was no memory. */
void given_up(const query *query);

#endif
