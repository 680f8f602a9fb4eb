/* A Pace (search/pace.py) as the engine asks it: whether to go on, and when. */
#ifndef KATO_PACE_H
#define KATO_PACE_H

#include <Python.h>

#include "align/align.h"

/* Zeroed: nobody's. */
typedef struct {
    PyObject *object;
    Py_buffer signal;
} held_pace;

/* -1 with an exception set: it is not one. None is nobody's. */
int pace_open(held_pace *held, PyObject *pace);
void pace_close(held_pace *held);
pacemaker pacemaker_of(const held_pace *held);

#endif
