/* Alignment with a state of any length, over lists of positions, as difflib does it. */
#include "query/boxes.h"

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
 */
static block longest(const state *state, align_scratch *scratch, const uint32_t *tokens,
                     const box *part)
{
    block best = {0};
    uint32_t best_row = 0;
    scratch->next_stamp++; /* a gap: the first row of this box has no predecessor */
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

alignment long_aligned(const state *state, align_scratch *scratch, const uint32_t *tokens,
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
            stack[depth++] = (box){i + size, part.to, j + size, part.high};
        }
    }
    all.sum.touched = UINT64_MAX;
    return all.sum;
}
