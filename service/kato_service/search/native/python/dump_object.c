/* Dump: an index in pieces. Restorer: puts pieces together to an index. */
#include <string.h>

#include "stored/dump.h"
#include "python/objects.h"
#include "python/symbol_tuples.h"

typedef struct {
    PyObject_HEAD
    dump opened;
} dump_object;

/*
 * Invariants: only the call that has set *busy* works with the index, since some calls release the
 * interpreter lock; nobody else knows the index until it is finished.
 */
typedef struct {
    PyObject_HEAD
    PyObject *index;
    int busy;
    int failed;
} restorer_object;

PyObject *index_dump(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    module_state *types = PyType_GetModuleState(Py_TYPE(self));
    dump_object *made = (dump_object *)object_made(types->dump_type);
    if (made == NULL || dump_open(&made->opened, &((index_object *)self)->all) < 0) {
        Py_XDECREF((PyObject *)made);
        return NULL;
    }
    return (PyObject *)made;
}

static void dump_dealloc(PyObject *self)
{
    dump_close(&((dump_object *)self)->opened);
    object_freed(self);
}

static PyObject *dump_sizes(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const dump *from = &((dump_object *)self)->opened;
    const symbol_counts *counts = &from->taken.counts;
    return Py_BuildValue("IILLL", from->taken.segment_count, from->taken.symbol_count,
                         (long long)counts->learns, (long long)counts->total,
                         (long long)counts->distinct);
}

static PyObject *dump_symbols(PyObject *self, PyObject *args)
{
    const dump *from = &((dump_object *)self)->opened;
    unsigned int start, limit;
    if (!PyArg_ParseTuple(args, "II", &start, &limit)) {
        return NULL;
    }
    uint32_t end = from->taken.symbol_count;
    uint32_t size = start >= end ? 0 : end - start < limit ? end - start : limit;
    PyObject *symbols = PyTuple_New(size);
    for (uint32_t at = 0; symbols != NULL && at < size; at++) {
        PyTuple_SetItem(symbols, at, Py_NewRef(from->taken.symbols->objects[start + at]));
    }
    return symbols;
}

static PyObject *dump_counts(PyObject *self, PyObject *args)
{
    const dump *from = &((dump_object *)self)->opened;
    unsigned int start, limit;
    if (!PyArg_ParseTuple(args, "II", &start, &limit)) {
        return NULL;
    }
    uint32_t end = from->occurrence_count;
    uint32_t size = start >= end ? 0 : end - start < limit ? end - start : limit;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size * 16);
    char *out = bytes == NULL ? NULL : PyBytes_AsString(bytes);
    for (uint32_t at = 0; out != NULL && at < size; at++) {
        int64_t counts[2] = {counts_of(&from->taken.counts, start + at),
                             from->occurrences[start + at]};
        memcpy(out + (size_t)at * 16, counts, 16);
    }
    return bytes;
}

static PyObject *dump_segment_of(PyObject *self, PyObject *number)
{
    const dump *from = &((dump_object *)self)->opened;
    size_t place = PyLong_AsSize_t(number);
    if (place == (size_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    if (place >= from->taken.segment_count) {
        PyErr_SetString(PyExc_IndexError, "segment number out of range");
        return NULL;
    }
    size_t size = dump_segment_bytes(from, (uint32_t)place);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes != NULL) {
        uint8_t *out = (uint8_t *)PyBytes_AsString(bytes);
        Py_BEGIN_ALLOW_THREADS
        dump_segment(from, (uint32_t)place, out);
        Py_END_ALLOW_THREADS
    }
    return bytes;
}

/* The name, events, frequency and learns of a pattern of a segment; NULL with an exception set. */
static PyObject *dump_pattern(const dump *from, uint32_t place, uint32_t local)
{
    const segment_view *view = &from->taken.segments[place];
    const pattern_record *records = shared_data(from->records[place]);
    uint32_t start = view_offsets(view)[local], end = view_offsets(view)[local + 1];
    PyObject *name = name_text(view_name(view, local));
    PyObject *events
        = name == NULL ? NULL
                       : events_of(from->taken.symbols, view_tokens(view) + start, end - start, 0);
    if (events == NULL) {
        Py_XDECREF(name);
        return NULL;
    }
    return Py_BuildValue("NNII", name, events, view_frequencies(view)[local],
                         records[local].learns);
}

/* Dump.patterns(segment, start, limit): living patterns, and the place after the last one. */
static PyObject *dump_patterns(PyObject *self, PyObject *args)
{
    const dump *from = &((dump_object *)self)->opened;
    unsigned int place, start, limit;
    if (!PyArg_ParseTuple(args, "III", &place, &start, &limit)) {
        return NULL;
    }
    if (place >= from->taken.segment_count) {
        PyErr_SetString(PyExc_IndexError, "segment number out of range");
        return NULL;
    }
    const segment_view *view = &from->taken.segments[place];
    PyObject *rows = PyList_New(0);
    uint32_t local = start;
    while (rows != NULL && local < view->count && local - start < limit) {
        if (view_frequencies(view)[local] != REMOVED) {
            PyObject *row = dump_pattern(from, place, local);
            if (row == NULL || PyList_Append(rows, row) < 0) {
                Py_CLEAR(rows);
            }
            Py_XDECREF(row);
        }
        local++;
    }
    int is_over = local >= view->count;
    return rows == NULL ? NULL : Py_BuildValue("NI", rows, is_over ? 0 : local);
}

static PyMethodDef dump_methods[] = {
    {"sizes", dump_sizes, METH_NOARGS, NULL},
    {"symbols", dump_symbols, METH_VARARGS, NULL},
    {"counts", dump_counts, METH_VARARGS, NULL},
    {"segment", dump_segment_of, METH_O, NULL},
    {"patterns", dump_patterns, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot dump_slots[] = {
    {Py_tp_dealloc, dump_dealloc},
    {Py_tp_methods, dump_methods},
    {0, NULL},
};

PyType_Spec dump_spec = {
    .name = "kato_service.search._engine.Dump",
    .basicsize = sizeof(dump_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = dump_slots,
};

static PyObject *restorer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_Size(args) != 0 || (kwargs != NULL && PyDict_Size(kwargs) != 0)) {
        PyErr_SetString(PyExc_TypeError, "Restorer() takes no arguments");
        return NULL;
    }
    module_state *types = PyType_GetModuleState(type);
    restorer_object *self = (restorer_object *)object_made((PyObject *)type);
    if (self == NULL) {
        return NULL;
    }
    self->index = object_made(types->index_type);
    if (self->index == NULL || patterns_open(&((index_object *)self->index)->all) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void restorer_dealloc(PyObject *self)
{
    Py_XDECREF(((restorer_object *)self)->index);
    object_freed(self);
}

/* Take what it restores, for one call; NULL with an exception set. */
static patterns *restorer_taken(restorer_object *self)
{
    if (self->busy || self->failed) {
        PyErr_SetString(PyExc_RuntimeError, "this restorer is in use, or has failed or finished");
        return NULL;
    }
    self->busy = 1;
    return &((index_object *)self->index)->all;
}

/* Give it back: the end of every call. */
static PyObject *restorer_given_back(restorer_object *self, restore_result result)
{
    self->busy = 0;
    self->failed = result != RESTORED;
    if (result == RESTORE_MEMORY) {
        return PyErr_NoMemory();
    }
    if (result == RESTORE_DAMAGED) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "this is not a piece of an index");
        }
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *restorer_symbols(PyObject *object, PyObject *symbols)
{
    restorer_object *self = (restorer_object *)object;
    patterns *into = restorer_taken(self);
    if (into == NULL) {
        return NULL;
    }
    restore_result result = PyTuple_Check(symbols) ? RESTORED : RESTORE_DAMAGED;
    Py_ssize_t size = result == RESTORED ? PyTuple_Size(symbols) : 0;
    for (Py_ssize_t at = 0; at < size && result == RESTORED; at++) {
        /* Numbers are assigned in order: a symbol that is there twice gets an old one. */
        uint32_t next = into->symbols->count;
        if (symbols_intern(into->symbols, PyTuple_GetItem(symbols, at)) != (int64_t)next) {
            result = RESTORE_DAMAGED;
        }
    }
    return restorer_given_back(self, result);
}

static PyObject *restorer_counts(PyObject *object, PyObject *args)
{
    restorer_object *self = (restorer_object *)object;
    unsigned int start;
    const char *bytes;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "Iy#", &start, &bytes, &size)) {
        return NULL;
    }
    patterns *into = restorer_taken(self);
    if (into == NULL) {
        return NULL;
    }
    size_t count = (size_t)size / 16;
    if (size % 16 != 0 || start > into->symbols->count || count > into->symbols->count - start) {
        return restorer_given_back(self, RESTORE_DAMAGED);
    }
    if (counts_reserve(&into->counts, into->symbols->count) < 0) {
        return restorer_given_back(self, RESTORE_MEMORY);
    }
    for (size_t at = 0; at < count; at++) {
        int64_t counts[2];
        memcpy(counts, bytes + at * 16, 16);
        counts_add(&into->counts, start + (uint32_t)at, counts[0], counts[1]);
    }
    return restorer_given_back(self, RESTORED);
}

static PyObject *restorer_segment(PyObject *object, PyObject *given)
{
    restorer_object *self = (restorer_object *)object;
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(given, &bytes, &size) < 0) {
        return NULL;
    }
    patterns *into = restorer_taken(self);
    if (into == NULL) {
        return NULL;
    }
    restore_result result;
    Py_INCREF(given);
    Py_BEGIN_ALLOW_THREADS
    result = restore_segment(into, (const uint8_t *)bytes, (size_t)size);
    Py_END_ALLOW_THREADS
    Py_DECREF(given);
    return restorer_given_back(self, result);
}

static PyObject *restorer_finish(PyObject *object, PyObject *args)
{
    restorer_object *self = (restorer_object *)object;
    long long learns, total, distinct;
    if (!PyArg_ParseTuple(args, "LLL", &learns, &total, &distinct)) {
        return NULL;
    }
    patterns *into = restorer_taken(self);
    if (into == NULL) {
        return NULL;
    }
    into->counts.learns = learns;
    into->counts.total = total;
    into->counts.distinct = distinct;
    self->failed = 1;
    PyObject *index = self->index;
    self->index = NULL;
    return index;
}

static PyMethodDef restorer_methods[] = {
    {"symbols", restorer_symbols, METH_O, NULL},
    {"counts", restorer_counts, METH_VARARGS, NULL},
    {"segment", restorer_segment, METH_O, NULL},
    {"finish", restorer_finish, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot restorer_slots[] = {
    {Py_tp_new, restorer_new},
    {Py_tp_dealloc, restorer_dealloc},
    {Py_tp_methods, restorer_methods},
    {0, NULL},
};

PyType_Spec restorer_spec = {
    .name = "kato_service.search._engine.Restorer",
    .basicsize = sizeof(restorer_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = restorer_slots,
};
