/* Making and reading the postings of a segment. */
#include <string.h>

#include "segment.h"

/* The block: three numbers, then the arrays by falling alignment. */
typedef struct {
    uint32_t patterns;
    uint32_t symbol_count;
    uint32_t entry_count;
} postings_header;

/* Scratch of one making, by symbol number. */
typedef struct {
    uint32_t *last;     /* 1 + the pattern that was last seen to hold it */
    uint32_t *entries;  /* first how many, then where its next one goes */
    uint64_t *occurs;   /* one bit each: in any pattern */
    size_t words;       /* of occurs */
} workspace;

static int workspace_open(workspace *work, uint32_t symbol_count)
{
    work->words = (symbol_count + 63u) / 64u;
    work->last = kato_allocate_zeroed(symbol_count, sizeof(*work->last));
    work->entries = kato_allocate_zeroed(symbol_count, sizeof(*work->entries));
    work->occurs = kato_allocate_zeroed(work->words, sizeof(*work->occurs));
    return work->last != NULL && work->entries != NULL && work->occurs != NULL ? 0 : -1;
}

static void workspace_close(workspace *work)
{
    kato_free(work->last);
    kato_free(work->entries);
    kato_free(work->occurs);
}

/* Count the entries of every symbol; the sum of them. */
static uint32_t counted(workspace *work, const segment_view *view)
{
    const uint32_t *tokens = view_tokens(view), *offsets = view_offsets(view);
    const uint32_t *frequencies = view_frequencies(view);
    uint32_t total = 0;
    for (uint32_t local = 0; local < view->count; local++) {
        if (frequencies[local] == REMOVED) {
            continue;
        }
        for (uint32_t at = offsets[local]; at < offsets[local + 1]; at++) {
            uint32_t symbol = TOKEN_SYMBOL(tokens[at]);
            if (work->last[symbol] != local + 1) {
                work->last[symbol] = local + 1;
                work->entries[symbol]++;
                work->occurs[symbol / 64] |= (uint64_t)1 << (symbol % 64);
                total++;
            }
        }
    }
    return total;
}

static uint32_t occurring(const workspace *work)
{
    uint32_t symbols = 0;
    for (size_t word = 0; word < work->words; word++) {
        symbols += (uint32_t)__builtin_popcountll(work->occurs[word]);
    }
    return symbols;
}

/* List the symbols and where their entries start; leaves in *work* where each begins. */
static void laid_out(workspace *work, uint32_t *symbols, uint32_t *starts)
{
    uint32_t place = 0, start = 0;
    for (size_t word = 0; word < work->words; word++) {
        for (uint64_t bits = work->occurs[word]; bits != 0; bits &= bits - 1) {
            uint32_t symbol = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(bits);
            symbols[place] = symbol;
            starts[place++] = start;
            start += work->entries[symbol];
            work->entries[symbol] = starts[place - 1];
        }
    }
    starts[place] = start;
}

static void filled(workspace *work, const segment_view *view, uint16_t *locals, uint8_t *times)
{
    const uint32_t *tokens = view_tokens(view), *offsets = view_offsets(view);
    const uint32_t *frequencies = view_frequencies(view);
    for (uint32_t local = 0; local < view->count; local++) {
        if (frequencies[local] == REMOVED) {
            continue;
        }
        uint32_t mark = local + 1 + SEGMENT_PATTERNS;
        for (uint32_t at = offsets[local]; at < offsets[local + 1]; at++) {
            uint32_t symbol = TOKEN_SYMBOL(tokens[at]);
            if (work->last[symbol] != mark) {
                work->last[symbol] = mark;
                locals[work->entries[symbol]] = (uint16_t)local;
                times[work->entries[symbol]++] = 1;
            } else if (times[work->entries[symbol] - 1] < MANY_TIMES) {
                times[work->entries[symbol] - 1]++;
            }
        }
    }
}

static shared *made(workspace *work, const segment_view *view)
{
    postings_header header = {.patterns = view->count};
    header.entry_count = counted(work, view);
    header.symbol_count = occurring(work);
    size_t symbols = header.symbol_count, entries = header.entry_count;
    shared *block = shared_new(sizeof(header) + (2 * symbols + 1) * 4 + entries * 3);
    if (block == NULL) {
        return NULL;
    }
    memcpy(shared_data(block), &header, sizeof(header));
    uint32_t *numbers = (uint32_t *)((char *)shared_data(block) + sizeof(header));
    uint16_t *locals = (uint16_t *)(numbers + 2 * symbols + 1);
    laid_out(work, numbers, numbers + symbols);
    filled(work, view, locals, (uint8_t *)(locals + entries));
    return block;
}

int segment_index(segment *segment, uint32_t symbol_count)
{
    workspace work = {0};
    shared *block = NULL;
    if (workspace_open(&work, symbol_count) == 0) {
        block = made(&work, &segment->view);
    }
    workspace_close(&work);
    if (block == NULL) {
        return -1;
    }
    shared_drop(segment->view.postings);
    segment->view.postings = block;
    return 0;
}

postings postings_in(const segment_view *view)
{
    postings found = {0};
    if (view->postings == NULL) {
        return found;
    }
    const postings_header *header = shared_data(view->postings);
    found.patterns = header->patterns;
    found.symbol_count = header->symbol_count;
    found.symbols = (const uint32_t *)(header + 1);
    found.starts = found.symbols + header->symbol_count;
    found.locals = (const uint16_t *)(found.starts + header->symbol_count + 1);
    found.times = (const uint8_t *)(found.locals + header->entry_count);
    return found;
}

uint32_t postings_find(const postings *found, uint32_t symbol, uint32_t *start)
{
    uint32_t low = 0, high = found->symbol_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (found->symbols[middle] < symbol) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == found->symbol_count || found->symbols[low] != symbol) {
        *start = 0;
        return 0;
    }
    *start = found->starts[low];
    return found->starts[low + 1] - *start;
}
