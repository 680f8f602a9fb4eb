/* clock_gettime is POSIX, not C11. */
#define _POSIX_C_SOURCE 200809L
#include "align.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "segment.h"

enum { STEPS_A_LOOK = 1 << 18 }; /* under a millisecond of work between two looks at the clock */

/* A part of pattern × state that is still to be searched; of a short state columns are bits. */
typedef struct {
    uint32_t from, to; /* rows, or places in the pattern of a long state */
    uint32_t low, high; /* places in a long state */
    uint64_t columns; /* of a short state */
} box;

/* Blocks as they are found, in no order. */
typedef struct {
    alignment sum;
    block *list;
} gathered;

/*
 * Boxes on the stack share neither a row nor a column and are never empty, so one for every
 * symbol of the shorter side, and one more while a box is split, is room enough.
 */
int align_open(align_scratch *scratch, const state *state, uint32_t longest_pattern)
{
    memset(scratch, 0, sizeof(*scratch));
    size_t pattern = longest_pattern, length = state->length;
    size_t shorter = pattern < length ? pattern : length;
    scratch->boxes = kato_allocate(shorter + 2, sizeof(box));
    scratch->found = kato_allocate(shorter, sizeof(block));
    int complete = scratch->boxes != NULL && scratch->found != NULL;
    if (state_is_short(state)) {
        scratch->rows = kato_allocate(pattern + 1, sizeof(uint64_t));
        scratch->runs = kato_allocate(pattern + 1, sizeof(uint64_t));
        scratch->row_at = kato_allocate(pattern + 1, sizeof(uint32_t));
        complete = complete && scratch->rows && scratch->runs && scratch->row_at;
    } else {
        scratch->lengths = kato_allocate_zeroed(length, sizeof(uint32_t));
        scratch->stamps = kato_allocate_zeroed(length, sizeof(uint64_t));
        complete = complete && scratch->lengths && scratch->stamps;
    }
    if (!complete) {
        align_close(scratch);
        return -1;
    }
    scratch->next_stamp = 2;
    scratch->until = INFINITY;
    return 0;
}

int align_expired(align_scratch *scratch, uint64_t steps)
{
    scratch->work += steps;
    if (scratch->work >= STEPS_A_LOOK && !scratch->expired) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        scratch->expired = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec > scratch->until;
        scratch->work = 0;
    }
    return scratch->expired;
}

void align_close(align_scratch *scratch)
{
    kato_free(scratch->rows);
    kato_free(scratch->runs);
    kato_free(scratch->row_at);
    kato_free(scratch->lengths);
    kato_free(scratch->stamps);
    kato_free(scratch->boxes);
    kato_free(scratch->found);
    memset(scratch, 0, sizeof(*scratch));
}

static inline void gather(gathered *all, uint32_t in_pattern, uint32_t in_state, uint32_t size)
{
    alignment *sum = &all->sum;
    if (all->list != NULL) {
        all->list[sum->blocks] = (block){in_pattern, in_state, size};
    }
    if (sum->blocks == 0 || in_pattern < sum->begin) {
        sum->begin = in_pattern;
    }
    if (in_pattern + size > sum->end) {
        sum->end = in_pattern + size;
    }
    sum->blocks++;
    sum->matched += size;
}

/* Bits above the lowest one of *bits*, which is not 0. */
static inline uint64_t above_lowest(uint64_t bits)
{
    return ~(bits ^ (bits - 1));
}

/*
 * Without two equal neighbours anywhere the longest block is one symbol: the first row's first
 * column. Nothing lies before it, so what follows is the same again behind it: a greedy chain.
 */
static void chain(const align_scratch *scratch, const box *part, gathered *all)
{
    uint64_t left = part->columns;
    for (uint32_t row = part->from; row < part->to; row++) {
        uint64_t bits = scratch->rows[row] & left;
        if (bits != 0) {
            gather(all, scratch->row_at[row], (uint32_t)__builtin_ctzll(bits), 1);
            left &= above_lowest(bits);
        }
    }
}

/* The chain through all rows without a list, on its own because most patterns end here. */
static alignment chain_of_all(const align_scratch *scratch, uint32_t rows)
{
    alignment sum = {0};
    uint64_t left = above_lowest(scratch->rows[0]);
    uint32_t last = 0, matched = 1;
    for (uint32_t row = 1; row < rows; row++) {
        uint64_t bits = scratch->rows[row] & left;
        uint64_t behind = left & above_lowest(bits);
        matched += bits != 0;
        last = bits != 0 ? row : last;
        left = bits != 0 ? behind : left;
    }
    sum.matched = sum.blocks = matched;
    sum.begin = scratch->row_at[0];
    sum.end = scratch->row_at[last] + 1;
    return sum;
}

static inline int follows(const align_scratch *scratch, uint32_t row)
{
    return scratch->row_at[row] == scratch->row_at[row - 1] + 1;
}

/* Bits of runs[row]: a run of *length* equal symbols ends here. Gives whether one is longer. */
static int prolonged(align_scratch *scratch, const box *part)
{
    uint64_t any = 0;
    uint64_t *runs = scratch->runs;
    for (uint32_t row = part->to - 1; row > part->from; row--) {
        any |= follows(scratch, row) ? runs[row] & (runs[row - 1] << 1) : 0;
    }
    if (any == 0) {
        return 0;
    }
    for (uint32_t row = part->to - 1; row > part->from; row--) {
        runs[row] = follows(scratch, row) ? runs[row] & (runs[row - 1] << 1) : 0;
    }
    runs[part->from] = 0;
    return 1;
}

/* Find the box's longest block, the first of equals, and push what lies left and right of it. */
static uint32_t split(align_scratch *scratch, const box *part, box *stack, gathered *all)
{
    uint64_t *runs = scratch->runs;
    for (uint32_t row = part->from; row < part->to; row++) {
        runs[row] = scratch->rows[row] & part->columns;
    }
    uint32_t size = 1, row = part->from, pushed = 0;
    while (prolonged(scratch, part)) {
        size++;
    }
    if (size == 1) {
        chain(scratch, part, all);
        return 0;
    }
    while (runs[row] == 0) {
        row++;
    }
    uint32_t last = (uint32_t)__builtin_ctzll(runs[row]), first = last + 1 - size;
    gather(all, scratch->row_at[row] + 1 - size, first, size);
    uint64_t left = part->columns & (((uint64_t)1 << first) - 1);
    uint64_t right = part->columns & above_lowest((uint64_t)1 << last);
    if (left != 0 && row + 1 - size > part->from) {
        stack[pushed++] = (box){.from = part->from, .to = row + 1 - size, .columns = left};
    }
    if (right != 0 && row + 1 < part->to) {
        stack[pushed++] = (box){.from = row + 1, .to = part->to, .columns = right};
    }
    return pushed;
}

/* Positions of the state equal to each symbol; gives how many rows are not empty. */
static uint32_t rows_of(const state *state, align_scratch *scratch, const uint32_t *tokens,
                        uint32_t count, uint64_t *pairs, uint64_t *touched)
{
    uint64_t before = 0, any_pair = 0, any = 0;
    uint32_t rows = 0;
    for (uint32_t at = 0; at < count; at++) {
        uint64_t bits = state->masks[state->short_local[TOKEN_SYMBOL(tokens[at])]];
        any_pair |= bits & (before << 1);
        any |= bits;
        before = bits;
        scratch->rows[rows] = bits;
        scratch->row_at[rows] = at;
        rows += bits != 0;
    }
    *pairs = any_pair;
    *touched = any;
    return rows;
}

static alignment short_aligned(const state *state, align_scratch *scratch,
                               const uint32_t *tokens, uint32_t count, block *list)
{
    uint64_t pairs, touched;
    uint32_t rows = rows_of(state, scratch, tokens, count, &pairs, &touched);
    gathered all = {.list = list};
    if (rows > 0 && pairs == 0 && list == NULL) {
        all.sum = chain_of_all(scratch, rows);
    } else if (rows > 0) {
        box *stack = scratch->boxes;
        uint32_t depth = 1;
        uint64_t columns = UINT64_MAX >> (SHORT_STATE - state->length);
        stack[0] = (box){.from = 0, .to = rows, .columns = columns};
        while (depth > 0) {
            box part = stack[--depth];
            depth += split(scratch, &part, stack + depth, &all);
        }
    }
    all.sum.touched = touched;
    return all.sum;
}

/* How many of a local number's positions lie before *limit*. */
static uint32_t positions_before(const uint32_t *positions, uint32_t count, uint32_t limit)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (positions[middle] < limit) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/*
 * The longest block of the box, the first of equals; size 0 if there is none. lengths[j] is the
 * run that ends at state position j in the row that stamps[j] names; positions are walked
 * backwards, so that the run before j is still the previous row's.
 */
static block longest(const state *state, align_scratch *scratch, const uint32_t *tokens,
                     const box *part)
{
    block best = {0};
    uint32_t best_row = 0;
    scratch->next_stamp++;
    for (uint32_t row = part->from; row < part->to; row++) {
        uint64_t stamp = ++scratch->next_stamp;
        uint32_t local = state->long_local[TOKEN_SYMBOL(tokens[row])];
        const uint32_t *positions = state->positions + state->starts[local];
        uint32_t count = state->starts[local + 1] - state->starts[local];
        count = positions_before(positions, count, part->high);
        if (align_expired(scratch, count + 1)) {
            break;
        }
        while (count > 0 && positions[count - 1] >= part->low) {
            uint32_t j = positions[--count];
            uint32_t run = 1;
            if (j > part->low && scratch->stamps[j - 1] == stamp - 1) {
                run += scratch->lengths[j - 1];
            }
            scratch->lengths[j] = run;
            scratch->stamps[j] = stamp;
            if (run > best.size || (run == best.size && row == best_row)) {
                best = (block){row + 1 - run, j + 1 - run, run};
                best_row = row;
            }
        }
    }
    return best;
}

/* As `chain`, on the positions of a long state. */
static void long_chain(const state *state, const uint32_t *tokens, const box *part, gathered *all)
{
    uint32_t next = part->low;
    for (uint32_t row = part->from; row < part->to; row++) {
        uint32_t local = state->long_local[TOKEN_SYMBOL(tokens[row])];
        const uint32_t *positions = state->positions + state->starts[local];
        uint32_t count = state->starts[local + 1] - state->starts[local];
        uint32_t first = positions_before(positions, count, next);
        if (first < count && positions[first] < part->high) {
            gather(all, row, positions[first], 1);
            next = positions[first] + 1;
        }
    }
}

static alignment long_aligned(const state *state, align_scratch *scratch, const uint32_t *tokens,
                              uint32_t count, block *list)
{
    gathered all = {.list = list};
    box *stack = scratch->boxes;
    uint32_t depth = 1;
    stack[0] = (box){.from = 0, .to = count, .low = 0, .high = state->length};
    while (depth > 0 && !scratch->expired) {
        box part = stack[--depth];
        block best = longest(state, scratch, tokens, &part);
        if (best.size <= 1) {
            long_chain(state, tokens, &part, &all);
            continue;
        }
        uint32_t i = best.in_pattern, j = best.in_state, size = best.size;
        gather(&all, i, j, size);
        if (i > part.from && j > part.low) {
            stack[depth++] = (box){.from = part.from, .to = i, .low = part.low, .high = j};
        }
        if (i + size < part.to && j + size < part.high) {
            stack[depth++] = (box){i + size, part.to, j + size, part.high, 0};
        }
    }
    all.sum.touched = UINT64_MAX;
    return all.sum;
}

static int compare_blocks(const void *left, const void *right)
{
    uint32_t a = ((const block *)left)->in_pattern, b = ((const block *)right)->in_pattern;
    return (a > b) - (a < b);
}

alignment aligned(const state *state, align_scratch *scratch, const uint32_t *tokens,
                  uint32_t count, block *list)
{
    alignment found = state_is_short(state)
                          ? short_aligned(state, scratch, tokens, count, list)
                          : long_aligned(state, scratch, tokens, count, list);
    if (list != NULL) {
        qsort(list, found.blocks, sizeof(*list), compare_blocks);
    }
    return found;
}
