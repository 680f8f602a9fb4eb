/* How alike symbols are spelled (later-clients.md L6), counted in code points. */
#ifndef KATO_SPELLING_H
#define KATO_SPELLING_H

#include <stddef.h>
#include <stdint.h>

/* Symbols as code points, one after the other. Zeroed: none. */
typedef struct {
    uint32_t *text;
    size_t used, room;
    size_t *starts;    /* one more than symbols */
    uint64_t *letters; /* by symbol, a bit for each of its code points, folded to 64 */
    uint32_t count, capacity;
} spellings;

/* Make room for one more symbol of *length*; gives where its text goes. NULL: no memory. */
uint32_t *spellings_room(spellings *all, size_t length);
/* Add the symbol that was written there. */
void spellings_add(spellings *all, size_t length);
void spellings_close(spellings *all);

static inline uint32_t spelling_length(const spellings *all, uint32_t number)
{
    return (uint32_t)(all->starts[number + 1] - all->starts[number]);
}

/* 1 − (total − 2·common) / total, with the order of operations of domain/spelling.py. */
static inline double spelling_ratio(uint32_t common, uint64_t total)
{
    return total != 0 ? 1.0 - ((double)total - 2.0 * common) / (double)total : 1.0;
}

/* One symbol, prepared to be compared with others: where each of its code points occurs. */
typedef struct {
    uint32_t length, words;
    uint32_t mask;    /* of places in the table: their number, less one */
    uint32_t *points; /* by place: a code point, or FREE_POINT */
    uint64_t *bits;   /* by place: where it occurs, in *words* words */
    uint64_t *steps;  /* scratch: *words* words */
    size_t places, bit_room, step_room;
} pattern_spelling;

/* Prepare for *text*, after anything else. -1: no memory. */
int spelling_prepare(pattern_spelling *prepared, const uint32_t *text, uint32_t length);
void spelling_close(pattern_spelling *prepared);

/* The length of the longest common subsequence. */
uint32_t spelling_common(pattern_spelling *prepared, const uint32_t *text, uint32_t length);

#endif
