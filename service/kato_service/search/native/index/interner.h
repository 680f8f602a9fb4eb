/* Symbols as UTF-8, numbered in order of appearance; works without the interpreter lock. */
#ifndef KATO_INTERNER_H
#define KATO_INTERNER_H

#include <stddef.h>
#include <stdint.h>

/*
 * Invariants: symbol n is bytes[starts[n] … starts[n + 1]); a place holds the symbol's number
 * below the upper half of its hash, or FREE_PLACE; more than a quarter of the places are free.
 */
typedef struct {
    uint64_t key[2]; /* of the hash; secret, so that nobody can choose symbols that collide */
    uint8_t *bytes;
    size_t bytes_capacity;
    size_t *starts;
    uint32_t count;
    uint32_t capacity;
    uint64_t *places;
    uint32_t place_count; /* a power of two, or 0 */
} interner;

/* The symbol's number, assigned now if it is new; -1: no memory, or no numbers left. */
int64_t interner_number(interner *symbols, const char *text, size_t size);
void interner_close(interner *symbols);

static inline const char *interner_text(const interner *symbols, uint32_t number, size_t *size)
{
    *size = symbols->starts[number + 1] - symbols->starts[number];
    return (const char *)symbols->bytes + symbols->starts[number];
}

#endif
