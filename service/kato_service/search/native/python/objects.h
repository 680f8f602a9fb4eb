/* The Python types Index, Loader, Frozen, Answer, Dump and Restorer, and what they share. */
#ifndef KATO_OBJECTS_H
#define KATO_OBJECTS_H

#include "stored/loader.h"
#include "query/column.h"
#include "python/rows.h"

/* The state of the module, found through a type by PyType_GetModuleState. */
typedef struct {
    PyObject *index_type;
    PyObject *frozen_type;
    PyObject *answer_type;
    PyObject *dump_type;
    PyObject *column_type;
} module_state;

typedef struct {
    PyObject_HEAD
    frozen taken;
    uint32_t living;
} frozen_object;

typedef struct {
    PyObject_HEAD
    patterns all;
} index_object;

/* One thread adds to it; settled, it does not change. */
typedef struct {
    PyObject_HEAD
    column all;
    PyObject *frozen; /* whose patterns are added; NULL: it is settled */
} column_object;

/*
 * Invariant: only the call that has set *busy* works with what is gathered, since some calls
 * release the interpreter lock.
 */
typedef struct {
    PyObject_HEAD
    loader gathered;
    int busy;
    int failed;
} loader_object;

extern PyType_Spec index_spec, loader_spec, frozen_spec, answer_spec, dump_spec, restorer_spec,
    column_spec;

/* A method of Frozen, in column_object.c. */
PyObject *frozen_column(PyObject *self, PyObject *args);

/* Methods of Index, in counts_object.c. */
PyObject *index_count(PyObject *self, PyObject *symbol);
PyObject *index_totals(PyObject *self, PyObject *ignored);
PyObject *index_counts(PyObject *self, PyObject *args);
PyObject *index_correct(PyObject *self, PyObject *args);

/* A method of Index, in wanted_object.c. */
PyObject *index_wanted(PyObject *self, PyObject *args);

/* A method of Index, in dump_object.c. */
PyObject *index_dump(PyObject *self, PyObject *ignored);

/* A method of Loader, in loading_object.c. */
PyObject *loader_load(PyObject *object, PyObject *args);

/*
 * Take the loader for one call (0 with an exception set: it cannot be used), and give it back with
 * the result of the call (0, or -1 with an exception set).
 */
int loader_taken(loader_object *self);
int loader_given_back(loader_object *self, loader_result result);

/* A new, zeroed object of *type*. */
PyObject *object_made(PyObject *type);

/* The end of a dealloc: objects hold types that are made at run time. */
void object_freed(PyObject *self);

#endif
