/* A frozen copy (copy on write) of an index; queries read it without a lock while that changes. */
#ifndef KATO_FROZEN_H
#define KATO_FROZEN_H

#include "index/patterns.h"

typedef struct {
    segment_view *segments;
    uint32_t segment_count;
    symbol_counts counts;
    symbol_table *symbols; /* grows meanwhile: to be read under the interpreter lock only */
    uint32_t symbol_count; /* when it was frozen */
    uint32_t longest;
} frozen;

/*
 * Take a frozen copy of *all*, with the occurrences of symbols if they are wanted; -1 with an
 * exception set. Both under the interpreter lock.
 */
int frozen_open(frozen *taken, const patterns *all, int with_occurrences);
void frozen_close(frozen *taken);

#endif
