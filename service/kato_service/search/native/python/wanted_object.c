/* A method of Index: names of patterns that hold symbols and lie within bounds. */
#include "python/objects.h"

/* Numbers of the symbols; *count* is -1 if one of them has none. NULL with an exception set. */
static uint32_t *numbers_of(const symbol_table *table, PyObject *symbols, int64_t *count)
{
    Py_ssize_t size = PyTuple_Size(symbols);
    uint32_t *numbers = size < 0 ? NULL : kato_allocate((size_t)size + 1, sizeof(*numbers));
    if (numbers == NULL) {
        return size < 0 ? NULL : (uint32_t *)PyErr_NoMemory();
    }
    *count = size;
    for (Py_ssize_t at = 0; at < size; at++) {
        int64_t number = symbols_find(table, PyTuple_GetItem(symbols, at));
        if (number == -2) {
            kato_free(numbers);
            return NULL;
        }
        if (number < 0) {
            *count = -1;
            return numbers;
        }
        numbers[at] = (uint32_t)number;
    }
    return numbers;
}

/*
 * Index.wanted(symbols, newest_first, after, before, changed_after, changed_before, least, most,
 * limit, steps): names, and the first learn of the pattern that was looked at last, 0 at the end.
 */
PyObject *index_wanted(PyObject *self, PyObject *args)
{
    const patterns *all = &((index_object *)self)->all;
    PyObject *symbols;
    unsigned long long after, before, changed_after, changed_before, steps;
    unsigned int least, most, limit;
    int newest_first;
    if (!PyArg_ParseTuple(args, "O!pKKKKIIIK", &PyTuple_Type, &symbols, &newest_first, &after,
                          &before, &changed_after, &changed_before, &least, &most, &limit,
                          &steps)) {
        return NULL;
    }
    int64_t count = 0;
    uint32_t *numbers = numbers_of(all->symbols, symbols, &count);
    if (numbers == NULL) {
        return NULL;
    }
    limit = limit < all->living ? limit : all->living;
    limit = count < 0 ? 0 : limit;
    pattern_place *places = kato_allocate((size_t)limit + 1, sizeof(*places));
    PyObject *names = NULL;
    uint64_t reached = 0;
    if (places == NULL) {
        PyErr_NoMemory();
    } else {
        pattern_wanted wanted = {numbers, (uint32_t)(count < 0 ? 0 : count), newest_first, after,
                                 before, changed_after, changed_before, least, most};
        uint32_t found = patterns_wanted(all, &wanted, limit, steps, places, &reached);
        names = names_at(places, found);
    }
    kato_free(places);
    kato_free(numbers);
    return names == NULL ? NULL : Py_BuildValue("NK", names, (unsigned long long)reached);
}
