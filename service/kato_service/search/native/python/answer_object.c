/* Answer: what a query found; rows are made when read. */
#include "python/answer_object.h"
#include "python/symbol_tuples.h"
#include "query/later.h"

void given_up(const query *query)
{
    if (query_expired(query)) {
        PyErr_SetString(PyExc_TimeoutError, "matching was not done in time");
    } else {
        PyErr_NoMemory();
    }
}

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
