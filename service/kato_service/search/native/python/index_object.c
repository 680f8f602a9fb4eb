/* Index: the patterns of a knowledge base, as a Python object. */
#include "python/objects.h"
#include "python/symbol_tuples.h"

static PyObject *index_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_Size(args) != 0 || (kwargs != NULL && PyDict_Size(kwargs) != 0)) {
        PyErr_SetString(PyExc_TypeError, "Index() takes no arguments");
        return NULL;
    }
    index_object *self = (index_object *)object_made((PyObject *)type);
    if (self != NULL && patterns_open(&self->all) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void index_dealloc(PyObject *self)
{
    patterns_close(&((index_object *)self)->all);
    object_freed(self);
}

static int named(PyObject *name, uint8_t *parsed)
{
    if (!name_parse(name, parsed)) {
        PyErr_SetString(PyExc_ValueError, "a pattern's name is 40 hexadecimal digits");
        return 0;
    }
    return 1;
}

static int fits(unsigned long long value, unsigned long long limit)
{
    if (value > limit) {
        PyErr_SetString(PyExc_OverflowError, "a frequency or a number of learns is too large");
        return 0;
    }
    return 1;
}

static PyObject *index_put(PyObject *self, PyObject *args)
{
    PyObject *name, *events;
    unsigned long long frequency, learns, first, revision, counted;
    pattern_facts facts;
    if (!PyArg_ParseTuple(args, "OOKKKKK", &name, &events, &frequency, &learns, &first,
                          &revision, &counted)) {
        return NULL;
    }
    if (!named(name, facts.name)) {
        return NULL;
    }
    if (!fits(frequency, REMOVED - 1) || !fits(learns, UINT32_MAX) || !fits(counted, 1u << 30)) {
        return NULL;
    }
    facts.frequency = (uint32_t)frequency;
    facts.counted = (uint32_t)counted;
    facts.record = (pattern_record){first, revision, (uint32_t)learns};
    if (patterns_put(&((index_object *)self)->all, events, &facts) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Index.learn(name, events, revision): the first learn of a pattern; False if it is known. */
static PyObject *index_learn(PyObject *self, PyObject *args)
{
    PyObject *name, *events;
    unsigned long long revision;
    pattern_facts facts = {.frequency = 1, .counted = 1};
    if (!PyArg_ParseTuple(args, "OOK", &name, &events, &revision) || !named(name, facts.name)) {
        return NULL;
    }
    facts.record = (pattern_record){revision, revision, 1};
    int added = patterns_add(&((index_object *)self)->all, events, &facts);
    return added < 0 ? NULL : PyBool_FromLong(added);
}

static PyObject *index_get(PyObject *self, PyObject *name_given)
{
    const patterns *all = &((index_object *)self)->all;
    uint8_t name[NAME_BYTES];
    uint32_t local;
    if (!name_parse(name_given, name)) {
        Py_RETURN_NONE;
    }
    const segment *found = patterns_find(all, name, &local);
    if (found == NULL) {
        Py_RETURN_NONE;
    }
    /* Making tuples may run a finalizer that changes the index: hold and copy what is read. */
    segment_view view;
    segment_view_hold(&view, &found->view);
    symbol_table *symbols = symbols_hold(all->symbols);
    const pattern_record record = segment_records(found)[local];
    uint32_t frequency = view_frequencies(&view)[local];
    uint32_t start = view_offsets(&view)[local], end = view_offsets(&view)[local + 1];
    PyObject *events = events_of(symbols, view_tokens(&view) + start, end - start, 0);
    segment_view_drop(&view);
    symbols_drop(symbols);
    if (events == NULL) {
        return NULL;
    }
    return Py_BuildValue("NIIKK", events, frequency, record.learns,
                         (unsigned long long)record.first, (unsigned long long)record.revision);
}

static PyObject *index_remove(PyObject *self, PyObject *name_given)
{
    uint8_t name[NAME_BYTES];
    if (!name_parse(name_given, name)) {
        Py_RETURN_FALSE;
    }
    int removed = patterns_remove(&((index_object *)self)->all, name);
    return removed < 0 ? NULL : PyBool_FromLong(removed);
}

static PyObject *index_clear(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    if (patterns_clear(&((index_object *)self)->all) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *index_after(PyObject *self, PyObject *args)
{
    unsigned long long first;
    unsigned int limit;
    if (!PyArg_ParseTuple(args, "KI", &first, &limit)) {
        return NULL;
    }
    const patterns *all = &((index_object *)self)->all;
    limit = limit < all->living ? limit : all->living;
    pattern_place *places = kato_allocate(limit, sizeof(*places));
    if (places == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *names = names_at(places, patterns_after(all, first, limit, places));
    kato_free(places);
    return names;
}

/* Index.until(first): how many patterns were first learned at that revision or earlier. */
static PyObject *index_until(PyObject *self, PyObject *args)
{
    unsigned long long first;
    if (!PyArg_ParseTuple(args, "K", &first)) {
        return NULL;
    }
    return PyLong_FromUnsignedLong(patterns_until(&((index_object *)self)->all, first));
}

/*
 * Index.frozen([with_occurrences]): shares all blocks, so it takes microseconds, whatever the size
 * of the index; occurrences are copied.
 */
static PyObject *index_frozen(PyObject *self, PyObject *args)
{
    const patterns *all = &((index_object *)self)->all;
    int with_occurrences = 0;
    if (!PyArg_ParseTuple(args, "|p", &with_occurrences)) {
        return NULL;
    }
    module_state *types = PyType_GetModuleState(Py_TYPE(self));
    frozen_object *taken = (frozen_object *)object_made(types->frozen_type);
    if (taken == NULL || frozen_open(&taken->taken, all, with_occurrences) < 0) {
        Py_XDECREF((PyObject *)taken);
        return NULL;
    }
    taken->living = all->living;
    return (PyObject *)taken;
}

static PyObject *index_memory_bytes(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSize_t(patterns_bytes(&((index_object *)self)->all));
}

static Py_ssize_t index_length(PyObject *self)
{
    return ((index_object *)self)->all.living;
}

static PyMethodDef index_methods[] = {
    {"put", index_put, METH_VARARGS, NULL},
    {"learn", index_learn, METH_VARARGS, NULL},
    {"get", index_get, METH_O, NULL},
    {"remove", index_remove, METH_O, NULL},
    {"clear", index_clear, METH_NOARGS, NULL},
    {"after", index_after, METH_VARARGS, NULL},
    {"until", index_until, METH_VARARGS, NULL},
    {"wanted", index_wanted, METH_VARARGS, NULL},
    {"frozen", index_frozen, METH_VARARGS, NULL},
    {"dump", index_dump, METH_NOARGS, NULL},
    {"count", index_count, METH_O, NULL},
    {"totals", index_totals, METH_NOARGS, NULL},
    {"counts", index_counts, METH_VARARGS, NULL},
    {"correct", index_correct, METH_VARARGS, NULL},
    {"memory_bytes", index_memory_bytes, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot index_slots[] = {
    {Py_tp_new, index_new},
    {Py_tp_dealloc, index_dealloc},
    {Py_tp_methods, index_methods},
    {Py_mp_length, index_length},
    {0, NULL},
};

PyType_Spec index_spec = {
    .name = "kato_service.search._engine.Index",
    .basicsize = sizeof(index_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = index_slots,
};
