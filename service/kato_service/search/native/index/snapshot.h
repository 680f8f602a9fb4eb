/* All of an index at one moment; queries read it without any lock while the index goes on. */
#ifndef KATO_SNAPSHOT_H
#define KATO_SNAPSHOT_H

#include "index/patterns.h"

typedef struct {
    segment_view *segments;
    uint32_t segment_count;
    symbol_counts counts;
    symbol_table *symbols; /* grows meanwhile: read it under the interpreter lock only */
    uint32_t symbol_count; /* those there were */
    uint32_t longest;
} snapshot;

/* -1 with an exception set. Both under the interpreter lock. */
int snapshot_open(snapshot *taken, const patterns *all);
void snapshot_close(snapshot *taken);

#endif
