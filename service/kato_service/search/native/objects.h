/* The Python types Index, Snapshot and Answer, and what they share. */
#ifndef KATO_OBJECTS_H
#define KATO_OBJECTS_H

#include "rows.h"

/* Of the module; found through a type by PyType_GetModuleState. */
typedef struct {
    PyObject *snapshot_type;
    PyObject *answer_type;
} module_state;

typedef struct {
    PyObject_HEAD
    snapshot taken;
    uint32_t living;
} snapshot_object;

extern PyType_Spec index_spec, snapshot_spec, answer_spec;

/* A zeroed object of a type that cannot be called. */
PyObject *object_made(PyObject *type);

/* The end of a dealloc: types made at run time are held by their objects. */
void object_freed(PyObject *self);

#endif
