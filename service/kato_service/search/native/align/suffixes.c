/* Makes the suffixes of a state: sorted, with what neighbours share and the matrix over them. */
#include "align/suffixes.h"

#include <string.h>

#include "index/memory.h"

static int allocate(suffixes *all, uint32_t length)
{
    all->length = length;
    while ((uint32_t)1 << all->levels <= length) {
        all->levels++;
    }
    all->words = length / 64 + 1;
    all->text = kato_allocate(length, sizeof(*all->text));
    all->order = kato_allocate(length, sizeof(*all->order));
    all->ranks = kato_allocate(length, sizeof(*all->ranks));
    all->shared = kato_allocate((size_t)all->levels * length, sizeof(*all->shared));
    all->matrix = kato_allocate_zeroed((size_t)all->levels * all->words, sizeof(*all->matrix));
    all->zeros = kato_allocate(all->levels, sizeof(*all->zeros));
    return all->text && all->order && all->ranks && all->shared && all->matrix && all->zeros ? 0
                                                                                              : -1;
}

static void fill_text(suffixes *all, const state *state)
{
    memset(all->text, 0, all->length * sizeof(*all->text));
    for (uint32_t local = 1; local <= state->distinct; local++) {
        for (uint32_t at = state->starts[local]; at < state->starts[local + 1]; at++) {
            all->text[state->positions[at]] = (uint16_t)local;
        }
    }
}

/* Places sorted by their rank, equal ones in the order of *by_second*. */
static void sort_by_rank(suffixes *all, const uint16_t *by_second, uint32_t *counts, uint32_t top)
{
    memset(counts, 0, (top + 1) * sizeof(*counts));
    for (uint32_t at = 0; at < all->length; at++) {
        counts[all->ranks[at]]++;
    }
    for (uint32_t rank = 1; rank <= top; rank++) {
        counts[rank] += counts[rank - 1];
    }
    for (uint32_t at = all->length; at-- > 0;) {
        all->order[--counts[all->ranks[by_second[at]]]] = by_second[at];
    }
}

/* Ranks by the first 2·*half* symbols; gives the highest. *renewed* is working memory. */
static uint32_t renew_ranks(suffixes *all, uint16_t *renewed, uint32_t half)
{
    uint32_t length = all->length, rank = 0;
    for (uint32_t at = 0; at < length; at++) {
        uint32_t here = all->order[at], before = all->order[at > 0 ? at - 1 : 0];
        int64_t second = here + half < length ? all->ranks[here + half] : -1;
        int64_t second_before = before + half < length ? all->ranks[before + half] : -1;
        rank += all->ranks[here] != all->ranks[before] || second != second_before;
        renewed[here] = (uint16_t)rank;
    }
    memcpy(all->ranks, renewed, length * sizeof(*renewed));
    return rank;
}

/* By prefix doubling: sorted by one symbol, by two, by four, … until all ranks differ. */
static void sort_suffixes(suffixes *all, uint16_t *spare, uint32_t *counts, uint32_t top)
{
    uint32_t length = all->length;
    for (uint32_t at = 0; at < length; at++) {
        spare[at] = (uint16_t)at;
    }
    memcpy(all->ranks, all->text, length * sizeof(*all->ranks));
    sort_by_rank(all, spare, counts, top);
    top = renew_ranks(all, spare, length);
    for (uint32_t half = 1; top + 1 < length; half *= 2) {
        uint32_t filled = 0;
        for (uint32_t place = length - half; place < length; place++) {
            spare[filled++] = (uint16_t)place;
        }
        for (uint32_t at = 0; at < length; at++) {
            if (all->order[at] >= half) {
                spare[filled++] = (uint16_t)(all->order[at] - half);
            }
        }
        sort_by_rank(all, spare, counts, top);
        top = renew_ranks(all, spare, half);
    }
}

/* What each suffix shares with the one before it: one place later it is one symbol less at most. */
static void fill_shared(suffixes *all)
{
    uint32_t length = all->length, size = 0;
    all->shared[0] = 0;
    for (uint32_t place = 0; place < length; place++) {
        if (all->ranks[place] == 0) {
            size = 0;
            continue;
        }
        uint32_t before = all->order[all->ranks[place] - 1];
        while (place + size < length && before + size < length
               && all->text[place + size] == all->text[before + size]) {
            size++;
        }
        all->shared[all->ranks[place]] = (uint16_t)size;
        size -= size > 0;
    }
    for (uint32_t level = 1; level < all->levels; level++) {
        const uint16_t *half = all->shared + (size_t)(level - 1) * length;
        uint16_t *whole = all->shared + (size_t)level * length;
        uint32_t step = (uint32_t)1 << (level - 1);
        for (uint32_t rank = 0; rank + 2 * step <= length; rank++) {
            whole[rank] = half[rank] < half[rank + step] ? half[rank] : half[rank + step];
        }
    }
}

/* *places* and *spare* are working memory. */
static void fill_matrix(suffixes *all, uint16_t *places, uint16_t *spare)
{
    memcpy(places, all->order, all->length * sizeof(*places));
    for (uint32_t level = 0; level < all->levels; level++) {
        bit_word *row = all->matrix + (size_t)level * all->words;
        uint32_t bit = all->levels - 1 - level, zeros = 0, ones = 0;
        for (uint32_t at = 0; at < all->length; at++) {
            if (at % 64 == 0) {
                row[at / 64].ones_before = ones;
            }
            if (places[at] >> bit & 1) {
                row[at / 64].bits |= (uint64_t)1 << (at % 64);
                spare[ones++] = places[at];
            } else {
                places[zeros++] = places[at];
            }
        }
        if (all->length % 64 == 0) {
            row[all->length / 64].ones_before = ones;
        }
        memcpy(places + zeros, spare, ones * sizeof(*spare));
        all->zeros[level] = zeros;
    }
}

suffixes *suffixes_new(const state *state)
{
    suffixes *all = kato_allocate_zeroed(1, sizeof(*all));
    uint32_t length = state->length;
    uint32_t top = length > state->distinct ? length : state->distinct;
    uint16_t *spare = kato_allocate(length, sizeof(*spare));
    uint32_t *counts = kato_allocate((size_t)top + 1, sizeof(*counts));
    if (all == NULL || spare == NULL || counts == NULL || allocate(all, length) < 0) {
        suffixes_free(all);
        all = NULL;
    } else {
        fill_text(all, state);
        sort_suffixes(all, spare, counts, state->distinct);
        fill_shared(all);
        fill_matrix(all, (uint16_t *)counts, spare);
    }
    kato_free(spare);
    kato_free(counts);
    return all;
}

void suffixes_free(suffixes *all)
{
    if (all == NULL) {
        return;
    }
    kato_free(all->text);
    kato_free(all->order);
    kato_free(all->ranks);
    kato_free(all->shared);
    kato_free(all->matrix);
    kato_free(all->zeros);
    kato_free(all);
}
