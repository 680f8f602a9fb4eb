/* Methods of Index for symbol statistics: counts, totals and corrections. */
#include "python/objects.h"

typedef struct {
    uint32_t number;
    long long patterns;
    long long occurrences;
} correction; /* of one symbol; or its two counts */

PyObject *index_count(PyObject *self, PyObject *symbol)
{
    const patterns *all = &((index_object *)self)->all;
    int64_t number = symbols_find(all->symbols, symbol);
    if (number == -2) {
        return NULL;
    }
    if (number < 0 || number >= all->counts.capacity) {
        return Py_BuildValue("ii", 0, 0);
    }
    return Py_BuildValue("LL", (long long)counts_of(&all->counts, (uint32_t)number),
                         (long long)all->counts.occurrences[number]);
}

PyObject *index_totals(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const symbol_counts *counts = &((index_object *)self)->all.counts;
    return Py_BuildValue("LLLI", (long long)counts->learns, (long long)counts->total,
                         (long long)counts->distinct, counts->symbols);
}

/* Copy the counts of up to *limit* symbols from number *start* on; gives how many it copied. */
static uint32_t copied(const patterns *all, uint32_t start, uint32_t limit, correction *into)
{
    uint32_t known = all->symbols->count, room = all->counts.capacity;
    uint32_t end = known < room ? known : room, size = 0;
    for (; start < end && size < limit; start++) {
        into[size++] = (correction){start, counts_of(&all->counts, start),
                                    all->counts.occurrences[start]};
    }
    return size;
}

PyObject *index_counts(PyObject *self, PyObject *args)
{
    const patterns *all = &((index_object *)self)->all;
    unsigned int start, limit;
    if (!PyArg_ParseTuple(args, "II", &start, &limit)) {
        return NULL;
    }
    limit = limit < all->symbols->count ? limit : all->symbols->count;
    correction *found = kato_allocate(limit, sizeof(*found));
    if (found == NULL) {
        return PyErr_NoMemory();
    }
    /* Making tuples may run a finalizer that changes the index: hold and copy what is read. */
    symbol_table *symbols = symbols_hold(all->symbols);
    uint32_t size = copied(all, start, limit, found);
    PyObject *rows = PyTuple_New(size);
    for (uint32_t at = 0; rows != NULL && at < size; at++) {
        PyObject *row = Py_BuildValue("OLL", symbols->objects[found[at].number],
                                      found[at].patterns, found[at].occurrences);
        if (row == NULL) {
            Py_CLEAR(rows);
        } else {
            PyTuple_SetItem(rows, at, row);
        }
    }
    symbols_drop(symbols);
    kato_free(found);
    return rows;
}

/* Parse a row, and make the counts of its symbol changeable. -1 with an exception set. */
static int correction_parsed(patterns *all, PyObject *row, correction *found)
{
    PyObject *symbol;
    if (!PyTuple_Check(row)) {
        PyErr_SetString(PyExc_TypeError, "a correction is a tuple of a symbol and two counts");
        return -1;
    }
    if (!PyArg_ParseTuple(row, "OLL", &symbol, &found->patterns, &found->occurrences)) {
        return -1;
    }
    int64_t number = symbols_intern(all->symbols, symbol);
    if (number < 0) {
        return -1;
    }
    found->number = (uint32_t)number;
    if (counts_reserve(&all->counts, all->symbols->count) < 0
        || counts_own(&all->counts, found->number) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

PyObject *index_correct(PyObject *self, PyObject *args)
{
    patterns *all = &((index_object *)self)->all;
    symbol_counts *counts = &all->counts;
    PyObject *rows;
    long long learns, total, distinct;
    if (!PyArg_ParseTuple(args, "O!LLL", &PyTuple_Type, &rows, &learns, &total, &distinct)) {
        return NULL;
    }
    Py_ssize_t size = PyTuple_Size(rows);
    correction *corrections = kato_allocate((size_t)size, sizeof(*corrections));
    if (corrections == NULL) {
        return PyErr_NoMemory();
    }
    /* First everything that may fail, then everything that cannot. */
    for (Py_ssize_t at = 0; at < size; at++) {
        if (correction_parsed(all, PyTuple_GetItem(rows, at), &corrections[at]) < 0) {
            kato_free(corrections);
            return NULL;
        }
    }
    for (Py_ssize_t at = 0; at < size; at++) {
        counts_add(counts, corrections[at].number, corrections[at].patterns,
                   corrections[at].occurrences);
    }
    counts_raise(&counts->learns, learns);
    counts_raise(&counts->total, total);
    counts_raise(&counts->distinct, distinct);
    kato_free(corrections);
    Py_RETURN_NONE;
}
