/* JSON text in memory, in the spelling of orjson; works without the interpreter lock. */
#ifndef KATO_TEXT_H
#define KATO_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* It grows as it is written; after *failed* it is incomplete, for want of memory. */
typedef struct {
    char *bytes;
    size_t size;
    size_t capacity;
    int failed;
} text;

/* UTF-8 that somebody else holds. */
typedef struct {
    const char *bytes;
    size_t size;
} utf8;

enum { MOST_DIGITS = 26, KNOWN_NUMBERS = 1 << 10 };

/* Numbers that were written lately: many of them are ratios of small integers, which repeat. */
typedef struct {
    struct {
        uint64_t bits;
        uint8_t size; /* 0: free */
        char digits[MOST_DIGITS];
    } places[KNOWN_NUMBERS];
} known_numbers;

/* Make room for so many more bytes. 0: no memory, now or before. */
int text_grow(text *to, size_t size);

static inline int text_reserve(text *to, size_t size)
{
    return size <= to->capacity - to->size || text_grow(to, size);
}

static inline void text_bytes(text *to, const char *bytes, size_t size)
{
    if (text_reserve(to, size)) {
        memcpy(to->bytes + to->size, bytes, size);
        to->size += size;
    }
}

#define text_literal(to, literal) text_bytes(to, literal, sizeof(literal) - 1)

/* In quotes, with escapes. */
void text_string(text *to, utf8 value);
void text_integer(text *to, uint64_t value);

/* The shortest decimal that is read back as the same double; null if it is not finite. */
void text_number(text *to, double value, known_numbers *known);
void text_close(text *written);

/* The same into *digits*, in the locale "C"; gives the size. */
uint8_t number_digits(double value, char digits[MOST_DIGITS]);

#endif
