/* Snapshot: an index at one moment; Answer: what it found, as rows that are made when read. */
#include "python/objects.h"

#include <math.h>

typedef struct {
    PyObject_HEAD
    query query;
    PyObject *snapshot; /* keeps what the query reads */
    PyObject *symbols;  /* the state, a tuple */
} answer_object;

static void snapshot_dealloc(PyObject *self)
{
    snapshot_close(&((snapshot_object *)self)->taken);
    object_freed(self);
}

static void out_of_time(void)
{
    PyErr_SetString(PyExc_TimeoutError, "matching was not done in time");
}

static PyObject *snapshot_best(PyObject *self, PyObject *args)
{
    PyObject *symbols;
    double threshold;
    double until = INFINITY;
    unsigned long long limit;
    if (!PyArg_ParseTuple(args, "OdK|d", &symbols, &threshold, &limit, &until)) {
        return NULL;
    }
    if (!PyTuple_Check(symbols) || PyTuple_Size(symbols) == 0
        || PyTuple_Size(symbols) >= MAX_PATTERN_SYMBOLS) {
        PyErr_SetString(PyExc_TypeError, "a state is a tuple of 1 to 2**28 - 1 symbols");
        return NULL;
    }
    snapshot_object *from = (snapshot_object *)self;
    module_state *types = PyType_GetModuleState(Py_TYPE(self));
    answer_object *answer = (answer_object *)object_made(types->answer_type);
    if (answer == NULL) {
        return NULL;
    }
    limit = limit < from->living ? limit : from->living;
    if (query_open(&answer->query, &from->taken, symbols, threshold, limit ? (uint32_t)limit : 1)
        < 0) {
        Py_DECREF(answer);
        return NULL;
    }
    query_until(&answer->query, until);
    answer->snapshot = Py_NewRef(self);
    answer->symbols = Py_NewRef(symbols);
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = query_run(&answer->query);
    Py_END_ALLOW_THREADS
    if (failed) {
        query_expired(&answer->query) ? out_of_time() : (void)PyErr_NoMemory();
        Py_DECREF(answer);
        return NULL;
    }
    return (PyObject *)answer;
}

static PyMethodDef snapshot_methods[] = {
    {"best", snapshot_best, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot snapshot_slots[] = {
    {Py_tp_dealloc, snapshot_dealloc},
    {Py_tp_methods, snapshot_methods},
    {0, NULL},
};

PyType_Spec snapshot_spec = {
    .name = "kato_service.search._engine.Snapshot",
    .basicsize = sizeof(snapshot_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = snapshot_slots,
};

static void answer_dealloc(PyObject *self)
{
    answer_object *answer = (answer_object *)self;
    query_close(&answer->query);
    Py_XDECREF(answer->snapshot);
    Py_XDECREF(answer->symbols);
    object_freed(self);
}

static Py_ssize_t answer_length(PyObject *self)
{
    return (Py_ssize_t)((answer_object *)self)->query.candidate_count;
}

static PyObject *answer_row(PyObject *self, Py_ssize_t place)
{
    answer_object *answer = (answer_object *)self;
    if (place < 0 || place >= answer_length(self)) {
        PyErr_SetString(PyExc_IndexError, "there are not so many predictions");
        return NULL;
    }
    PyObject *row = prediction_row(&answer->query, &answer->query.candidates[place],
                                   answer->symbols);
    if (row != NULL && query_expired(&answer->query)) {
        Py_CLEAR(row);
        out_of_time();
    }
    return row;
}

static PyType_Slot answer_slots[] = {
    {Py_tp_dealloc, answer_dealloc},
    {Py_sq_length, answer_length},
    {Py_sq_item, answer_row},
    {0, NULL},
};

PyType_Spec answer_spec = {
    .name = "kato_service.search._engine.Answer",
    .basicsize = sizeof(answer_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = answer_slots,
};
