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

/* Add a pattern at the end. 1: added; 0: its name is known, nothing changed; -1: as above. */
int patterns_add(patterns *all, PyObject *events, const pattern_facts *facts);

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

/* How many living patterns were first learned at revision *first* or earlier. Counts one segment at
 * most pattern by pattern. */
uint32_t patterns_until(const patterns *all, uint64_t first);

/* The first place in the segment whose pattern was first learned after *first*. */
uint32_t patterns_place_after(const segment *segment, uint64_t first);

/* What a listing wants of patterns; bounds of first learns and changes are outside of it. */
typedef struct {
    const uint32_t *symbols; /* a pattern holds all of them */
    uint32_t count;
    int newest_first;
    uint64_t after, before;
    uint64_t changed_after, changed_before;
    uint32_t least, most; /* frequencies; inside */
} pattern_wanted;

/*
 * Up to *limit* living patterns, in order of first learns or the reverse; gives how many it found.
 * It looks at about *steps* patterns, and sets *reached* to the first learn of the last one; 0 if
 * there are no more.
 */
uint32_t patterns_wanted(const patterns *all, const pattern_wanted *wanted, uint32_t limit,
                         uint64_t steps, pattern_place *out, uint64_t *reached);

/* A free segment id, with a place in the registry; -1: no memory, or no ids left. */
int64_t patterns_free_id(patterns *all);

/* A new, empty segment after all others; NULL: no memory. */
segment *patterns_new_segment(patterns *all);

size_t patterns_bytes(const patterns *all);

#endif
