/* Alignment with a state of any length, over lists of positions, as difflib does it. */
#include "align/boxes.h"
#include "align/suffixes.h"

/*
 * The walk over pairs of equal symbols may take so many steps per symbol of a pattern, as long as
 * the alignment for repeats takes for one. Boxes of so few symbols of the state are always walked.
 */
#ifdef KATO_SMALL_SEGMENTS
enum { STEPS_A_ROW = 2, NARROW = 3 };
#else
enum { STEPS_A_ROW = 128, NARROW = 64 };
#endif

/* How many of a local number's positions are before *limit*. */
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
 * The longest block of the box, the first of equals; size 0: there is none. lengths[j] is the run
 * that ends at state position j in the row that stamps[j] names, so that nothing has to be reset
 * between rows. Positions are walked backwards: the run before j is then still the previous row's.
 * -1: it takes more than *steps*.
 */
static int longest(const state *state, align_scratch *scratch, const uint32_t *tokens,
                   const box *part, uint64_t *steps, block *found)
{
    block best = {0};
    uint32_t best_row = 0;
    scratch->next_stamp++; /* a gap: the first row of this box has no predecessor */
    for (uint32_t row = part->from; row < part->to; row++) {
        uint64_t stamp = ++scratch->next_stamp;
        uint32_t local = state->long_local[TOKEN_SYMBOL(tokens[row])];
        const uint32_t *positions = state->positions + state->starts[local];
        uint32_t count = state->starts[local + 1] - state->starts[local];
        uint32_t before = positions_before(positions, count, part->high);
        for (count = before; count > 0 && positions[count - 1] >= part->low;) {
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
        uint64_t taken = (uint64_t)before - count + 1;
        if (align_expired(scratch, taken) || taken > *steps) {
            return -1;
        }
        *steps -= taken;
    }
    *found = best;
    return 0;
}

/* The greedy chain (see `chain` in align_short.c), on the positions of a long state. */
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

/* Take the block into *all*, and push the parts before and after it. */
static uint32_t split(const box *part, block best, box *stack, gathered *all)
{
    uint32_t i = best.in_pattern, j = best.in_state, size = best.size, pushed = 0;
    gather(all, i, j, size);
    if (i > part->from && j > part->low) {
        stack[pushed++] = (box){.from = part->from, .to = i, .low = part->low, .high = j};
    }
    if (i + size < part->to && j + size < part->high) {
        stack[pushed++] = (box){i + size, part->to, j + size, part->high};
    }
    return pushed;
}

/* How many steps the walk may take for a pattern. */
static uint64_t allowance(const state *state, const align_scratch *scratch, uint32_t count)
{
    if (state->length > MAX_SUFFIXES) {
        return UINT64_MAX;
    }
    return (uint64_t)STEPS_A_ROW * count + (scratch->repeats == NULL ? scratch->patience : 0);
}

/* Whether it will take more: as a rule it takes twice the pairs of the first box. */
static int exceeds(const state *state, const uint32_t *tokens, uint32_t count, uint64_t allowed)
{
    uint64_t pairs = 0;
    if ((uint64_t)count * state->length <= allowed / 2) {
        return 0;
    }
    for (uint32_t row = 0; row < count; row++) {
        uint32_t local = state->long_local[TOKEN_SYMBOL(tokens[row])];
        pairs += state->starts[local + 1] - state->starts[local];
    }
    return pairs > allowed / 2;
}

alignment long_aligned(const state *state, align_scratch *scratch, const uint32_t *tokens,
                       uint32_t count, block *list)
{
    gathered all = {.list = list};
    box *stack = scratch->boxes;
    uint32_t depth = 1;
    uint64_t left = allowance(state, scratch, count);
    int repeats = 0;
    left = exceeds(state, tokens, count, left) ? 0 : left;
    stack[0] = (box){.from = 0, .to = count, .low = 0, .high = state->length};
    while (depth > 0 && !scratch->expired) {
        box part = stack[depth - 1];
        block best;
        if (repeats && part.high - part.low > NARROW) {
            best = repeats_longest(scratch, &part);
        } else if (longest(state, scratch, tokens, &part, &left, &best) < 0) {
            repeats = 1;
            left = UINT64_MAX;
            repeats_begin(scratch, state, tokens, count);
            continue;
        }
        depth--;
        if (best.size <= 1) {
            long_chain(state, tokens, &part, &all);
        } else {
            depth += split(&part, best, stack + depth, &all);
        }
    }
    scratch->patience = left < scratch->patience ? left : scratch->patience;
    all.sum.touched = UINT64_MAX;
    return all.sum;
}
