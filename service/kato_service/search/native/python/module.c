/* The matching engine as a Python module, in the limited API (see _engine.pyi). */
#include "index/strings.h"
#include "python/objects.h"
#include "text/text.h"

PyObject *object_made(PyObject *type)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    return allocate((PyTypeObject *)type, 0);
}

void object_freed(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

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

/* shared_strings(): how many there are, the bytes of their tables, and what sharing saves. */
static PyObject *shared_strings(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("KKK", (unsigned long long)strings_count(),
                         (unsigned long long)strings_table_bytes(),
                         (unsigned long long)strings_saved());
}

static PyObject *number_text(PyObject *Py_UNUSED(module), PyObject *value)
{
    double given = PyFloat_AsDouble(value);
    if (given == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    char digits[MOST_DIGITS];
    return PyUnicode_FromStringAndSize(digits, number_digits(given, digits));
}

static PyMethodDef module_methods[] = {
    {"round12", rounded, METH_O, NULL},
    {"shared_strings", shared_strings, METH_NOARGS, NULL},
    {"number_text", number_text, METH_O, NULL},
    {"fail_allocations_after", fail_allocations_after, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

/* Add a type to the module; NULL with an exception set. */
static PyObject *type_added(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type != NULL && PyModule_AddType(module, (PyTypeObject *)type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

static int module_exec(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    state->index_type = type_added(module, &index_spec);
    state->frozen_type = type_added(module, &frozen_spec);
    state->answer_type = type_added(module, &answer_spec);
    state->dump_type = type_added(module, &dump_spec);
    state->column_type = type_added(module, &column_spec);
    PyObject *loader_type = type_added(module, &loader_spec);
    PyObject *restorer_type = type_added(module, &restorer_spec);
    Py_XDECREF(loader_type);
    Py_XDECREF(restorer_type);
    int failed = state->index_type == NULL || state->frozen_type == NULL
                 || state->answer_type == NULL || state->dump_type == NULL
                 || state->column_type == NULL || loader_type == NULL || restorer_type == NULL;
    return failed ? -1 : 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    module_state *state = PyModule_GetState(module);
    Py_VISIT(state->index_type);
    Py_VISIT(state->frozen_type);
    Py_VISIT(state->answer_type);
    Py_VISIT(state->dump_type);
    Py_VISIT(state->column_type);
    return 0;
}

static int module_clear(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    Py_CLEAR(state->index_type);
    Py_CLEAR(state->frozen_type);
    Py_CLEAR(state->answer_type);
    Py_CLEAR(state->dump_type);
    Py_CLEAR(state->column_type);
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
