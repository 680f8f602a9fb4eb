/*
 * Alignment of a long state and a pattern that repeat themselves. A walk over all pairs of equal
 * symbols takes the product of both lengths, for every box again; this way a box costs little more
 * than what it changes.
 *
 * Every row has a bound: no block that starts there is longer. At first it is the longest that the
 * whole state holds; boxes only shrink, so it stays true. The longest block of a box starts in the
 * row with the highest bound, the first of equals, if the box holds that many of its symbols.
 * If not, the bound falls to what the box holds, and the row that is highest then is looked at.
 *
 * So a row is looked at in vain at most once for every length of the blocks that its boxes were cut
 * at. Different lengths need room in the state: there are at most √(2·state) of them.
 */
#include <string.h>

#include "align/boxes.h"
#include "align/suffixes.h"

enum { LOOK_STEPS = 64, ROW_STEPS = 128 }; /* against the clock: a look at a row, its first bound */

typedef struct repeats {
    suffixes *state;
    uint32_t capacity; /* of both, in rows */
    uint32_t leaves;   /* rows rounded up to a power of two */
    uint16_t *ranks;   /* by row: a suffix of the state that begins like the pattern there */
    uint16_t *bounds;  /* a tree of maxima: children of i are 2i and 2i + 1; leaves are the rows */
} repeats;

void repeats_free(struct repeats *own)
{
    if (own != NULL) {
        suffixes_free(own->state);
        kato_free(own->ranks);
        kato_free(own->bounds);
        kato_free(own);
    }
}

static int make_room(repeats *own, uint32_t rows)
{
    own->leaves = 1;
    while (own->leaves < rows) {
        own->leaves *= 2;
    }
    if (rows <= own->capacity) {
        return 0;
    }
    kato_free(own->ranks);
    kato_free(own->bounds);
    own->ranks = kato_allocate(own->leaves, sizeof(*own->ranks));
    own->bounds = kato_allocate((size_t)2 * own->leaves, sizeof(*own->bounds));
    own->capacity = own->ranks != NULL && own->bounds != NULL ? own->leaves : 0;
    return own->capacity == 0 ? -1 : 0;
}

/*
 * The first bounds: how many symbols from a row on the state holds somewhere, and where. From one
 * row to the next it is one symbol less at most, so what is known is never read again.
 */
static void measure(repeats *own, const state *state, align_scratch *scratch,
                    const uint32_t *tokens, uint32_t count)
{
    const suffixes *all = own->state;
    ranks alike = {0, all->length};
    uint32_t size = 0;
    for (uint32_t row = 0; row < count && !align_expired(scratch, ROW_STEPS); row++) {
        while (row + size < count) {
            uint32_t local = state->long_local[TOKEN_SYMBOL(tokens[row + size])];
            ranks longer = local == 0 ? (ranks){0, 0} : suffixes_going_on(all, alike, size, local);
            if (longer.from == longer.to) {
                break;
            }
            alike = longer;
            size++;
        }
        own->ranks[row] = (uint16_t)alike.from;
        own->bounds[own->leaves + row] = (uint16_t)size;
        if (size > 0) {
            uint32_t next = all->order[alike.from] + 1;
            size--;
            alike = size == 0 ? (ranks){0, all->length}
                              : suffixes_alike(all, all->ranks[next], size);
        }
    }
}

static void grow_tree(repeats *own, uint32_t rows)
{
    memset(own->bounds + own->leaves + rows, 0, (own->leaves - rows) * sizeof(*own->bounds));
    for (uint32_t node = own->leaves - 1; node > 0; node--) {
        uint16_t left = own->bounds[2 * node], right = own->bounds[2 * node + 1];
        own->bounds[node] = left > right ? left : right;
    }
}

static void lower(repeats *own, uint32_t row, uint32_t bound)
{
    uint32_t node = own->leaves + row;
    own->bounds[node] = (uint16_t)bound;
    for (node /= 2; node > 0; node /= 2) {
        uint16_t left = own->bounds[2 * node], right = own->bounds[2 * node + 1];
        uint16_t highest = left > right ? left : right;
        if (own->bounds[node] == highest) {
            return;
        }
        own->bounds[node] = highest;
    }
}

/* The row with the highest bound, the first of equals. */
static uint32_t highest(const repeats *own, uint32_t from, uint32_t to)
{
    const uint16_t *bounds = own->bounds;
    uint32_t left = own->leaves + from, right = own->leaves + to;
    uint32_t first = left, last = right - 1; /* best of either side */
    for (; left < right; left /= 2, right /= 2) {
        if (left & 1) {
            first = bounds[left] > bounds[first] ? left : first;
            left++;
        }
        if (right & 1) {
            right--;
            last = bounds[right] >= bounds[last] ? right : last;
        }
    }
    uint32_t node = bounds[last] > bounds[first] ? last : first;
    while (node < own->leaves) {
        node = 2 * node + (bounds[2 * node] < bounds[2 * node + 1]);
    }
    return node - own->leaves;
}

/* The first place in the box where *size* symbols are those of the row; the box's end if none. */
static uint32_t place_of(const repeats *own, const box *part, uint32_t row, uint32_t size)
{
    ranks alike = suffixes_alike(own->state, own->ranks[row], size);
    uint32_t place = suffixes_first(own->state, alike, part->low);
    return place + size <= part->high ? place : part->high;
}

/* How many symbols from the row on the box holds: fewer than *fails*, which are too many. */
static uint32_t longest_below(const repeats *own, const box *part, uint32_t row, uint32_t fails)
{
    uint32_t fits = 0;
    for (uint32_t step = 1; fits == 0 && fails > step; step *= 2) {
        if (place_of(own, part, row, fails - step) < part->high) {
            fits = fails - step;
        } else {
            fails -= step;
        }
    }
    while (fits + 1 < fails) {
        uint32_t middle = fits + (fails - fits) / 2;
        if (place_of(own, part, row, middle) < part->high) {
            fits = middle;
        } else {
            fails = middle;
        }
    }
    return fits;
}

block repeats_longest(align_scratch *scratch, const box *part)
{
    repeats *own = scratch->repeats;
    while (!align_expired(scratch, LOOK_STEPS)) {
        uint32_t row = highest(own, part->from, part->to);
        uint32_t bound = own->bounds[own->leaves + row];
        uint32_t size = bound < part->to - row ? bound : part->to - row;
        uint32_t place = size > 0 ? place_of(own, part, row, size) : part->high;
        if (bound == 0) {
            break;
        }
        if (place < part->high && size == bound) {
            return (block){row, place, size};
        }
        lower(own, row, place < part->high ? size : longest_below(own, part, row, size));
    }
    return (block){0};
}

static int prepare(align_scratch *scratch, const state *state, uint32_t rows)
{
    if (scratch->repeats == NULL) {
        scratch->repeats = kato_allocate_zeroed(1, sizeof(*scratch->repeats));
    }
    repeats *own = scratch->repeats;
    if (own != NULL && own->state == NULL) {
        own->state = suffixes_new(state);
    }
    return own != NULL && own->state != NULL ? make_room(own, rows) : -1;
}

void repeats_begin(align_scratch *scratch, const state *state, const uint32_t *tokens,
                   uint32_t count)
{
    if (scratch->expired) {
        return;
    }
    if (prepare(scratch, state, count) < 0) {
        scratch->expired = scratch->no_memory = 1;
        return;
    }
    measure(scratch->repeats, state, scratch, tokens, count);
    grow_tree(scratch->repeats, count);
}
