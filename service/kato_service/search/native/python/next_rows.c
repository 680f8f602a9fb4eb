/* What may come next as Python tuples. */
#include "python/rows.h"
#include "python/symbol_tuples.h"
#include "query/later.h"

/* The names of the patterns behind something. */
static PyObject *names_behind(const query *query, const coming_list *list, uint32_t at)
{
    uint32_t count = at < list->naming ? list->all[at].named : 0;
    PyObject *names = PyTuple_New((Py_ssize_t)count);
    for (uint32_t number = 0; names != NULL && number < count; number++) {
        const kept *one = &query->later.kept[list->behind[(size_t)at * NAMES_BEHIND + number]];
        PyObject *name = name_text(view_name(&query->frozen->segments[one->segment], one->local));
        if (name == NULL) {
            Py_CLEAR(names);
        } else {
            PyTuple_SetItem(names, number, name);
        }
    }
    return names;
}

/* The event or the symbol that something is; None: nothing comes. */
static PyObject *value_of_next(const query *query, next_list list, const coming *one)
{
    if (list == NEXT_STOP) {
        return Py_NewRef(Py_None);
    }
    if (list == NEXT_SYMBOLS) {
        return Py_NewRef(query->frozen->symbols->objects[one->symbol]);
    }
    present event = next_event(query, &query->later.kept[one->first]);
    PyObject *events = events_of(query->frozen->symbols, event.tokens, event.count, 1);
    PyObject *value = events == NULL ? NULL : Py_XNewRef(PyTuple_GetItem(events, 0));
    Py_XDECREF(events);
    return value;
}

PyObject *next_row(const query *query, next_list number, uint32_t place)
{
    const coming_list *list = &query->later.next[number];
    const coming *one = &list->all[place];
    PyObject *value = value_of_next(query, number, one);
    PyObject *names = value == NULL ? NULL : names_behind(query, list, place);
    if (names == NULL) {
        Py_XDECREF(value);
        return NULL;
    }
    return Py_BuildValue("NdIN", value, one->share, one->patterns, names);
}
