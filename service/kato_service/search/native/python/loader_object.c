/* Loader: gathers patterns for a new index. */
#include <string.h>

#include "python/objects.h"

enum { SYMBOLS_AT_ONCE = 1000 }; /* symbols after which other threads get the interpreter lock */

static PyObject *loader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    unsigned long long first_key, second_key;
    if (kwargs != NULL && PyDict_Size(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "Loader() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "KK", &first_key, &second_key)) {
        return NULL;
    }
    loader_object *self = (loader_object *)object_made((PyObject *)type);
    if (self != NULL) {
        self->gathered.symbols.key[0] = first_key;
        self->gathered.symbols.key[1] = second_key;
    }
    return (PyObject *)self;
}

static void loader_dealloc(PyObject *self)
{
    loader_close(&((loader_object *)self)->gathered);
    object_freed(self);
}

int loader_taken(loader_object *self)
{
    if (self->busy || self->failed) {
        PyErr_SetString(PyExc_RuntimeError, "this loader is in use, or has failed or finished");
        return 0;
    }
    self->busy = 1;
    return 1;
}

int loader_given_back(loader_object *self, loader_result result)
{
    self->busy = 0;
    self->failed = result != LOADER_DONE;
    if (result == LOADER_MEMORY) {
        PyErr_NoMemory();
    } else if (result == LOADER_DAMAGED && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "these are not patterns, or one of them is there twice");
    }
    return result == LOADER_DONE ? 0 : -1;
}

static loader_result stage_event(loader *gathered, PyObject *event)
{
    if (!PyTuple_Check(event) || PyTuple_Size(event) == 0) {
        PyErr_SetString(PyExc_TypeError, "an event is a tuple of at least one symbol");
        return LOADER_DAMAGED;
    }
    for (Py_ssize_t at = 0; at < PyTuple_Size(event); at++) {
        PyObject *symbol = PyTuple_GetItem(event, at);
        Py_ssize_t size;
        if (!PyUnicode_CheckExact(symbol)) {
            PyErr_SetString(PyExc_TypeError, "a symbol is a str");
            return LOADER_DAMAGED;
        }
        const char *text = PyUnicode_AsUTF8AndSize(symbol, &size);
        if (text == NULL) {
            return LOADER_DAMAGED;
        }
        loader_result result = loader_stage(gathered, text, (size_t)size, at == 0);
        if (result != LOADER_DONE) {
            return result;
        }
    }
    return LOADER_DONE;
}

static loader_result stage_events(loader *gathered, PyObject *events)
{
    if (!PyTuple_Check(events) || PyTuple_Size(events) == 0) {
        PyErr_SetString(PyExc_TypeError, "a pattern is a tuple of at least one event");
        return LOADER_DAMAGED;
    }
    loader_begin(gathered);
    for (Py_ssize_t event = 0; event < PyTuple_Size(events); event++) {
        loader_result result = stage_event(gathered, PyTuple_GetItem(events, event));
        if (result != LOADER_DONE) {
            return result;
        }
    }
    return LOADER_DONE;
}

static PyObject *loader_put(PyObject *object, PyObject *args)
{
    loader_object *self = (loader_object *)object;
    PyObject *name_given, *events;
    unsigned long long frequency, learns, first, revision;
    uint8_t name[NAME_BYTES];
    if (!PyArg_ParseTuple(args, "OOKKKK", &name_given, &events, &frequency, &learns, &first,
                          &revision)
        || !loader_taken(self)) {
        return NULL;
    }
    loader_result result = LOADER_DAMAGED;
    if (name_parse(name_given, name) && frequency < REMOVED && learns <= UINT32_MAX) {
        pattern_record record = {first, revision, (uint32_t)learns};
        result = stage_events(&self->gathered, events);
        if (result == LOADER_DONE) {
            result = loader_add(&self->gathered, name, (uint32_t)frequency, &record);
        }
    }
    if (loader_given_back(self, result) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *loader_counted(PyObject *object, PyObject *args)
{
    loader_object *self = (loader_object *)object;
    PyObject *events;
    unsigned long long learns;
    if (!PyArg_ParseTuple(args, "OK", &events, &learns) || !loader_taken(self)) {
        return NULL;
    }
    loader_result result = LOADER_DAMAGED;
    if (learns <= UINT32_MAX) {
        result = stage_events(&self->gathered, events);
        if (result == LOADER_DONE) {
            result = loader_count(&self->gathered, (int64_t)learns);
        }
    }
    if (loader_given_back(self, result) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Intern the symbols in the table, with the same numbers; other threads have turns meanwhile. */
static loader_result symbols_moved(const interner *from, symbol_table *to)
{
    for (uint32_t number = 0; number < from->count; number++) {
        size_t size;
        const char *text = interner_text(from, number, &size);
        PyObject *symbol = PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, NULL);
        int64_t given = symbol == NULL ? -2 : symbols_intern(to, symbol);
        Py_XDECREF(symbol);
        if (given != (int64_t)number) {
            return LOADER_DAMAGED;
        }
        if (number % SYMBOLS_AT_ONCE == SYMBOLS_AT_ONCE - 1) {
            Py_BEGIN_ALLOW_THREADS
            Py_END_ALLOW_THREADS
        }
    }
    return LOADER_DONE;
}

static PyObject *loader_finish(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    loader_object *self = (loader_object *)object;
    module_state *types = PyType_GetModuleState(Py_TYPE(object));
    if (!loader_taken(self)) {
        return NULL;
    }
    index_object *made = (index_object *)object_made(types->index_type);
    loader_result result = LOADER_DAMAGED;
    if (made != NULL && patterns_open(&made->all) == 0) {
        result = symbols_moved(&self->gathered.symbols, made->all.symbols);
    }
    if (result == LOADER_DONE) {
        Py_BEGIN_ALLOW_THREADS
        result = loader_move(&self->gathered, &made->all);
        Py_END_ALLOW_THREADS
    }
    /* Freeing millions of symbols takes a while, too. */
    Py_BEGIN_ALLOW_THREADS
    loader_close(&self->gathered);
    Py_END_ALLOW_THREADS
    if (loader_given_back(self, result) < 0) {
        Py_XDECREF((PyObject *)made);
        return NULL;
    }
    self->failed = 1;
    return (PyObject *)made;
}

static PyMethodDef loader_methods[] = {
    {"put", loader_put, METH_VARARGS, NULL},
    {"count", loader_counted, METH_VARARGS, NULL},
    {"load", loader_load, METH_VARARGS, NULL},
    {"finish", loader_finish, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot loader_slots[] = {
    {Py_tp_new, loader_new},
    {Py_tp_dealloc, loader_dealloc},
    {Py_tp_methods, loader_methods},
    {0, NULL},
};

PyType_Spec loader_spec = {
    .name = "kato_service.search._engine.Loader",
    .basicsize = sizeof(loader_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = loader_slots,
};
