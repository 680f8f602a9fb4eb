/* Finds strings among the sorted suffixes of a state. */
#include "align/suffixes.h"

enum { FEW_RANKS = 8 }; /* looked through one by one */

/* Both ends are found by steps that double, then halve. */
ranks suffixes_alike(const suffixes *all, uint32_t rank, uint32_t size)
{
    if (size == 0) {
        return (ranks){0, all->length};
    }
    uint32_t from = rank, to = rank + 1, level = 0, length = all->length;
    const uint16_t *shared = all->shared;
    while (to + (1u << level) <= length && shared[(size_t)level * length + to] >= size) {
        to += 1u << level++;
    }
    while (level-- > 0) {
        if (to + (1u << level) <= length && shared[(size_t)level * length + to] >= size) {
            to += 1u << level;
        }
    }
    level = 0;
    while (from + 1 >= 1u << level
           && shared[(size_t)level * length + from + 1 - (1u << level)] >= size) {
        from -= 1u << level++;
    }
    while (level-- > 0) {
        if (from + 1 >= 1u << level
            && shared[(size_t)level * length + from + 1 - (1u << level)] >= size) {
            from -= 1u << level;
        }
    }
    return (ranks){from, to};
}

/* The first rank among them whose symbol after the first *size* is *local* or greater. */
static uint32_t first_going_on(const suffixes *all, ranks among, uint32_t size, uint32_t local)
{
    while (among.from < among.to) {
        uint32_t middle = among.from + (among.to - among.from) / 2;
        uint32_t place = all->order[middle] + size;
        if (place >= all->length || all->text[place] < local) {
            among.from = middle + 1;
        } else {
            among.to = middle;
        }
    }
    return among.from;
}

ranks suffixes_going_on(const suffixes *all, ranks among, uint32_t size, uint32_t local)
{
    uint32_t from = first_going_on(all, among, size, local);
    return (ranks){from, first_going_on(all, (ranks){from, among.to}, size, local + 1)};
}

static uint32_t ones_before(const suffixes *all, uint32_t level, uint32_t at)
{
    const bit_word *word = &all->matrix[(size_t)level * all->words + at / 64];
    uint64_t below = ((uint64_t)1 << (at % 64)) - 1;
    return word->ones_before + (uint32_t)__builtin_popcountll(word->bits & below);
}

/* Where the places of *among* are a level deeper: those whose bit is *one*. */
static ranks deeper(const suffixes *all, uint32_t level, ranks among, int one)
{
    uint32_t from = ones_before(all, level, among.from), to = ones_before(all, level, among.to);
    if (one) {
        return (ranks){all->zeros[level] + from, all->zeros[level] + to};
    }
    return (ranks){among.from - from, among.to - to};
}

/* The least place among those that share the bits of *above* before this level. */
static uint32_t least(const suffixes *all, uint32_t level, ranks among, uint32_t above)
{
    for (; level < all->levels; level++) {
        ranks zeros = deeper(all, level, among, 0);
        int one = zeros.from == zeros.to;
        among = one ? deeper(all, level, among, 1) : zeros;
        above |= (uint32_t)one << (all->levels - 1 - level);
    }
    return above;
}

/*
 * Goes down the matrix along the bits of *low*. Where that ends before the last bit, the answer is
 * the least place that leaves this path at its last zero with a one instead.
 */
static uint32_t first_in_matrix(const suffixes *all, ranks among, uint32_t low)
{
    ranks higher = {0, 0};
    uint32_t higher_level = 0, higher_bits = 0;
    for (uint32_t level = 0; level < all->levels && among.from < among.to; level++) {
        uint32_t bit = all->levels - 1 - level;
        int one = low >> bit & 1;
        ranks ones = deeper(all, level, among, 1);
        if (!one && ones.from < ones.to) {
            higher = ones;
            higher_level = level + 1;
            higher_bits = (low >> bit | 1) << bit;
        }
        among = one ? ones : deeper(all, level, among, 0);
    }
    if (among.from < among.to) {
        return low;
    }
    return higher.from < higher.to ? least(all, higher_level, higher, higher_bits) : all->length;
}

uint32_t suffixes_first(const suffixes *all, ranks among, uint32_t low)
{
    if (among.to - among.from > FEW_RANKS) {
        return first_in_matrix(all, among, low);
    }
    uint32_t first = all->length;
    for (uint32_t rank = among.from; rank < among.to; rank++) {
        uint32_t place = all->order[rank];
        first = place >= low && place < first ? place : first;
    }
    return first;
}
