/* Making and reading the postings of a segment (see `postings`). */
#include <string.h>

#include "index/segment.h"

enum { BUCKET = 1 << BUCKET_BITS, MAX_ENTRIES_OF_RARE = MANY_ENTRIES - 1 };

/* The block of memory: these numbers, then the arrays of `postings` in their order. */
typedef struct {
    uint32_t patterns;
    uint32_t common_count;
    uint32_t common_entries;
    uint32_t rare_count;
    uint32_t rare_entries;
    uint32_t bucket_count;
} postings_header;

/* Scratch memory while postings are made; arrays by symbol number. */
typedef struct {
    uint32_t *last;     /* mark of the last pattern that holds it */
    uint32_t *entries;  /* first how many it has, then where the next one goes */
    uint8_t *times;     /* how often its last entry counts it */
    uint64_t *occurs;   /* one bit each: it is in some pattern */
    size_t words;       /* of occurs */
} workspace;

static int workspace_open(workspace *work, uint32_t symbol_count)
{
    work->words = (symbol_count + 63u) / 64u;
    work->last = kato_allocate_zeroed(symbol_count, sizeof(*work->last));
    work->entries = kato_allocate_zeroed(symbol_count, sizeof(*work->entries));
    work->times = kato_allocate(symbol_count, sizeof(*work->times));
    work->occurs = kato_allocate_zeroed(work->words, sizeof(*work->occurs));
    int complete = work->last && work->entries && work->times && work->occurs;
    return complete ? 0 : -1;
}

static void workspace_close(workspace *work)
{
    kato_free(work->last);
    kato_free(work->entries);
    kato_free(work->times);
    kato_free(work->occurs);
}

/* Whether one more occurrence in the pattern of this mark starts a new entry. */
static inline int begins_entry(workspace *work, uint32_t symbol, uint32_t mark)
{
    if (work->last[symbol] == mark && work->times[symbol] < TIMES_AN_ENTRY) {
        work->times[symbol]++;
        return 0;
    }
    work->last[symbol] = mark;
    work->times[symbol] = 1;
    return 1;
}

/* First pass: count the entries of every symbol. */
static void count_entries(workspace *work, const segment_view *view)
{
    const uint32_t *tokens = view_tokens(view), *offsets = view_offsets(view);
    const uint32_t *frequencies = view_frequencies(view);
    for (uint32_t local = 0; local < view->count; local++) {
        if (frequencies[local] == REMOVED) {
            continue;
        }
        for (uint32_t at = offsets[local]; at < offsets[local + 1]; at++) {
            uint32_t symbol = TOKEN_SYMBOL(tokens[at]);
            if (begins_entry(work, symbol, local + 1)) {
                work->entries[symbol]++;
                work->occurs[symbol / 64] |= (uint64_t)1 << (symbol % 64);
            }
        }
    }
}

/* The next symbol that occurs, from *word and *bits on. 0: there are no more. */
static int next_symbol(const workspace *work, size_t *word, uint64_t *bits, uint32_t *symbol)
{
    while (*bits == 0) {
        if (++*word >= work->words) {
            return 0;
        }
        *bits = work->occurs[*word];
    }
    *symbol = (uint32_t)(*word * 64) + (uint32_t)__builtin_ctzll(*bits);
    *bits &= *bits - 1;
    return 1;
}

/* How large the arrays are. */
static postings_header summed(const workspace *work, uint32_t patterns)
{
    postings_header header = {.patterns = patterns};
    size_t word = 0;
    uint64_t bits = work->words > 0 ? work->occurs[0] : 0;
    uint32_t symbol;
    while (next_symbol(work, &word, &bits, &symbol)) {
        uint32_t entries = work->entries[symbol];
        if (entries > MAX_ENTRIES_OF_RARE) {
            header.common_count++;
            header.common_entries += entries;
        } else {
            header.rare_count++;
            header.rare_entries += entries;
            header.bucket_count = (symbol >> BUCKET_BITS) + 1;
        }
    }
    return header;
}

static size_t block_size(const postings_header *header)
{
    size_t numbers = 2 * (size_t)header->common_count + 1 + 2 * (size_t)header->bucket_count + 1;
    size_t entries = (size_t)header->common_entries + header->rare_entries;
    return sizeof(*header) + numbers * sizeof(uint32_t) + entries * sizeof(uint16_t)
           + 2 * (size_t)header->rare_count;
}

static postings arrays_of(const postings_header *header)
{
    postings found = {header->patterns, header->common_count, header->bucket_count,
                      NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    found.common = (const uint32_t *)(header + 1);
    found.common_starts = found.common + header->common_count;
    found.bucket_places = found.common_starts + header->common_count + 1;
    found.bucket_starts = found.bucket_places + header->bucket_count + 1;
    found.entries = (const uint16_t *)(found.bucket_starts + header->bucket_count);
    found.rests = (const uint8_t *)(found.entries + header->common_entries + header->rare_entries);
    found.counts = found.rests + header->rare_count;
    return found;
}

/* Write the directories; *work* then says where the entries of each symbol start. */
static void lay_out(workspace *work, const postings_header *header, const postings *out)
{
    uint32_t *common = (uint32_t *)out->common, *common_starts = (uint32_t *)out->common_starts;
    uint32_t *places = (uint32_t *)out->bucket_places, *starts = (uint32_t *)out->bucket_starts;
    uint8_t *rests = (uint8_t *)out->rests, *counts = (uint8_t *)out->counts;
    uint32_t common_start = 0, start = header->common_entries, place = 0, bucket = 0, symbol;
    size_t word = 0;
    uint64_t bits = work->words > 0 ? work->occurs[0] : 0;
    while (next_symbol(work, &word, &bits, &symbol)) {
        uint32_t entries = work->entries[symbol];
        if (entries > MAX_ENTRIES_OF_RARE) {
            *common++ = symbol;
            *common_starts++ = work->entries[symbol] = common_start;
            common_start += entries;
            continue;
        }
        for (; bucket <= symbol >> BUCKET_BITS; bucket++) {
            places[bucket] = place;
            starts[bucket] = start;
        }
        rests[place] = (uint8_t)(symbol & (BUCKET - 1));
        counts[place++] = (uint8_t)entries;
        work->entries[symbol] = start;
        start += entries;
    }
    places[bucket] = place;
    *common_starts = common_start;
}

/* Second pass: write the entries. Its marks differ from those of the first pass. */
static void fill(workspace *work, const segment_view *view, uint16_t *entries)
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
            if (begins_entry(work, symbol, mark)) {
                entries[work->entries[symbol]++] = (uint16_t)local;
            } else {
                entries[work->entries[symbol] - 1] += SEGMENT_PATTERNS;
            }
        }
    }
}

static shared *made(workspace *work, const segment_view *view)
{
    count_entries(work, view);
    postings_header header = summed(work, view->count);
    shared *block = shared_new(block_size(&header));
    if (block == NULL) {
        return NULL;
    }
    memcpy(shared_data(block), &header, sizeof(header));
    postings out = arrays_of(shared_data(block));
    lay_out(work, &header, &out);
    fill(work, view, (uint16_t *)out.entries);
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
    return view->postings == NULL ? (postings){0} : arrays_of(shared_data(view->postings));
}

/* The first place whose symbol is not smaller than *symbol*. */
static uint32_t place_of(const uint32_t *symbols, uint32_t count, uint32_t symbol)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (symbols[middle] < symbol) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t postings_find(const postings *found, uint32_t symbol, uint32_t *start)
{
    uint32_t bucket = symbol >> BUCKET_BITS;
    uint32_t place = place_of(found->common, found->common_count, symbol);
    *start = 0;
    if (place < found->common_count && found->common[place] == symbol) {
        *start = found->common_starts[place];
        return found->common_starts[place + 1] - *start;
    }
    if (bucket >= found->bucket_count) {
        return 0;
    }
    /* A rare symbol: look for the low byte of its number, then skip the entries before its own. */
    uint32_t first = found->bucket_places[bucket], end = found->bucket_places[bucket + 1];
    const uint8_t *rest = memchr(found->rests + first, (int)(symbol & (BUCKET - 1)), end - first);
    if (rest == NULL) {
        return 0;
    }
    uint32_t before = found->bucket_starts[bucket];
    for (place = first; found->rests + place < rest; place++) {
        before += found->counts[place];
    }
    *start = before;
    return found->counts[place];
}
