/* The matching engine as a Python module (see _engine.pyi). */
#include "objects.h"

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
