/* Column: a sum for every symbol of a frozen copy, as a Python object. */
#include "python/objects.h"

#include <string.h>

static void column_dealloc(PyObject *self)
{
    column_object *column = (column_object *)self;
    column_close(&column->all);
    Py_XDECREF(column->frozen);
    object_freed(self);
}

/* Frozen.column(names, values): an empty column. */
PyObject *frozen_column(PyObject *self, PyObject *args)
{
    const char *names, *values;
    Py_ssize_t names_size, values_size;
    if (!PyArg_ParseTuple(args, "z#y#", &names, &names_size, &values, &values_size)) {
        return NULL;
    }
    size_t named = (size_t)values_size / sizeof(double);
    if (values_size % sizeof(double) || named >= NO_SLOT
        || (size_t)names_size != (names == NULL ? 0 : named * NAME_BYTES)) {
        PyErr_SetString(PyExc_ValueError, "every name needs a value");
        return NULL;
    }
    module_state *types = PyType_GetModuleState(Py_TYPE(self));
    column_object *column = (column_object *)object_made(types->column_type);
    if (column == NULL) {
        return NULL;
    }
    uint32_t symbols = ((frozen_object *)self)->taken.symbol_count;
    int failed;
    column->frozen = Py_NewRef(self);
    Py_BEGIN_ALLOW_THREADS
    failed = column_open(&column->all, symbols, (const uint8_t *)names, (const double *)values,
                         (uint32_t)named);
    Py_END_ALLOW_THREADS
    if (failed) {
        Py_DECREF((PyObject *)column);
        return PyErr_NoMemory();
    }
    return (PyObject *)column;
}

/* 0 with an exception set: it is settled. */
static int is_open(const column_object *column)
{
    if (column->frozen == NULL) {
        PyErr_SetString(PyExc_ValueError, "nothing can be added any more");
        return 0;
    }
    return 1;
}

static PyObject *column_add_one_segment(PyObject *self, PyObject *args)
{
    column_object *column = (column_object *)self;
    unsigned int number;
    if (!PyArg_ParseTuple(args, "I", &number) || !is_open(column)) {
        return NULL;
    }
    const frozen *from = &((frozen_object *)column->frozen)->taken;
    if (number >= from->segment_count) {
        Py_RETURN_FALSE;
    }
    Py_BEGIN_ALLOW_THREADS
    column_add_segment(&column->all, &from->segments[number]);
    Py_END_ALLOW_THREADS
    Py_RETURN_TRUE;
}

static PyObject *column_add_symbols(PyObject *self, PyObject *args)
{
    column_object *column = (column_object *)self;
    PyObject *symbols;
    double value;
    if (!PyArg_ParseTuple(args, "O!d", &PyTuple_Type, &symbols, &value) || !is_open(column)) {
        return NULL;
    }
    const symbol_table *table = ((frozen_object *)column->frozen)->taken.symbols;
    column_begin(&column->all);
    for (Py_ssize_t at = 0; at < PyTuple_Size(symbols); at++) {
        int64_t number = symbols_find(table, PyTuple_GetItem(symbols, at));
        if (number == -2) {
            return NULL;
        }
        if (number >= 0) {
            column_add(&column->all, (uint32_t)number, value);
        }
    }
    Py_RETURN_NONE;
}

static PyObject *column_settled(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    column_object *column = (column_object *)self;
    column_settle(&column->all);
    Py_CLEAR(column->frozen);
    Py_RETURN_NONE;
}

static PyObject *column_sums(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const column *all = &((column_object *)self)->all;
    return PyBytes_FromStringAndSize((const char *)all->sums,
                                     (Py_ssize_t)(all->count * sizeof(double)));
}

static PyObject *column_size_bytes(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(column_bytes(&((column_object *)self)->all));
}

static PyMethodDef column_methods[] = {
    {"add_segment", column_add_one_segment, METH_VARARGS, NULL},
    {"add_symbols", column_add_symbols, METH_VARARGS, NULL},
    {"settle", column_settled, METH_NOARGS, NULL},
    {"sums", column_sums, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef column_attributes[] = {
    {"size_bytes", column_size_bytes, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot column_slots[] = {
    {Py_tp_dealloc, column_dealloc},
    {Py_tp_methods, column_methods},
    {Py_tp_getset, column_attributes},
    {0, NULL},
};

PyType_Spec column_spec = {
    .name = "kato_service.search._engine.Column",
    .basicsize = sizeof(column_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = column_slots,
};
