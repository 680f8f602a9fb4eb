/* The Python types Index, Loader, Snapshot, Answer, Dump and Restorer, and what they share. */
#ifndef KATO_OBJECTS_H
#define KATO_OBJECTS_H

#include "stored/loader.h"
#include "python/rows.h"

/* Of the module; found through a type by PyType_GetModuleState. */
typedef struct {
    PyObject *index_type;
    PyObject *snapshot_type;
    PyObject *answer_type;
    PyObject *dump_type;
} module_state;

typedef struct {
    PyObject_HEAD
    snapshot taken;
    uint32_t living;
} snapshot_object;

typedef struct {
    PyObject_HEAD
    patterns all;
} index_object;

/* Invariant: only the call that set *busy* works with what is gathered. */
typedef struct {
    PyObject_HEAD
    loader gathered;
    int busy;
    int failed;
} loader_object;

extern PyType_Spec index_spec, loader_spec, snapshot_spec, answer_spec, dump_spec, restorer_spec;

/* Methods of Index, in a file of their own: what it has counted. */
PyObject *index_count(PyObject *self, PyObject *symbol);
PyObject *index_totals(PyObject *self, PyObject *ignored);
PyObject *index_counts(PyObject *self, PyObject *args);
PyObject *index_correct(PyObject *self, PyObject *args);

/* A method of Index, in a file of its own: it gives a Dump. */
PyObject *index_dump(PyObject *self, PyObject *ignored);

/* A method of Loader, in a file of its own: it reads documents. */
PyObject *loader_load(PyObject *object, PyObject *args);

/* Whether the loader can be used now; an exception is set if not. Every use ends with the second
 * one: 0, or -1 with an exception set. */
int loader_taken(loader_object *self);
int loader_given_back(loader_object *self, loader_result result);

/* A zeroed object of a type that cannot be called. */
PyObject *object_made(PyObject *type);

/* The end of a dealloc: types made at run time are held by their objects. */
void object_freed(PyObject *self);

#endif
