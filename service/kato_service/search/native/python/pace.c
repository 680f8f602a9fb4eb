#include "python/pace.h"

int pace_open(held_pace *held, PyObject *pace)
{
    if (pace == Py_None) {
        return 0;
    }
    PyObject *signal = PyObject_GetAttrString(pace, "signal");
    if (signal == NULL) {
        return -1;
    }
    int failed = PyObject_GetBuffer(signal, &held->signal, PyBUF_SIMPLE);
    Py_DECREF(signal);
    if (failed < 0) {
        return -1;
    }
    held->object = Py_NewRef(pace);
    if (held->signal.len < 1) {
        PyErr_SetString(PyExc_ValueError, "the signal of a pace is a byte");
        return -1;
    }
    return 0;
}

void pace_close(held_pace *held)
{
    if (held->object != NULL) {
        PyBuffer_Release(&held->signal);
        Py_CLEAR(held->object);
    }
}

/* With or without the interpreter lock, in any thread; an error that is set stays as it is. */
static double obeyed(void *whom)
{
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *waited = PyObject_CallMethod(whom, "obey", NULL);
    double seconds = waited == NULL ? -1.0 : PyFloat_AsDouble(waited);
    Py_XDECREF(waited);
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    PyGILState_Release(lock);
    return seconds;
}

pacemaker pacemaker_of(const held_pace *held)
{
    return (pacemaker){held->signal.buf, obeyed, held->object};
}
