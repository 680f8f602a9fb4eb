#include "text/text.h"

#include "index/memory.h"

enum { FIRST_CAPACITY = 1 << 12, LONGEST_ESCAPE = 6 };

int text_grow(text *to, size_t size)
{
    size_t capacity = to->capacity ? to->capacity : FIRST_CAPACITY;
    while (capacity - to->size < size) {
        capacity *= 2;
    }
    char *grown = to->failed ? NULL : kato_resize(to->bytes, capacity, 1);
    if (grown == NULL) {
        to->failed = 1;
        return 0;
    }
    to->bytes = grown;
    to->capacity = capacity;
    return 1;
}

/* Where the next byte goes after the escape of *byte*. */
static char *escaped(char *at, unsigned char byte)
{
    static const char short_ones[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    static const char hexadecimal[] = "0123456789abcdef";
    *at++ = '\\';
    for (const char *one = short_ones; *one; one += 2) {
        if ((unsigned char)one[0] == byte) {
            *at++ = one[1];
            return at;
        }
    }
    memcpy(at, "u00", 3);
    at[3] = hexadecimal[byte >> 4];
    at[4] = hexadecimal[byte & 15];
    return at + 5;
}

void text_string(text *to, utf8 value)
{
    if (!text_reserve(to, LONGEST_ESCAPE * value.size + 2)) {
        return;
    }
    char *at = to->bytes + to->size;
    *at++ = '"';
    for (size_t from = 0; from < value.size; from++) {
        unsigned char byte = (unsigned char)value.bytes[from];
        if (byte < 0x20 || byte == '"' || byte == '\\') {
            at = escaped(at, byte);
        } else {
            *at++ = (char)byte;
        }
    }
    *at++ = '"';
    to->size = (size_t)(at - to->bytes);
}

void text_integer(text *to, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    text_bytes(to, digits + at, sizeof(digits) - at);
}

void text_number(text *to, double value, known_numbers *known)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    size_t place = (bits * 0x9E3779B97F4A7C15u) >> 54;
    if (known->places[place].size == 0 || known->places[place].bits != bits) {
        known->places[place].bits = bits;
        known->places[place].size = number_digits(value, known->places[place].digits);
    }
    text_bytes(to, known->places[place].digits, known->places[place].size);
}

void text_close(text *written)
{
    kato_free(written->bytes);
    *written = (text){0};
}
