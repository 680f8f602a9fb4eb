/* An index in pieces, which can be written to a file and put together again. */
#ifndef KATO_DUMP_H
#define KATO_DUMP_H

#include "index/frozen.h"

/* A frozen copy of everything in an index, also what queries do not need. */
typedef struct {
    frozen taken;
    shared **records; /* by segment */
    int64_t *occurrences; /* by symbol number */
    uint32_t occurrence_count;
} dump;

/* -1 with an exception set. Both under the interpreter lock. */
int dump_open(dump *opened, const patterns *all);
void dump_close(dump *opened);

/* The size of a segment as bytes, and the bytes. No lock needed. */
size_t dump_segment_bytes(const dump *from, uint32_t place);
void dump_segment(const dump *from, uint32_t place, uint8_t *out);

typedef enum { RESTORED, RESTORE_MEMORY, RESTORE_DAMAGED } restore_result;

/*
 * Append a dumped segment to an index that nobody else uses and that has all symbols already.
 * Whatever the bytes are, the index can be used afterwards, or dropped. No lock needed.
 */
restore_result restore_segment(patterns *into, const uint8_t *bytes, size_t size);

#endif
