/* An index in pieces that can be written to a file and put together again. */
#ifndef KATO_DUMP_H
#define KATO_DUMP_H

#include "index/snapshot.h"

/* All of an index at one moment; it goes on meanwhile. */
typedef struct {
    snapshot taken;
    shared **records; /* by segment */
    int64_t *occurrences; /* by symbol number */
    uint32_t occurrence_count;
} dump;

/* -1 with an exception set. Both under the interpreter lock. */
int dump_open(dump *opened, const patterns *all);
void dump_close(dump *opened);

/* A segment as bytes: how many, and written to *out*. Need no lock. */
size_t dump_segment_bytes(const dump *from, uint32_t place);
void dump_segment(const dump *from, uint32_t place, uint8_t *out);

typedef enum { RESTORED, RESTORE_MEMORY, RESTORE_DAMAGED } restore_result;

/*
 * Put a dumped segment behind those of an index that nobody else knows, whose symbols are there.
 * Whatever the bytes are, the index can be used afterwards, or dropped. Needs no lock.
 */
restore_result restore_segment(patterns *into, const uint8_t *bytes, size_t size);

#endif
