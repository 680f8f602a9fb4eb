#include "index/interner.h"

#include <string.h>

#include "index/memory.h"

#define FREE_PLACE UINT64_MAX
#define MAX_INTERNED 0x7ffffffeu

static inline uint64_t rotated(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotated(v[1], 13) ^ v[0];
    v[0] = rotated(v[0], 32);
    v[2] += v[3];
    v[3] = rotated(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotated(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotated(v[1], 17) ^ v[2];
    v[2] = rotated(v[2], 32);
}

/* SipHash-1-3, which CPython uses for strings, folded to 32 bits. */
static uint32_t hash_of(const uint64_t key[2], const uint8_t *text, size_t size)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                     key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
    uint64_t word, last = (uint64_t)size << 56, rest = 0;
    size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        memcpy(&word, text + at, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    memcpy(&rest, text + at, size - at);
    last |= rest;
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    word = v[0] ^ v[1] ^ v[2] ^ v[3];
    return (uint32_t)(word ^ word >> 32);
}

static int is_there(const interner *symbols, uint64_t place, const char *text, size_t size)
{
    size_t known;
    const char *found = interner_text(symbols, (uint32_t)place, &known);
    return known == size && memcmp(found, text, size) == 0;
}

/* The place of the symbol, or the free place where the probe for it ends. */
static uint32_t place_of(const interner *symbols, uint32_t hash, const char *text, size_t size)
{
    uint32_t mask = symbols->place_count - 1, place = hash & mask;
    while (symbols->places[place] != FREE_PLACE
           && (symbols->places[place] >> 32 != hash
               || !is_there(symbols, symbols->places[place], text, size))) {
        place = (place + 1) & mask;
    }
    return place;
}

static int grow_places(interner *symbols)
{
    /* Doubling 2^31 gives 0: there is no larger table. */
    uint32_t required = symbols->place_count ? symbols->place_count * 2 : 64;
    uint64_t *places = required != 0 ? kato_allocate(required, sizeof(*places)) : NULL;
    if (places == NULL) {
        return -1;
    }
    memset(places, 0xff, required * sizeof(*places));
    for (uint32_t old = 0; old < symbols->place_count; old++) {
        uint64_t entry = symbols->places[old];
        if (entry == FREE_PLACE) {
            continue;
        }
        uint32_t place = (uint32_t)(entry >> 32) & (required - 1);
        while (places[place] != FREE_PLACE) {
            place = (place + 1) & (required - 1);
        }
        places[place] = entry;
    }
    kato_free(symbols->places);
    symbols->places = places;
    symbols->place_count = required;
    return 0;
}

static int grow_starts(interner *symbols)
{
    uint32_t capacity = symbols->capacity + symbols->capacity / 2 + 64;
    size_t *starts = kato_resize(symbols->starts, (size_t)capacity + 1, sizeof(*starts));
    if (starts == NULL) {
        return -1;
    }
    starts[symbols->count] = symbols->count ? starts[symbols->count] : 0;
    symbols->starts = starts;
    symbols->capacity = capacity;
    return 0;
}

/* Make room for one more symbol of *size* bytes. -1: no memory, or no numbers left. */
static int reserve(interner *symbols, size_t size)
{
    if ((symbols->count == symbols->capacity && grow_starts(symbols) < 0)
        || ((uint64_t)symbols->count * 4 >= (uint64_t)symbols->place_count * 3
            && grow_places(symbols) < 0)
        || symbols->count > MAX_INTERNED) {
        return -1;
    }
    size_t used = symbols->starts[symbols->count];
    if (used + size >= symbols->bytes_capacity) {
        size_t capacity = symbols->bytes_capacity + symbols->bytes_capacity / 2 + size + 256;
        uint8_t *bytes = kato_resize(symbols->bytes, capacity, 1);
        if (bytes == NULL) {
            return -1;
        }
        symbols->bytes = bytes;
        symbols->bytes_capacity = capacity;
    }
    return 0;
}

int64_t interner_number(interner *symbols, const char *text, size_t size)
{
    uint32_t hash = hash_of(symbols->key, (const uint8_t *)text, size);
    if (symbols->place_count != 0) {
        uint64_t known = symbols->places[place_of(symbols, hash, text, size)];
        if (known != FREE_PLACE) {
            return (uint32_t)known;
        }
    }
    if (reserve(symbols, size) < 0) {
        return -1;
    }
    /* Probed again: making room may have moved every place. */
    uint32_t place = place_of(symbols, hash, text, size);
    size_t start = symbols->starts[symbols->count];
    memcpy(symbols->bytes + start, text, size);
    symbols->starts[symbols->count + 1] = start + size;
    symbols->places[place] = (uint64_t)hash << 32 | symbols->count;
    return symbols->count++;
}

void interner_close(interner *symbols)
{
    kato_free(symbols->bytes);
    kato_free(symbols->starts);
    kato_free(symbols->places);
    memset(symbols, 0, sizeof(*symbols));
}
