/* Frozen: a frozen copy of an index. Answer: what a query found; rows are made when read. */
#include "python/objects.h"
#include "python/pace.h"
#include "python/row_text.h"
#include "python/symbol_tuples.h"
#include "query/fuzzy.h"
#include "query/later.h"

#include <math.h>

typedef struct {
    PyObject_HEAD
    query query;
    PyObject *frozen; /* keeps alive what the query reads */
    PyObject *symbols;  /* the state, a tuple of str */
    PyObject *column; /* by which symbols are weighed; NULL: they are not */
    known_numbers *known; /* NULL: nothing was written yet */
    held_pace pace;
} answer_object;

static void frozen_dealloc(PyObject *self)
{
    frozen_close(&((frozen_object *)self)->taken);
    object_freed(self);
}

static void given_up(const query *query)
{
    if (query_expired(query)) {
        PyErr_SetString(PyExc_TimeoutError, "matching was not done in time");
    } else {
        PyErr_NoMemory();
    }
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

static void answer_dealloc(PyObject *self)
{
    answer_object *answer = (answer_object *)self;
    query_close(&answer->query);
    pace_close(&answer->pace);
    Py_XDECREF(answer->frozen);
    Py_XDECREF(answer->symbols);
    Py_XDECREF(answer->column);
    kato_free(answer->known);
    object_freed(self);
}

static Py_ssize_t answer_length(PyObject *self)
{
    return (Py_ssize_t)((answer_object *)self)->query.candidate_count;
}

typedef PyObject *(*row_maker)(query *query, const candidate *found, PyObject *state_symbols);

/* What *made* makes of a prediction, unless the pace gives no more time. */
static PyObject *row_made(PyObject *self, Py_ssize_t place, row_maker made)
{
    answer_object *answer = (answer_object *)self;
    if (place < 0 || place >= answer_length(self)) {
        PyErr_SetString(PyExc_IndexError, "prediction number out of range");
        return NULL;
    }
    query *query = &answer->query;
    PyObject *row = NULL;
    if (!align_look(&query->scratch)) {
        row = made(query, &query->candidates[place], answer->symbols);
    }
    if (query->scratch.expired) {
        Py_CLEAR(row);
        given_up(query);
    }
    return row;
}

/* Answer[place]: aligns the pattern again, this time with its blocks, and makes the row. */
static PyObject *answer_row(PyObject *self, Py_ssize_t place)
{
    return row_made(self, place, prediction_row);
}

/* Answer.anomalies(place): of a prediction, what was observed, what was expected, and their ratio. */
static PyObject *answer_anomalies(PyObject *self, PyObject *args)
{
    Py_ssize_t place;
    if (!PyArg_ParseTuple(args, "n", &place)) {
        return NULL;
    }
    return row_made(self, place, prediction_anomalies);
}

/* Answer.name(place): the pattern's name. */
static PyObject *answer_name(PyObject *self, PyObject *args)
{
    const query *query = &((answer_object *)self)->query;
    Py_ssize_t place;
    if (!PyArg_ParseTuple(args, "n", &place)) {
        return NULL;
    }
    if (place < 0 || place >= answer_length(self)) {
        PyErr_SetString(PyExc_IndexError, "prediction number out of range");
        return NULL;
    }
    const candidate *found = &query->candidates[place];
    return name_text(view_name(&query->frozen->segments[found->segment], found->local));
}

/* Answer.text(begin, end, extras): see `predictions_text`. */
static PyObject *answer_text(PyObject *self, PyObject *args)
{
    answer_object *answer = (answer_object *)self;
    Py_ssize_t begin, end;
    PyObject *extras;
    if (!PyArg_ParseTuple(args, "nnO", &begin, &end, &extras)) {
        return NULL;
    }
    if (answer->known == NULL) {
        answer->known = kato_allocate_zeroed(1, sizeof(known_numbers));
    }
    PyObject *made = answer->known == NULL
                         ? NULL
                         : predictions_text(&answer->query, begin, end, answer->symbols, extras,
                                            answer->known);
    if (made == NULL && PyErr_Occurred() == NULL) {
        given_up(&answer->query);
    }
    return made;
}

/* Answer.later(place): the metrics of later clients of a prediction, in their order. */
static PyObject *answer_later(PyObject *self, PyObject *args)
{
    const query *query = &((answer_object *)self)->query;
    Py_ssize_t place;
    if (!PyArg_ParseTuple(args, "n", &place)) {
        return NULL;
    }
    if (query->later.metrics == NULL || place < 0 || place >= answer_length(self)) {
        PyErr_SetString(PyExc_IndexError, "there are no such metrics");
        return NULL;
    }
    const later_metrics *found = &query->later.metrics[place];
    return Py_BuildValue("dddddddd", found->normalized_entropy, found->global_normalized_entropy,
                         found->shannon_entropy, found->predictive_information, found->tfidf,
                         found->prior, found->likelihood, found->posterior);
}

/* Answer.weighted(place): the weighted metrics of a prediction, in their order. */
static PyObject *answer_weighted(PyObject *self, PyObject *args)
{
    const query *query = &((answer_object *)self)->query;
    Py_ssize_t place;
    if (!PyArg_ParseTuple(args, "n", &place)) {
        return NULL;
    }
    if (query->later.weighed == NULL || place < 0 || place >= answer_length(self)) {
        PyErr_SetString(PyExc_IndexError, "there are no such metrics");
        return NULL;
    }
    const candidate *found = &query->candidates[place];
    weighted_metrics of = weighted_of(query, kept_at(query, found->segment, found->local));
    return Py_BuildValue("dddd", of.similarity, of.evidence, of.confidence, of.snr);
}

/* Answer.future(place): a future, its potential, how many patterns expect it, and its weight. */
static PyObject *answer_future(PyObject *self, PyObject *args)
{
    const query *query = &((answer_object *)self)->query;
    Py_ssize_t place;
    if (!PyArg_ParseTuple(args, "n", &place)) {
        return NULL;
    }
    if (!query->wanted.futures || place < 0 || place >= (Py_ssize_t)query->later.future_count) {
        PyErr_SetString(PyExc_IndexError, "future number out of range");
        return NULL;
    }
    const future *found = &query->later.futures[place];
    present part = future_part(query, &query->later.kept[found->first]);
    PyObject *events = events_of(query->frozen->symbols, part.tokens, part.count, 1);
    if (events == NULL) {
        return NULL;
    }
    return Py_BuildValue("NdId", events, found->potential, found->patterns,
                         round12(found->weight));
}

static PyObject *answer_futures(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const query *query = &((answer_object *)self)->query;
    return PyLong_FromUnsignedLong(query->wanted.futures ? query->later.future_count : 0);
}

/* Answer.explained(place): of a prediction, its blocks and the parts of its potential. */
static PyObject *answer_explained(PyObject *self, PyObject *args)
{
    Py_ssize_t place;
    if (!PyArg_ParseTuple(args, "n", &place)) {
        return NULL;
    }
    return row_made(self, place, prediction_explained);
}

static PyObject *answer_kept(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLongLong(((answer_object *)self)->query.kept_count);
}

/* Answer.around(): all patterns, those that share a symbol, and the nearest below the threshold. */
static PyObject *answer_around(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const answer_object *answer = (answer_object *)self;
    const query *query = &answer->query;
    const below *nearest = &query->nearest;
    PyObject *name = nearest->similarity > 0.0
                         ? name_text(view_name(&query->frozen->segments[nearest->segment],
                                               nearest->local))
                         : Py_NewRef(Py_None);
    if (name == NULL) {
        return NULL;
    }
    return Py_BuildValue("IKNd", ((frozen_object *)answer->frozen)->living,
                         (unsigned long long)query->sharing, name, nearest->similarity);
}

/* Answer.next_counts(): how many events, and how many symbols, may come next. */
static PyObject *answer_next_counts(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const coming_list *next = ((answer_object *)self)->query.later.next;
    return Py_BuildValue("II", next[NEXT_EVENTS].count, next[NEXT_SYMBOLS].count);
}

/* Answer.next(list, place): what may come next, its share, how many patterns expect it, and names. */
static PyObject *answer_next(PyObject *self, PyObject *args)
{
    const query *query = &((answer_object *)self)->query;
    unsigned int list;
    Py_ssize_t place;
    if (!PyArg_ParseTuple(args, "In", &list, &place)) {
        return NULL;
    }
    if (list >= NEXT_LISTS || place < 0 || place >= (Py_ssize_t)query->later.next[list].count) {
        PyErr_SetString(PyExc_IndexError, "nothing of this number comes next");
        return NULL;
    }
    return next_row(query, (next_list)list, (uint32_t)place);
}

/* Test builds only: steps of matching so far, as they are counted for looks at the clock. */
#ifdef KATO_FAULT_INJECTION
static PyObject *answer_steps(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLongLong(((answer_object *)self)->query.scratch.steps);
}
#endif

static PyMethodDef answer_methods[] = {
#ifdef KATO_FAULT_INJECTION
    {"steps", answer_steps, METH_NOARGS, NULL},
#endif
    {"anomalies", answer_anomalies, METH_VARARGS, NULL},
    {"explained", answer_explained, METH_VARARGS, NULL},
    {"kept", answer_kept, METH_NOARGS, NULL},
    {"around", answer_around, METH_NOARGS, NULL},
    {"next_counts", answer_next_counts, METH_NOARGS, NULL},
    {"next", answer_next, METH_VARARGS, NULL},
    {"name", answer_name, METH_VARARGS, NULL},
    {"text", answer_text, METH_VARARGS, NULL},
    {"later", answer_later, METH_VARARGS, NULL},
    {"weighted", answer_weighted, METH_VARARGS, NULL},
    {"future", answer_future, METH_VARARGS, NULL},
    {"futures", answer_futures, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot answer_slots[] = {
    {Py_tp_dealloc, answer_dealloc},
    {Py_tp_methods, answer_methods},
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
