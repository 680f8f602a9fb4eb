/* A segment: up to 16 384 patterns in order of first learns, and the postings of most of them. */
#ifndef KATO_SEGMENT_H
#define KATO_SEGMENT_H

#include <stdint.h>

#include "index/memory.h"

/* Test builds have small segments, so that small tests fill, merge and drop them. */
#ifdef KATO_SMALL_SEGMENTS
enum { LOCAL_BITS = 4, SEGMENT_TOKENS = 200, DELTA_PATTERNS = 3, DELTA_TOKENS = 60 };
enum { REMOVED_KEPT = 2, FEW = 1, MANY_ENTRIES = 3 };
#else
enum {
    LOCAL_BITS = 14,
    SEGMENT_TOKENS = 1 << 19, /* tokens with which a segment counts as full */
    DELTA_PATTERNS = 1024, /* so many patterns without postings get some */
    DELTA_TOKENS = 1 << 16,
    REMOVED_KEPT = 64, /* a segment with fewer removed patterns is never rewritten */
    FEW = 8, /* fewer than one posting for so many patterns: hits are listed instead of scanned */
    MANY_ENTRIES = 255, /* entries from which a symbol is common; fewer fit a byte */
};
#endif

enum {
    SEGMENT_PATTERNS = 1 << LOCAL_BITS,
    MAX_PATTERN_SYMBOLS = 1 << 28, /* so that the offsets in a segment fit 32 bits */
    NAME_BYTES = 20,
    TIMES_AN_ENTRY = 4, /* occurrences that one entry counts at most; more take more entries */
    BUCKET_BITS = 8 /* low bits of symbol numbers that a bucket leaves open */
};

/* A token is a symbol's number; the high bit marks the first symbol of an event. */
#define EVENT_START 0x80000000u
#define TOKEN_SYMBOL(token) ((token) & ~EVENT_START)

/* The frequency that stands for a removed pattern. */
#define REMOVED UINT32_MAX

typedef struct {
    uint64_t first;
    uint64_t revision;
    uint32_t learns;
} pattern_record;

/*
 * What queries read. Pattern p has the tokens offsets[p] … offsets[p + 1], and the frequency and
 * the raw name at place p. Invariants: tokens, offsets and names are only appended to, after what
 * frozen copies refer to; frequencies change in place, in a copy if somebody else holds the block.
 */
typedef struct {
    shared *tokens;      /* uint32_t */
    shared *offsets;     /* uint32_t, one more than patterns */
    shared *frequencies; /* uint32_t */
    shared *names;       /* NAME_BYTES each */
    shared *postings;    /* see `postings`; NULL: none yet */
    uint32_t count;      /* patterns, removed ones included */
} segment_view;

typedef struct {
    segment_view view;
    shared *records; /* pattern_record; never read by queries, changed like frequencies */
    uint32_t id; /* unchanged when segments before it are dropped */
    uint32_t removed;
} segment;

/*
 * By symbol, the patterns of one segment that hold it, ascending, with how often. Immutable.
 * They cover the first *patterns* of the segment, except those that were removed by then.
 *
 * An entry is a pattern's place and, in the bits above LOCAL_BITS, how often the symbol occurs,
 * less one. A pattern's entries of one symbol follow each other.
 *
 * Common symbols have a directory of their own: number and start of the entries. Rare ones, which
 * are most, share buckets of consecutive numbers; each takes two bytes there, one for the rest of
 * its number and one for how many entries it has.
 */
typedef struct {
    uint32_t patterns;
    uint32_t common_count;
    uint32_t bucket_count;
    const uint32_t *common;        /* ascending numbers */
    const uint32_t *common_starts; /* into entries, one more than common symbols */
    const uint32_t *bucket_places; /* of each bucket's first symbol in rests and counts, one more */
    const uint32_t *bucket_starts; /* of each bucket's first entry */
    const uint16_t *entries;
    const uint8_t *rests; /* ascending in each bucket */
    const uint8_t *counts;
} postings;

static inline uint32_t entry_local(uint16_t entry)
{
    return entry & (SEGMENT_PATTERNS - 1);
}

static inline uint32_t entry_times(uint16_t entry)
{
    return ((uint32_t)entry >> LOCAL_BITS) + 1;
}

segment *segment_new(uint32_t id);
void segment_free(segment *segment);

/* Make room for *patterns* more, which have *tokens* together. -1: no memory. */
int segment_reserve(segment *segment, uint32_t patterns, uint32_t tokens);

/* Append a pattern for which room was made; gives its place in the segment. Cannot fail. */
uint32_t segment_append(segment *segment, const uint32_t *tokens, uint32_t count,
                        const uint8_t *name, uint32_t frequency);

int segment_is_full(const segment *segment);

/* Whether enough new patterns wait for postings. */
int segment_wants_postings(const segment *segment);

/* Make the postings of all living patterns. -1: no memory, and nothing has changed. */
int segment_index(segment *segment, uint32_t symbol_count);

/* Give back the spare room of a full segment. */
void segment_seal(segment *segment);

/* Make *copy* a view that shares the blocks, or drop one; under the interpreter lock. */
void segment_view_hold(segment_view *copy, const segment_view *view);
void segment_view_drop(segment_view *view);

size_t segment_bytes(const segment *segment);

/* The postings in a view; they cover 0 patterns if there are none yet. */
postings postings_in(const segment_view *view);

/* The number of the symbol's entries, and where they start; 0: it is in none of the patterns. */
uint32_t postings_find(const postings *found, uint32_t symbol, uint32_t *start);

static inline const uint32_t *view_tokens(const segment_view *view)
{
    return shared_data(view->tokens);
}

static inline const uint32_t *view_offsets(const segment_view *view)
{
    return shared_data(view->offsets);
}

static inline uint32_t *view_frequencies(const segment_view *view)
{
    return shared_data(view->frequencies);
}

static inline uint8_t *view_name(const segment_view *view, uint32_t local)
{
    return (uint8_t *)shared_data(view->names) + (size_t)local * NAME_BYTES;
}

static inline pattern_record *segment_records(const segment *segment)
{
    return shared_data(segment->records);
}

#endif
