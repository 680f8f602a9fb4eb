/* The matching engine as a Python module: Index, Snapshot, Answer (see _engine.pyi). */
#include <math.h>
#include <string.h>

#include "rows.h"

typedef struct {
    PyObject_HEAD
    patterns all;
} index_object;

typedef struct {
    PyObject_HEAD
    snapshot taken;
    uint32_t living;
} snapshot_object;

typedef struct {
    PyObject_HEAD
    query query;
    PyObject *snapshot; /* keeps what the query reads */
    PyObject *symbols;  /* the state, a tuple */
} answer_object;

typedef struct {
    PyObject *snapshot_type;
    PyObject *answer_type;
} module_state;

static PyObject *made_by(PyObject *type)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    return allocate((PyTypeObject *)type, 0);
}

/* Types made at run time are held by their objects. */
static void let_go(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* ---- Index */

static PyObject *index_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_Size(args) != 0 || (kwargs != NULL && PyDict_Size(kwargs) != 0)) {
        PyErr_SetString(PyExc_TypeError, "Index() takes no arguments");
        return NULL;
    }
    index_object *self = (index_object *)made_by((PyObject *)type);
    if (self != NULL && patterns_open(&self->all) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void index_dealloc(PyObject *self)
{
    patterns_close(&((index_object *)self)->all);
    let_go(self);
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
    if (!name_parse(name, facts.name)) {
        PyErr_SetString(PyExc_ValueError, "a pattern's name is 40 hexadecimal digits");
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
    const pattern_record record = found->records[local];
    uint32_t frequency = view_frequencies(&view)[local];
    uint32_t start = view_offsets(&view)[local], end = view_offsets(&view)[local + 1];
    PyObject *events = events_of(symbols, view_tokens(&view) + start, end - start);
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
    uint8_t(*raw)[NAME_BYTES] = kato_allocate(limit, sizeof(*raw));
    pattern_place *places = kato_allocate(limit, sizeof(*places));
    PyObject *names = NULL;
    if (raw == NULL || places == NULL) {
        PyErr_NoMemory();
    } else {
        uint32_t found = patterns_after(all, first, limit, places);
        for (uint32_t at = 0; at < found; at++) {
            memcpy(raw[at], view_name(&places[at].segment->view, places[at].local), NAME_BYTES);
        }
        names = PyTuple_New(found);
        for (uint32_t at = 0; names != NULL && at < found; at++) {
            PyObject *text = name_text(raw[at]);
            if (text == NULL) {
                Py_CLEAR(names);
            } else {
                PyTuple_SetItem(names, at, text);
            }
        }
    }
    kato_free(raw);
    kato_free(places);
    return names;
}

static PyObject *index_contains(PyObject *self, PyObject *name_given)
{
    uint8_t name[NAME_BYTES];
    uint32_t local;
    const patterns *all = &((index_object *)self)->all;
    int found = name_parse(name_given, name) && patterns_find(all, name, &local) != NULL;
    return PyBool_FromLong(found);
}

static PyObject *index_snapshot(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const patterns *all = &((index_object *)self)->all;
    module_state *types = PyType_GetModuleState(Py_TYPE(self));
    snapshot_object *taken = (snapshot_object *)made_by(types->snapshot_type);
    if (taken == NULL || snapshot_open(&taken->taken, all) < 0) {
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
    {"get", index_get, METH_O, NULL},
    {"contains", index_contains, METH_O, NULL},
    {"remove", index_remove, METH_O, NULL},
    {"clear", index_clear, METH_NOARGS, NULL},
    {"after", index_after, METH_VARARGS, NULL},
    {"snapshot", index_snapshot, METH_NOARGS, NULL},
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

static PyType_Spec index_spec = {
    .name = "kato_service.search._engine.Index",
    .basicsize = sizeof(index_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = index_slots,
};

/* ---- Snapshot */

static void snapshot_dealloc(PyObject *self)
{
    snapshot_close(&((snapshot_object *)self)->taken);
    let_go(self);
}

static PyObject *snapshot_best(PyObject *self, PyObject *args)
{
    PyObject *symbols;
    double threshold;
    unsigned long long limit;
    if (!PyArg_ParseTuple(args, "OdK", &symbols, &threshold, &limit)) {
        return NULL;
    }
    if (!PyTuple_Check(symbols) || PyTuple_Size(symbols) == 0
        || PyTuple_Size(symbols) >= MAX_PATTERN_SYMBOLS) {
        PyErr_SetString(PyExc_TypeError, "a state is a tuple of 1 to 2**28 - 1 symbols");
        return NULL;
    }
    snapshot_object *from = (snapshot_object *)self;
    module_state *types = PyType_GetModuleState(Py_TYPE(self));
    answer_object *answer = (answer_object *)made_by(types->answer_type);
    if (answer == NULL) {
        return NULL;
    }
    limit = limit < from->living ? limit : from->living;
    if (query_open(&answer->query, &from->taken, symbols, threshold, limit ? (uint32_t)limit : 1)
        < 0) {
        Py_DECREF(answer);
        return NULL;
    }
    answer->snapshot = Py_NewRef(self);
    answer->symbols = Py_NewRef(symbols);
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = query_run(&answer->query);
    Py_END_ALLOW_THREADS
    if (failed) {
        Py_DECREF(answer);
        return PyErr_NoMemory();
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

static PyType_Spec snapshot_spec = {
    .name = "kato_service.search._engine.Snapshot",
    .basicsize = sizeof(snapshot_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = snapshot_slots,
};

/* ---- Answer */

static void answer_dealloc(PyObject *self)
{
    answer_object *answer = (answer_object *)self;
    query_close(&answer->query);
    Py_XDECREF(answer->snapshot);
    Py_XDECREF(answer->symbols);
    let_go(self);
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
    return prediction_row(&answer->query, &answer->query.candidates[place], answer->symbols);
}

static PyType_Slot answer_slots[] = {
    {Py_tp_dealloc, answer_dealloc},
    {Py_sq_length, answer_length},
    {Py_sq_item, answer_row},
    {0, NULL},
};

static PyType_Spec answer_spec = {
    .name = "kato_service.search._engine.Answer",
    .basicsize = sizeof(answer_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = answer_slots,
};

/* ---- Module */

static PyObject *fail_allocations_after(PyObject *Py_UNUSED(module), PyObject *count)
{
    long value = PyLong_AsLong(count);
    if (value == -1 && PyErr_Occurred()) {
        return NULL;
    }
    kato_fail_allocations_after(value);
    Py_RETURN_NONE;
}

static PyObject *rounded(PyObject *Py_UNUSED(module), PyObject *value)
{
    double given = PyFloat_AsDouble(value);
    if (given == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    return PyFloat_FromDouble(round12(given));
}

static PyMethodDef module_methods[] = {
    {"round12", rounded, METH_O, NULL},
    {"fail_allocations_after", fail_allocations_after, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static int module_exec(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    state->snapshot_type = PyType_FromModuleAndSpec(module, &snapshot_spec, NULL);
    state->answer_type = PyType_FromModuleAndSpec(module, &answer_spec, NULL);
    PyObject *index_type = PyType_FromModuleAndSpec(module, &index_spec, NULL);
    if (state->snapshot_type == NULL || state->answer_type == NULL || index_type == NULL) {
        Py_XDECREF(index_type);
        return -1;
    }
    int failed = PyModule_AddType(module, (PyTypeObject *)index_type)
                 || PyModule_AddType(module, (PyTypeObject *)state->snapshot_type)
                 || PyModule_AddType(module, (PyTypeObject *)state->answer_type);
    Py_DECREF(index_type);
    return failed ? -1 : 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    module_state *state = PyModule_GetState(module);
    Py_VISIT(state->snapshot_type);
    Py_VISIT(state->answer_type);
    return 0;
}

static int module_clear(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    Py_CLEAR(state->snapshot_type);
    Py_CLEAR(state->answer_type);
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_engine",
    .m_size = sizeof(module_state),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC PyInit__engine(void)
{
    return PyModuleDef_Init(&module_definition);
}
