/* Frozen: a frozen copy of an index, which answers queries. */
#include "python/answer_object.h"
#include "query/fuzzy.h"

#include <math.h>

static void frozen_dealloc(PyObject *self)
{
    frozen_close(&((frozen_object *)self)->taken);
    object_freed(self);
}

/* An answer that is still to be computed. NULL with an exception set. */
static answer_object *answer_opened(frozen_object *from, PyObject *symbols, double threshold,
                                    unsigned long long limit)
{
    if (!PyTuple_Check(symbols) || PyTuple_Size(symbols) == 0
        || PyTuple_Size(symbols) >= MAX_PATTERN_SYMBOLS) {
        PyErr_SetString(PyExc_TypeError, "a state is a tuple of 1 to 2**28 - 1 symbols");
        return NULL;
    }
    module_state *types = PyType_GetModuleState(Py_TYPE((PyObject *)from));
    answer_object *answer = (answer_object *)object_made(types->answer_type);
    /* Memory is allocated by the limit, and a limit may be any number. */
    limit = limit < from->living ? limit : from->living;
    if (answer != NULL
        && query_open(&answer->query, &from->taken, symbols, threshold, limit ? (uint32_t)limit : 1)
               < 0) {
        Py_CLEAR(answer);
    }
    if (answer != NULL) {
        answer->frozen = Py_NewRef((PyObject *)from);
        answer->symbols = Py_NewRef(symbols);
    }
    return answer;
}

/* The sums by which symbols are weighed; NULL with an exception set: there are none to weigh by. */
static const column *weighing(PyObject *given, const frozen_object *frozen)
{
    module_state *types = PyType_GetModuleState(Py_TYPE((PyObject *)frozen));
    if (!PyObject_TypeCheck(given, (PyTypeObject *)types->column_type)
        || ((column_object *)given)->frozen != NULL) {
        PyErr_SetString(PyExc_TypeError, "a settled Column is needed to weigh symbols");
        return NULL;
    }
    if (frozen->taken.counts.occurrences == NULL && frozen->taken.counts.capacity > 0) {
        PyErr_SetString(PyExc_ValueError, "this copy was frozen without occurrences");
        return NULL;
    }
    return &((column_object *)given)->all;
}

/* 0 with an exception set: it cannot be wanted. *given*: a Column, or None. */
static int wanted_parsed(wanted *parsed, unsigned int flags, unsigned int rank, PyObject *given,
                         const frozen_object *frozen)
{
    *parsed = (wanted){
        .metrics = flags & 1,
        .futures = (flags & 2) != 0,
        .in_first_event = (flags & 4) != 0,
        .next = (flags & 8) != 0,
        .looks_around = (flags & 16) != 0,
        .rank = (rank_key)rank,
    };
    if (rank >= RANKS || (rank >= BY_WEIGHTED_SIMILARITY && given == Py_None)) {
        PyErr_SetString(PyExc_ValueError, "there is no such way to rank");
        return 0;
    }
    if (given != Py_None) {
        parsed->affinity = weighing(given, frozen);
    }
    return given == Py_None || parsed->affinity != NULL;
}

/* Let symbols match that are alike; the query runs afterwards. -1 with an exception set. */
static int fuzzy_prepared(query *query, PyObject *symbols, double least)
{
    if (!(least >= 0.0 && least <= 1.0)) {
        PyErr_SetString(PyExc_ValueError, "how alike symbols have to be is a number from 0 to 1");
        return -1;
    }
    int failed = least > 0.0 && fuzzy_open(query, symbols, least) < 0;
    if (failed && PyErr_Occurred() == NULL) {
        given_up(query);
    }
    return failed ? -1 : 0;
}

/*
 * Frozen.best(state, threshold, limit[, until[, pace[, flags[, rank[, fuzzy[, column]]]]]]): the query
 * runs without the interpreter lock. What it needs from Python objects (the state's numbers, and
 * which symbols are alike) is copied before.
 */
static PyObject *frozen_best(PyObject *self, PyObject *args)
{
    PyObject *symbols, *pace = Py_None, *column = Py_None;
    double threshold, until = INFINITY, fuzzy = 0.0;
    unsigned long long limit;
    unsigned int flags = 0, rank = BY_POTENTIAL;
    wanted more;
    if (!PyArg_ParseTuple(args, "OdK|dOIIdO", &symbols, &threshold, &limit, &until, &pace, &flags,
                          &rank, &fuzzy, &column)
        || !wanted_parsed(&more, flags, rank, column, (frozen_object *)self)) {
        return NULL;
    }
    answer_object *answer = answer_opened((frozen_object *)self, symbols, threshold, limit);
    if (answer == NULL || pace_open(&answer->pace, pace) < 0) {
        Py_XDECREF((PyObject *)answer);
        return NULL;
    }
    answer->column = column == Py_None ? NULL : Py_NewRef(column);
    more.named = limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
    pacemaker who = pacemaker_of(&answer->pace);
    query_limit(&answer->query, until, &who);
    query_want(&answer->query, &more);
    if (fuzzy_prepared(&answer->query, symbols, fuzzy) < 0) {
        Py_DECREF((PyObject *)answer);
        return NULL;
    }
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = query_run(&answer->query);
    Py_END_ALLOW_THREADS
    if (failed) {
        given_up(&answer->query);
        Py_CLEAR(answer);
    }
    return (PyObject *)answer;
}

static PyMethodDef frozen_methods[] = {
    {"best", frozen_best, METH_VARARGS, NULL},
    {"column", frozen_column, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot frozen_slots[] = {
    {Py_tp_dealloc, frozen_dealloc},
    {Py_tp_methods, frozen_methods},
    {0, NULL},
};

PyType_Spec frozen_spec = {
    .name = "kato_service.search._engine.Frozen",
    .basicsize = sizeof(frozen_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = frozen_slots,
};
