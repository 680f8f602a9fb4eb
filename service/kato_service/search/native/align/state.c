#include "align/state.h"

#include <string.h>

static int allocate(state *opened)
{
    size_t length = opened->length, table = opened->table_size;
    opened->symbols = kato_allocate(length + 1, sizeof(*opened->symbols));
    opened->counts = kato_allocate_zeroed(length + 1, sizeof(*opened->counts));
    opened->starts = kato_allocate(length + 2, sizeof(*opened->starts));
    opened->positions = kato_allocate(length, sizeof(*opened->positions));
    if (state_is_short(opened)) {
        opened->short_local = kato_allocate_zeroed(table, sizeof(*opened->short_local));
    } else {
        opened->long_local = kato_allocate_zeroed(table, sizeof(*opened->long_local));
    }
    int has_locals = opened->short_local != NULL || opened->long_local != NULL;
    return opened->symbols != NULL && opened->counts != NULL && opened->starts != NULL
                   && opened->positions != NULL && has_locals
               ? 0
               : -1;
}

/* The local number of the symbol, assigned now if it is new. */
static uint32_t localised(state *opened, uint32_t symbol)
{
    uint32_t local = state_local(opened, symbol);
    if (local == 0) {
        local = ++opened->distinct;
        opened->symbols[local] = symbol;
        if (state_is_short(opened)) {
            opened->short_local[symbol] = (uint8_t)local;
        } else {
            opened->long_local[symbol] = local;
        }
    }
    return local;
}

/* List the positions of every local number; in a short state, set its mask, too. */
static void place_positions(state *opened, const uint32_t *numbers)
{
    uint32_t start = 0;
    for (uint32_t local = 0; local <= opened->distinct; local++) {
        opened->starts[local] = start;
        start += opened->counts[local];
    }
    opened->starts[opened->distinct + 1] = start;
    memset(opened->counts, 0, ((size_t)opened->length + 1) * sizeof(*opened->counts));
    for (uint32_t at = 0; at < opened->length; at++) {
        uint32_t local = numbers[at] == NO_SYMBOL ? 0 : state_local(opened, numbers[at]);
        if (local != 0) {
            opened->positions[opened->starts[local] + opened->counts[local]++] = at;
        }
        if (local != 0 && state_is_short(opened)) {
            opened->masks[local * state_words(opened) + at / 64] |= (uint64_t)1 << (at % 64);
        }
    }
}

void state_fill(state *state, const uint32_t *numbers)
{
    for (uint32_t at = 0; at < state->length; at++) {
        if (numbers[at] != NO_SYMBOL) {
            state->counts[localised(state, numbers[at])]++;
        }
    }
    place_positions(state, numbers);
}

void state_empty(state *state)
{
    for (uint32_t local = 1; local <= state->distinct; local++) {
        if (state_is_short(state)) {
            state->short_local[state->symbols[local]] = 0;
        } else {
            state->long_local[state->symbols[local]] = 0;
        }
        state->counts[local] = 0;
    }
    size_t words = (size_t)(state->distinct + 1) * state_words(state);
    if (state_is_short(state)) {
        memset(state->masks, 0, words * sizeof(*state->masks));
    }
    state->distinct = 0;
}

int state_open_empty(state *opened, uint32_t length, uint32_t table_size)
{
    memset(opened, 0, sizeof(*opened));
    opened->length = length;
    opened->table_size = table_size;
    if (allocate(opened) < 0) {
        state_close(opened);
        return -1;
    }
    return 0;
}

int state_open(state *opened, const symbol_table *table, uint32_t table_size, PyObject *symbols)
{
    uint32_t length = (uint32_t)PyTuple_Size(symbols);
    uint32_t *numbers = kato_allocate(length, sizeof(*numbers));
    if (numbers == NULL || state_open_empty(opened, length, table_size) < 0) {
        kato_free(numbers);
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t at = 0; at < length; at++) {
        int64_t number = symbols_find(table, PyTuple_GetItem(symbols, at));
        if (number == -2) {
            kato_free(numbers);
            state_close(opened);
            return -1;
        }
        numbers[at] = number < 0 || number >= table_size ? NO_SYMBOL : (uint32_t)number;
    }
    state_fill(opened, numbers);
    kato_free(numbers);
    return 0;
}

void state_close(state *state)
{
    kato_free(state->short_local);
    kato_free(state->long_local);
    kato_free(state->symbols);
    kato_free(state->counts);
    kato_free(state->starts);
    kato_free(state->positions);
    memset(state, 0, sizeof(*state));
}
