/* clock_gettime is POSIX, not C11. */
#define _POSIX_C_SOURCE 200809L
#include "align/boxes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STEPS_A_LOOK = 1 << 18 }; /* steps between looks at the clock: less than a millisecond */

/* Steps of a walk over pairs, per symbol of the state, that take as long as sorting its suffixes. */
#ifdef KATO_SMALL_SEGMENTS
enum { PATIENCE = 0 };
#else
enum { PATIENCE = 128 };
#endif

/*
 * Boxes on the stack share neither rows nor columns and are never empty. So there is at most one
 * for every symbol of the shorter side, and one more while a box is split.
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
        size_t row = state_words(state) * sizeof(uint64_t);
        scratch->rows = kato_allocate(pattern + 1, row);
        scratch->runs = kato_allocate(pattern + 1, row);
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
    scratch->next_stamp = 2; /* 0 marks positions that no row has set */
    scratch->patience = PATIENCE * length;
    scratch->until = INFINITY;
    return 0;
}

static void obey(align_scratch *scratch)
{
    double waited = scratch->pace.obeyed(scratch->pace.whom);
    if (waited >= 0.0) {
        scratch->until += waited;
    } else {
        scratch->expired = 1;
    }
}

int align_look(align_scratch *scratch)
{
    const uint8_t *signal = scratch->pace.signal;
    struct timespec now;
    scratch->work = 0;
    if (signal != NULL && __atomic_load_n(signal, __ATOMIC_RELAXED)) {
        obey(scratch);
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    scratch->expired |= (double)now.tv_sec + 1e-9 * (double)now.tv_nsec > scratch->until;
    return scratch->expired;
}

int align_expired(align_scratch *scratch, uint64_t steps)
{
    scratch->work += steps;
    scratch->steps += steps;
    if (scratch->work >= STEPS_A_LOOK && !scratch->expired) {
        align_look(scratch);
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
    repeats_free(scratch->repeats);
    memset(scratch, 0, sizeof(*scratch));
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

alignment aligned_once(const state *state, align_scratch *scratch, const uint32_t *tokens,
                       uint32_t count, block *list)
{
    struct repeats *repeats = scratch->repeats;
    uint64_t patience = scratch->patience;
    scratch->repeats = NULL;
    scratch->patience = PATIENCE * (uint64_t)state->length;
    alignment found = aligned(state, scratch, tokens, count, list);
    repeats_free(scratch->repeats);
    scratch->repeats = repeats;
    scratch->patience = patience;
    return found;
}
