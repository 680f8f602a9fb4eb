/*
 * Alignment with a state of up to 255 symbols. For each symbol of the pattern that the state holds
 * there is a row of bits, one for each position of the symbol in the state, in one to four words.
 * A whole row is compared at once; every function is compiled for each number of words.
 */
#include <string.h>

#include "align/boxes.h"

enum { SHORT_RUN = 4 };

#define EACH(word) uint32_t word = 0; word < words; word++
#define INLINE static inline __attribute__((always_inline))

typedef struct {
    uint64_t words[STATE_WORDS];
} bits;

/* Bits for the columns from *low* to before *high*. */
INLINE bits columns_between(uint32_t low, uint32_t high, uint32_t words)
{
    bits columns;
    for (EACH(word)) {
        uint32_t from = low > word * 64 ? low - word * 64 : 0;
        uint32_t to = high > word * 64 ? high - word * 64 : 0;
        uint64_t above = from < 64 ? UINT64_MAX << from : 0;
        columns.words[word] = to < 64 ? above & (((uint64_t)1 << to) - 1) : above;
    }
    return columns;
}

INLINE int is_empty(const uint64_t *row, uint32_t words)
{
    uint64_t any = 0;
    for (EACH(word)) {
        any |= row[word];
    }
    return any == 0;
}

/* The lowest column of a row, which must not be empty. */
INLINE uint32_t lowest(const uint64_t *row, uint32_t words)
{
    uint32_t word = 0;
    while (word + 1 < words && row[word] == 0) {
        word++;
    }
    return word * 64 + (uint32_t)__builtin_ctzll(row[word]);
}

/*
 * Keep the columns of *left* above the lowest one that *row* has among them; all if it has none.
 * Without a branch: hit ^ (hit − 1) has the bits up to the lowest one of hit.
 */
INLINE void leave_above(bits *left, const uint64_t *row, uint32_t words)
{
    uint64_t borrow = 1, hit[STATE_WORDS], above[STATE_WORDS], any = 0;
    for (EACH(word)) {
        hit[word] = row[word] & left->words[word];
        any |= hit[word];
        above[word] = ~(hit[word] ^ (hit[word] - borrow));
        borrow = borrow && hit[word] == 0;
    }
    for (EACH(word)) {
        left->words[word] = any != 0 ? left->words[word] & above[word] : left->words[word];
    }
}

/*
 * Without a run of two, the longest block is a single symbol: the first column of the first row.
 * Nothing lies before it, so the same holds for what lies after it: a greedy chain.
 */
INLINE void chain(const align_scratch *scratch, const box *part, gathered *all, uint32_t words)
{
    bits left = columns_between(part->low, part->high, words);
    for (uint32_t row = part->from; row < part->to; row++) {
        bits hit;
        for (EACH(word)) {
            hit.words[word] = scratch->rows[row * words + word] & left.words[word];
        }
        if (!is_empty(hit.words, words)) {
            gather(all, scratch->row_at[row], lowest(hit.words, words), 1);
            leave_above(&left, hit.words, words);
        }
    }
}

/* The chain through all rows without a list: a copy of its own, since most patterns end here. */
INLINE alignment chain_of_all(const align_scratch *scratch, uint32_t rows, uint32_t words)
{
    alignment sum = {0};
    bits left = columns_between(0, words * 64, words);
    uint32_t last = 0, matched = 0;
    for (uint32_t row = 0; row < rows; row++) {
        const uint64_t *bits_of_row = scratch->rows + row * words;
        uint64_t any = 0;
        for (EACH(word)) {
            any |= bits_of_row[word] & left.words[word];
        }
        leave_above(&left, bits_of_row, words);
        matched += any != 0;
        last = any != 0 ? row : last;
    }
    sum.matched = sum.blocks = matched;
    sum.begin = scratch->row_at[0];
    sum.end = scratch->row_at[last] + 1;
    return sum;
}

/* Whether the symbols of this row and the *by* rows before follow each other in the pattern. */
INLINE int follows(const align_scratch *scratch, uint32_t row, uint32_t by)
{
    return scratch->row_at[row] == scratch->row_at[row - by] + by;
}

/* One word of a row that is moved up by 1 … 255 columns. */
INLINE uint64_t moved_up(const uint64_t *row, uint32_t word, uint32_t by)
{
    uint32_t words = by / 64, bits = by % 64;
    uint64_t moved = word >= words ? row[word - words] << bits : 0;
    return word > words && bits > 0 ? moved | row[word - words - 1] >> (64 - bits) : moved;
}

/*
 * Prolong all runs of the box by *by* symbols, which they already have: bit j of runs[row] says that
 * a run of the current length ends at this row and column j. It is longer if another ends *by* before.
 * Gives 0, and changes nothing, if no run can be longer.
 */
INLINE int prolonged(align_scratch *scratch, const box *part, uint32_t by, uint32_t words)
{
    uint64_t any = 0;
    uint64_t *runs = scratch->runs;
    for (uint32_t row = part->to - 1; row >= part->from + by; row--) {
        for (EACH(word)) {
            uint64_t before = moved_up(runs + (row - by) * words, word, by);
            any |= follows(scratch, row, by) ? runs[row * words + word] & before : 0;
        }
    }
    if (any == 0) {
        return 0;
    }
    for (uint32_t row = part->to - 1; row >= part->from + by; row--) {
        for (EACH(word)) {
            uint64_t before = moved_up(runs + (row - by) * words, word, by);
            uint64_t *run = &runs[row * words + word];
            *run = follows(scratch, row, by) ? *run & before : 0;
        }
    }
    memset(runs + part->from * words, 0, by * words * sizeof(*runs));
    return 1;
}

/*
 * Leave only the ends of the longest runs; gives their length. Most are short, so the length grows
 * by one at first. Beyond SHORT_RUN it doubles while it can, then it grows by halves.
 */
INLINE uint32_t longest_runs(align_scratch *scratch, const box *part, uint32_t words)
{
    uint32_t size = 1, rounds = 1, by;
    while (size < SHORT_RUN && prolonged(scratch, part, 1, words)) {
        size++;
    }
    for (by = size; size >= SHORT_RUN && prolonged(scratch, part, by, words); by = size) {
        size += by;
        rounds++;
    }
    for (by = size < SHORT_RUN ? 0 : by / 2; by > 0; by /= 2, rounds++) {
        size += prolonged(scratch, part, by, words) ? by : 0;
    }
    align_expired(scratch, (uint64_t)(part->to - part->from) * (rounds + SHORT_RUN));
    return size;
}

/* Find the longest block of the box, the first of equals; push the boxes before and after it. */
INLINE uint32_t split(align_scratch *scratch, const box *part, box *stack, gathered *all,
                      uint32_t words)
{
    uint64_t *runs = scratch->runs;
    bits columns = columns_between(part->low, part->high, words);
    for (uint32_t row = part->from; row < part->to; row++) {
        for (EACH(word)) {
            runs[row * words + word] = scratch->rows[row * words + word] & columns.words[word];
        }
    }
    uint32_t size = longest_runs(scratch, part, words), row = part->from, pushed = 0;
    if (size == 1) {
        chain(scratch, part, all, words);
        return 0;
    }
    while (is_empty(runs + row * words, words)) {
        row++;
    }
    uint32_t end = lowest(runs + row * words, words) + 1, first = end - size;
    gather(all, scratch->row_at[row] + 1 - size, first, size);
    if (first > part->low && row + 1 - size > part->from) {
        stack[pushed++] = (box){part->from, row + 1 - size, part->low, first};
    }
    if (end < part->high && row + 1 < part->to) {
        stack[pushed++] = (box){row + 1, part->to, end, part->high};
    }
    return pushed;
}

/* Facts about the rows that are not empty. */
typedef struct {
    uint32_t count;
    int has_pairs;    /* there is a run of two somewhere */
    uint64_t touched; /* see `alignment` */
} row_facts;

/* Gather the rows of a pattern in its order; empty ones are overwritten by the next. */
INLINE row_facts rows_of(const state *state, align_scratch *scratch, const uint32_t *tokens,
                         uint32_t count, uint32_t words)
{
    uint64_t pairs = 0, touched = 0;
    uint64_t none[STATE_WORDS] = {0};
    const uint64_t *before = none;
    uint32_t rows = 0;
    for (uint32_t at = 0; at < count; at++) {
        uint32_t local = state->short_local[TOKEN_SYMBOL(tokens[at])];
        const uint64_t *row = state->masks + local * words;
        uint64_t any = 0;
        for (EACH(word)) {
            pairs |= row[word] & moved_up(before, word, 1);
            any |= row[word];
            scratch->rows[rows * words + word] = row[word];
        }
        before = row;
        touched |= any;
        scratch->row_at[rows] = at;
        rows += any != 0;
    }
    return (row_facts){rows, pairs != 0, touched};
}

INLINE alignment aligned_by_words(const state *state, align_scratch *scratch,
                                  const uint32_t *tokens, uint32_t count, block *list,
                                  uint32_t words)
{
    row_facts rows = rows_of(state, scratch, tokens, count, words);
    gathered all = {.list = list};
    /* The shortcut for most patterns: a chain, and only its sums are needed. */
    if (rows.count > 0 && !rows.has_pairs && list == NULL) {
        all.sum = chain_of_all(scratch, rows.count, words);
    } else if (rows.count > 0) {
        box *stack = scratch->boxes;
        uint32_t depth = 1;
        stack[0] = (box){0, rows.count, 0, state->length};
        while (depth > 0 && !scratch->expired) {
            box part = stack[--depth];
            depth += split(scratch, &part, stack + depth, &all, words);
        }
    }
    all.sum.touched = rows.touched;
    return all.sum;
}

alignment short_aligned(const state *state, align_scratch *scratch, const uint32_t *tokens,
                        uint32_t count, block *list)
{
    switch (state_words(state)) {
    case 1:
        return aligned_by_words(state, scratch, tokens, count, list, 1);
    case 2:
        return aligned_by_words(state, scratch, tokens, count, list, 2);
    case 3:
        return aligned_by_words(state, scratch, tokens, count, list, 3);
    default:
        return aligned_by_words(state, scratch, tokens, count, list, STATE_WORDS);
    }
}
