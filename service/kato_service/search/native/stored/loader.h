/* Gathers patterns in any order, without the interpreter lock, for a new index. */
#ifndef KATO_LOADER_H
#define KATO_LOADER_H

#include "index/interner.h"
#include "index/patterns.h"

typedef struct {
    uint32_t *tokens; /* in one of the chunks */
    uint32_t count;
    uint32_t frequency;
    pattern_record record;
    uint8_t name[NAME_BYTES];
} loaded_pattern;

/* After a failure it may only be closed. */
typedef struct {
    interner symbols;
    symbol_counts counts;
    uint64_t *last; /* by symbol, the number of the last counted pattern that holds it */
    uint32_t last_count;
    uint64_t counted; /* patterns, deleted ones included */
    loaded_pattern *patterns;
    size_t pattern_count;
    size_t pattern_capacity;
    uint32_t **chunks; /* of tokens */
    size_t chunk_count;
    size_t chunk_used; /* tokens in the last chunk */
    size_t chunk_size; /* of the last chunk */
    uint32_t *staged; /* tokens of the pattern that is being read */
    uint32_t staged_count;
    uint32_t staged_capacity;
} loader;

typedef enum { LOADER_DONE, LOADER_MEMORY, LOADER_DAMAGED } loader_result;

/* Start a new pattern, then stage its symbols one by one. */
void loader_begin(loader *gathered);
loader_result loader_stage(loader *gathered, const char *symbol, size_t size, int starts_event);

/* Count the staged pattern as learned that often; the second function also adds it. */
loader_result loader_count(loader *gathered, int64_t learns);
loader_result loader_add(loader *gathered, const uint8_t *name, uint32_t frequency,
                         const pattern_record *record);

/*
 * Move everything into an index without patterns, whose symbols have the interner's numbers.
 * Damaged: a name was added twice.
 */
loader_result loader_move(loader *gathered, patterns *into);
void loader_close(loader *gathered);

#endif
