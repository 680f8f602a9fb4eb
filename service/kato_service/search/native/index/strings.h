/* The strings of symbols, which equal symbols of all indexes in the process share. */
#ifndef KATO_STRINGS_H
#define KATO_STRINGS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/*
 * Under the interpreter lock only. Every string that is held here is one object, whoever holds it,
 * and goes with its last holder. What others hold changes nothing that a holder can read.
 */

/* The object to keep for the str *symbol*; NULL with an exception set. */
PyObject *strings_hold(PyObject *symbol);

/* Give back what `strings_hold` gave. */
void strings_release(PyObject *held);

/* What the holders of all strings would need in addition if each had its own. */
size_t strings_saved(void);

/* How many strings are held, and the bytes of the tables that list them. */
size_t strings_count(void);
size_t strings_table_bytes(void);

/* The size of a str in CPython: a header, and 1, 2 or 4 bytes per character and for the end. */
size_t string_bytes(PyObject *symbol);

#endif
