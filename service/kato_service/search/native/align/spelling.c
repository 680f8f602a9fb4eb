#include "align/spelling.h"

#include <string.h>

#include "index/memory.h"

#define FREE_POINT UINT32_MAX

enum { FEWEST_PLACES = 256 }; /* so that code points up to U+00FF have a place of their own */

static int grown(void **memory, size_t *room, size_t needed, size_t size)
{
    if (needed <= *room) {
        return 0;
    }
    size_t doubled = *room * 2 > needed ? *room * 2 : needed;
    void *larger = kato_resize(*memory, doubled, size);
    if (larger == NULL) {
        return -1;
    }
    *memory = larger;
    *room = doubled;
    return 0;
}

static int room_for_one(spellings *all)
{
    if (all->starts != NULL && all->count < all->capacity) {
        return 0;
    }
    uint32_t capacity = all->capacity ? all->capacity * 2 : 64;
    size_t *starts = kato_resize(all->starts, (size_t)capacity + 1, sizeof(*starts));
    all->starts = starts != NULL ? starts : all->starts;
    uint64_t *letters = kato_resize(all->letters, capacity, sizeof(*letters));
    all->letters = letters != NULL ? letters : all->letters;
    if (starts == NULL || letters == NULL) {
        return -1;
    }
    all->capacity = capacity;
    all->starts[all->count] = all->used;
    return 0;
}

uint32_t *spellings_room(spellings *all, size_t length)
{
    if (room_for_one(all) < 0
        || grown((void **)&all->text, &all->room, all->used + length + 1, sizeof(*all->text)) < 0) {
        return NULL;
    }
    return all->text + all->used;
}

void spellings_add(spellings *all, size_t length)
{
    uint64_t letters = 0;
    for (size_t at = all->used; at < all->used + length; at++) {
        letters |= (uint64_t)1 << (all->text[at] % 64);
    }
    all->letters[all->count++] = letters;
    all->used += length;
    all->starts[all->count] = all->used;
}

void spellings_close(spellings *all)
{
    kato_free(all->text);
    kato_free(all->starts);
    kato_free(all->letters);
    memset(all, 0, sizeof(*all));
}

static uint32_t place_of(const pattern_spelling *prepared, uint32_t point)
{
    uint32_t place = point < FEWEST_PLACES ? point : (point * 0x9e3779b1u) >> 8;
    place &= prepared->mask;
    while (prepared->points[place] != point && prepared->points[place] != FREE_POINT) {
        place = (place + 1) & prepared->mask;
    }
    return place;
}

/* Empty a table for *length* code points, of which at least half the places stay free. */
static int emptied(pattern_spelling *prepared, uint32_t length)
{
    size_t places = FEWEST_PLACES, words = length > 0 ? ((size_t)length + 63) / 64 : 1;
    while (places < (size_t)length * 2) {
        places *= 2;
    }
    if (grown((void **)&prepared->points, &prepared->places, places, sizeof(uint32_t)) < 0
        || grown((void **)&prepared->bits, &prepared->bit_room, places * words, sizeof(uint64_t))
               < 0
        || grown((void **)&prepared->steps, &prepared->step_room, words, sizeof(uint64_t)) < 0) {
        return -1;
    }
    prepared->mask = (uint32_t)places - 1;
    prepared->words = (uint32_t)words;
    prepared->length = length;
    memset(prepared->points, 0xff, places * sizeof(uint32_t));
    return 0;
}

int spelling_prepare(pattern_spelling *prepared, const uint32_t *text, uint32_t length)
{
    if (emptied(prepared, length) < 0) {
        return -1;
    }
    for (uint32_t at = 0; at < length; at++) {
        uint32_t place = place_of(prepared, text[at]);
        uint64_t *bits = prepared->bits + (size_t)place * prepared->words;
        if (prepared->points[place] == FREE_POINT) {
            prepared->points[place] = text[at];
            memset(bits, 0, prepared->words * sizeof(*bits));
        }
        bits[at / 64] |= (uint64_t)1 << (at % 64);
    }
    return 0;
}

void spelling_close(pattern_spelling *prepared)
{
    kato_free(prepared->points);
    kato_free(prepared->bits);
    kato_free(prepared->steps);
    memset(prepared, 0, sizeof(*prepared));
}

/* Move all steps by one code point: the sum goes through all words, the lowest one first. */
static void advance(uint64_t *steps, const uint64_t *bits, uint32_t words)
{
    uint64_t carry = 0;
    for (uint32_t word = 0; word < words; word++) {
        uint64_t before = steps[word], hits = before & bits[word], sum;
        uint64_t over = __builtin_add_overflow(before, hits, &sum);
        over |= __builtin_add_overflow(sum, carry, &sum);
        steps[word] = sum | (before - hits);
        carry = over;
    }
}

/* Hyyrö's bit-parallel algorithm: a bit that is 0 stands for a step of the subsequence. */
uint32_t spelling_common(pattern_spelling *prepared, const uint32_t *text, uint32_t length)
{
    uint32_t words = prepared->words, common = 0;
    memset(prepared->steps, 0xff, words * sizeof(*prepared->steps));
    for (uint32_t at = 0; at < length; at++) {
        uint32_t place = place_of(prepared, text[at]);
        if (prepared->points[place] != FREE_POINT) {
            advance(prepared->steps, prepared->bits + (size_t)place * words, words);
        }
    }
    for (uint32_t word = 0; word < words; word++) {
        uint32_t left = prepared->length - word * 64;
        uint64_t used = left < 64 ? ((uint64_t)1 << left) - 1 : UINT64_MAX;
        common += (uint32_t)__builtin_popcountll(~prepared->steps[word] & used);
    }
    return common;
}
