/* nanosleep is POSIX, not C11. */
#define _POSIX_C_SOURCE 200809L
#include "python/symbol_tuples.h"

#include <time.h>

enum { EVENTS_A_BREATH = 1 << 12, SYMBOLS_A_BREATH = 1 << 14 }; /* a fraction of a millisecond */

static void set_symbol(PyObject *tuple, uint32_t place, PyObject *symbol)
{
    Py_INCREF(symbol);
    PyTuple_SetItem(tuple, place, symbol);
}

/*
 * Let others have the interpreter for a moment, once in so many steps. Without the sleep this thread
 * would take it back before one that waits for it has woken up.
 */
static void breathe(uint32_t step, uint32_t steps)
{
    if ((step + 1) % steps == 0) {
        const struct timespec moment = {0, 20000};
        Py_BEGIN_ALLOW_THREADS
        nanosleep(&moment, NULL);
        Py_END_ALLOW_THREADS
    }
}

uint32_t events_in(const uint32_t *tokens, uint32_t count)
{
    uint32_t events = 0;
    for (uint32_t at = 0; at < count; at++) {
        events += (tokens[at] & EVENT_START) != 0;
    }
    return events;
}

PyObject *events_of(const symbol_table *symbols, const uint32_t *tokens, uint32_t count,
                    int may_breathe)
{
    PyObject *events = PyTuple_New(events_in(tokens, count));
    uint32_t from = 0;
    for (uint32_t event = 0; events != NULL && from < count; event++) {
        uint32_t to = from + 1;
        while (to < count && !(tokens[to] & EVENT_START)) {
            to++;
        }
        PyObject *members = PyTuple_New(to - from);
        if (members == NULL) {
            Py_CLEAR(events);
            break;
        }
        for (uint32_t at = from; at < to; at++) {
            set_symbol(members, at - from, symbols->objects[TOKEN_SYMBOL(tokens[at])]);
        }
        PyTuple_SetItem(events, event, members);
        from = to;
        if (may_breathe) {
            breathe(event, EVENTS_A_BREATH);
        }
    }
    return events;
}

PyObject *state_part(PyObject *symbols, const block *blocks, uint32_t block_count,
                            uint32_t size, int inside)
{
    PyObject *part = PyTuple_New(size);
    uint32_t length = (uint32_t)PyTuple_Size(symbols), number = 0, place = 0;
    for (uint32_t at = 0; part != NULL && at < length; at++) {
        while (number < block_count && at >= blocks[number].in_state + blocks[number].size) {
            number++;
        }
        int in_block = number < block_count && at >= blocks[number].in_state;
        if (in_block == inside) {
            set_symbol(part, place++, PyTuple_GetItem(symbols, at));
        }
        breathe(at, SYMBOLS_A_BREATH);
    }
    return part;
}

PyObject *missing_part(const query *query, const state *state, present part)
{
    const symbol_table *symbols = query->frozen->symbols;
    uint32_t size = 0, place = 0;
    for (uint32_t at = 0; at < part.count; at++) {
        size += !query->in_matches[state_local(state, TOKEN_SYMBOL(part.tokens[at]))];
    }
    PyObject *missing = PyTuple_New(size);
    for (uint32_t at = 0; missing != NULL && at < part.count; at++) {
        uint32_t symbol = TOKEN_SYMBOL(part.tokens[at]);
        if (!query->in_matches[state_local(state, symbol)]) {
            set_symbol(missing, place++, symbols->objects[symbol]);
        }
        breathe(at, SYMBOLS_A_BREATH);
    }
    return missing;
}

PyObject *block_numbers(const block *blocks, uint32_t count)
{
    PyObject *numbers = PyTuple_New(2 * (Py_ssize_t)count);
    for (uint32_t at = 0; numbers != NULL && at < count; at++) {
        PyObject *start = PyLong_FromUnsignedLong(blocks[at].in_state);
        PyObject *size = PyLong_FromUnsignedLong(blocks[at].size);
        if (start == NULL || size == NULL) {
            Py_XDECREF(start);
            Py_XDECREF(size);
            Py_CLEAR(numbers);
            break;
        }
        PyTuple_SetItem(numbers, 2 * (Py_ssize_t)at, start);
        PyTuple_SetItem(numbers, 2 * (Py_ssize_t)at + 1, size);
        breathe(at, EVENTS_A_BREATH);
    }
    return numbers;
}
