#include "query/column.h"

#include <float.h>
#include <string.h>

static const uint8_t *name_of(const void *owner, uint32_t slot)
{
    return ((const column *)owner)->names + (size_t)slot * NAME_BYTES;
}

/* Copy names and values, and make the table that finds them. -1: no memory. */
static int name_values(column *opened, const uint8_t *names, const double *values, uint32_t named)
{
    opened->names = kato_allocate(named, NAME_BYTES);
    opened->values = kato_allocate(named, sizeof(*values));
    if (opened->names == NULL || opened->values == NULL) {
        return -1;
    }
    memcpy(opened->names, names, (size_t)named * NAME_BYTES);
    memcpy(opened->values, values, named * sizeof(*values));
    opened->named = named;
    opened->slots.read = name_of;
    opened->slots.owner = opened;
    for (uint32_t slot = 0; slot < named; slot++) {
        if (names_reserve(&opened->slots, name_of(opened, slot)) < 0) {
            return -1;
        }
        names_set(&opened->slots, name_of(opened, slot), slot);
    }
    return 0;
}

int column_open(column *opened, uint32_t count, const uint8_t *names, const double *values,
                uint32_t named)
{
    memset(opened, 0, sizeof(*opened));
    opened->count = count;
    opened->sums = kato_allocate_zeroed(count, sizeof(*opened->sums));
    opened->last = kato_allocate_zeroed(count, sizeof(*opened->last));
    if (opened->sums == NULL || opened->last == NULL
        || (names != NULL && name_values(opened, names, values, named) < 0)) {
        column_close(opened);
        return -1;
    }
    return 0;
}

void column_begin(column *into)
{
    into->added++;
}

/* Sums stop at the greatest double, as in domain/affinity.py. */
void column_add(column *into, uint32_t symbol, double value)
{
    if (symbol >= into->count || into->last[symbol] == into->added) {
        return;
    }
    into->last[symbol] = into->added;
    double sum = into->sums[symbol] + value;
    sum = sum > DBL_MAX ? DBL_MAX : sum;
    into->sums[symbol] = sum < -DBL_MAX ? -DBL_MAX : sum;
}

void column_add_segment(column *into, const segment_view *view)
{
    const uint32_t *frequencies = view_frequencies(view), *offsets = view_offsets(view);
    const uint32_t *tokens = view_tokens(view);
    for (uint32_t local = 0; local < view->count; local++) {
        double value = 1.0;
        if (frequencies[local] == REMOVED) {
            continue;
        }
        if (into->names != NULL) {
            uint32_t slot = names_find(&into->slots, view_name(view, local));
            if (slot == NO_SLOT) {
                continue;
            }
            value = into->values[slot];
        }
        column_begin(into);
        for (uint32_t at = offsets[local]; at < offsets[local + 1]; at++) {
            column_add(into, TOKEN_SYMBOL(tokens[at]), value);
        }
    }
}

void column_settle(column *settled)
{
    kato_free(settled->last);
    kato_free(settled->names);
    kato_free(settled->values);
    names_clear(&settled->slots);
    settled->last = NULL;
    settled->names = NULL;
    settled->values = NULL;
}

void column_close(column *closed)
{
    column_settle(closed);
    kato_free(closed->sums);
    memset(closed, 0, sizeof(*closed));
}

size_t column_bytes(const column *column)
{
    return sizeof(*column) + column->count * sizeof(*column->sums);
}
