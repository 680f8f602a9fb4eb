/* All patterns of a knowledge base, by name and in the order of their first learn. */
#ifndef KATO_PATTERNS_H
#define KATO_PATTERNS_H

#include "index/counts.h"
#include "index/names.h"
#include "index/segment.h"
#include "index/symbols.h"

/*
 * Changed under the interpreter lock only. Invariants: the segments in *order* hold the patterns
 * in ascending order of first learns; `registry[id]` is the segment of that id, or NULL; a slot is
 * a segment's id and a place in it; the name of every living pattern leads to its slot.
 */
typedef struct {
    symbol_table *symbols;
    symbol_counts counts;
    segment **order;
    uint32_t order_count;
    segment **registry;
    uint32_t registry_count;
    name_table names;
    uint32_t living;
    uint32_t longest; /* symbols in the longest pattern since the last clear */
} patterns;

/* What a pattern has in addition to its events. */
typedef struct {
    uint8_t name[NAME_BYTES];
    uint32_t frequency;
    uint32_t counted; /* learns that this change adds to the symbol counts */
    pattern_record record;
} pattern_facts;

/* These return 0, or -1 with an exception set; nothing has changed then. */
int patterns_open(patterns *all);
void patterns_close(patterns *all);
int patterns_clear(patterns *all);

/* Add a pattern at the end, or change the facts of the one of its name. */
int patterns_put(patterns *all, PyObject *events, const pattern_facts *facts);

/* 1: removed; 0: there is no such name; -1: as above. */
int patterns_remove(patterns *all, const uint8_t *name);

/* The segment of a living pattern, and its place there; NULL: there is no such name. */
segment *patterns_find(const patterns *all, const uint8_t *name, uint32_t *local);

/* Up to *limit* living patterns first learned after *first*, in order; gives how many it found. */
typedef struct {
    const segment *segment;
    uint32_t local;
} pattern_place;

uint32_t patterns_after(const patterns *all, uint64_t first, uint32_t limit, pattern_place *out);

/* A free segment id, with a place in the registry; -1: no memory, or no ids left. */
int64_t patterns_free_id(patterns *all);

/* A new, empty segment after all others; NULL: no memory. */
segment *patterns_new_segment(patterns *all);

size_t patterns_bytes(const patterns *all);

#endif
