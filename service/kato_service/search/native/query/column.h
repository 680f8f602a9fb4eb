/* A sum for every symbol: its affinity for one emotive, or how many patterns hold it. */
#ifndef KATO_COLUMN_H
#define KATO_COLUMN_H

#include "index/frozen.h"

/*
 * Values of patterns are added to the sums of their symbols, each once per pattern, in the order in
 * which they are given: so every process gets the same doubles from the same patterns.
 */
typedef struct column {
    double *sums; /* by symbol number */
    uint32_t count;
    uint32_t *last; /* by symbol, the number of the last pattern that was added to its sum */
    uint32_t added; /* patterns so far */
    uint8_t *names; /* raw names of the patterns with a value; NULL: each has the value 1 */
    double *values;
    uint32_t named;
    name_table slots; /* by name, the place of the value */
} column;

/*
 * Open an empty column for the symbols below *count*. *names*: NULL, or *named* raw names, which
 * differ. -1: no memory, and nothing has to be closed.
 */
int column_open(column *opened, uint32_t count, const uint8_t *names, const double *values,
                uint32_t named);

/* Add the values of a segment's living patterns. No lock needed. */
void column_add_segment(column *into, const segment_view *view);

/* Begin another pattern, then add its value to the sum of a symbol, unless that was done. */
void column_begin(column *into);
void column_add(column *into, uint32_t symbol, double value);

/* Drop what only adding needs. */
void column_settle(column *settled);
void column_close(column *column);
size_t column_bytes(const column *column);

/* The sum of a symbol; 0 for those that are newer than the column. */
static inline double column_sum(const column *from, uint32_t symbol)
{
    return symbol < from->count ? from->sums[symbol] : 0.0;
}

#endif
