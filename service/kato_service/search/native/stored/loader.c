#include "stored/loader.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_TOKENS = 1 << 18 }; /* tokens are in chunks, so that none is copied when more come */

/* For sorting patterns by first learn; places decide between equals. */
typedef struct {
    uint64_t first;
    size_t place;
} ordered;

void loader_begin(loader *gathered)
{
    gathered->staged_count = 0;
}

loader_result loader_stage(loader *gathered, const char *symbol, size_t size, int starts_event)
{
    int64_t number = interner_number(&gathered->symbols, symbol, size);
    if (number < 0) {
        return LOADER_MEMORY;
    }
    if (gathered->staged_count == gathered->staged_capacity) {
        uint32_t capacity = gathered->staged_capacity * 2 + 64;
        uint32_t *staged = kato_resize(gathered->staged, capacity, sizeof(*staged));
        if (staged == NULL) {
            return LOADER_MEMORY;
        }
        gathered->staged = staged;
        gathered->staged_capacity = capacity;
    }
    if (gathered->staged_count + 1 >= MAX_PATTERN_SYMBOLS) {
        return LOADER_DAMAGED;
    }
    gathered->staged[gathered->staged_count++] = (uint32_t)number | (starts_event ? EVENT_START : 0);
    return LOADER_DONE;
}

static int reserve_counts(loader *gathered)
{
    uint32_t required = gathered->symbols.capacity;
    if (counts_reserve(&gathered->counts, gathered->symbols.count) < 0) {
        return -1;
    }
    if (required > gathered->last_count) {
        uint64_t *last = kato_resize(gathered->last, required, sizeof(*last));
        if (last == NULL) {
            return -1;
        }
        memset(last + gathered->last_count, 0, (required - gathered->last_count) * sizeof(*last));
        gathered->last = last;
        gathered->last_count = required;
    }
    return 0;
}

loader_result loader_count(loader *gathered, int64_t learns)
{
    symbol_counts *counts = &gathered->counts;
    int64_t distinct = 0;
    if (reserve_counts(gathered) < 0) {
        return LOADER_MEMORY;
    }
    gathered->counted++;
    for (uint32_t at = 0; at < gathered->staged_count; at++) {
        uint32_t symbol = TOKEN_SYMBOL(gathered->staged[at]);
        int is_new = gathered->last[symbol] != gathered->counted;
        gathered->last[symbol] = gathered->counted;
        counts_add(counts, symbol, is_new ? learns : 0, learns);
        distinct += is_new;
    }
    counts_raise(&counts->learns, learns);
    counts_raise(&counts->distinct, learns * distinct);
    counts_raise(&counts->total, learns * gathered->staged_count);
    return LOADER_DONE;
}

static int reserve_pattern(loader *gathered)
{
    if (gathered->pattern_count < gathered->pattern_capacity) {
        return 0;
    }
    size_t capacity = gathered->pattern_capacity + gathered->pattern_capacity / 4 + 64;
    loaded_pattern *patterns = kato_resize(gathered->patterns, capacity, sizeof(*patterns));
    if (patterns == NULL) {
        return -1;
    }
    gathered->patterns = patterns;
    gathered->pattern_capacity = capacity;
    return 0;
}

/* Room for the staged tokens in a chunk; NULL: no memory. */
static uint32_t *token_room(loader *gathered)
{
    size_t count = gathered->staged_count;
    if (gathered->chunk_count == 0 || gathered->chunk_size - gathered->chunk_used < count) {
        size_t size = count > CHUNK_TOKENS ? count : CHUNK_TOKENS;
        uint32_t **chunks = kato_resize(gathered->chunks, gathered->chunk_count + 1,
                                        sizeof(*chunks));
        if (chunks == NULL) {
            return NULL;
        }
        gathered->chunks = chunks;
        uint32_t *chunk = kato_allocate(size, sizeof(*chunk));
        if (chunk == NULL) {
            return NULL;
        }
        chunks[gathered->chunk_count++] = chunk;
        gathered->chunk_size = size;
        gathered->chunk_used = 0;
    }
    uint32_t *room = gathered->chunks[gathered->chunk_count - 1] + gathered->chunk_used;
    gathered->chunk_used += count;
    return room;
}

loader_result loader_add(loader *gathered, const uint8_t *name, uint32_t frequency,
                         const pattern_record *record)
{
    if (gathered->staged_count == 0) {
        return LOADER_DAMAGED;
    }
    uint32_t *tokens = reserve_pattern(gathered) < 0 ? NULL : token_room(gathered);
    if (tokens == NULL || loader_count(gathered, record->learns) != LOADER_DONE) {
        return LOADER_MEMORY;
    }
    memcpy(tokens, gathered->staged, gathered->staged_count * sizeof(*tokens));
    loaded_pattern *added = &gathered->patterns[gathered->pattern_count++];
    *added = (loaded_pattern){
        .tokens = tokens,
        .count = gathered->staged_count,
        .frequency = frequency,
        .record = *record,
    };
    memcpy(added->name, name, NAME_BYTES);
    return LOADER_DONE;
}

static int compare_first(const void *left, const void *right)
{
    const ordered *a = left, *b = right;
    if (a->first != b->first) {
        return a->first < b->first ? -1 : 1;
    }
    return a->place < b->place ? -1 : 1;
}

/* All patterns in order of first learns; NULL: no memory. */
static ordered *in_order(const loader *gathered)
{
    ordered *order = kato_allocate(gathered->pattern_count, sizeof(*order));
    if (order != NULL) {
        for (size_t place = 0; place < gathered->pattern_count; place++) {
            order[place] = (ordered){gathered->patterns[place].record.first, place};
        }
        qsort(order, gathered->pattern_count, sizeof(*order), compare_first);
    }
    return order;
}

static loader_result append(patterns *into, segment *segment, const loaded_pattern *from)
{
    if (names_find(&into->names, from->name) != NO_SLOT) {
        return LOADER_DAMAGED;
    }
    if (names_reserve(&into->names, from->name) < 0) {
        return LOADER_MEMORY;
    }
    uint32_t local = segment_append(segment, from->tokens, from->count, from->name,
                                    from->frequency);
    segment_records(segment)[local] = from->record;
    names_set(&into->names, from->name, segment->id << LOCAL_BITS | local);
    into->living++;
    into->longest = from->count > into->longest ? from->count : into->longest;
    return LOADER_DONE;
}

/* Fill one segment with the next patterns of *order*; *taken* receives how many. */
static loader_result filled(const loader *gathered, patterns *into, const ordered *order,
                            size_t left, size_t *taken)
{
    uint32_t patterns = 0, tokens = 0;
    while (patterns < left && patterns < SEGMENT_PATTERNS && tokens < SEGMENT_TOKENS) {
        tokens += gathered->patterns[order[patterns++].place].count;
    }
    segment *segment = patterns_new_segment(into);
    if (segment == NULL || segment_reserve(segment, patterns, tokens) < 0) {
        return LOADER_MEMORY;
    }
    for (uint32_t at = 0; at < patterns; at++) {
        loader_result result = append(into, segment, &gathered->patterns[order[at].place]);
        if (result != LOADER_DONE) {
            return result;
        }
    }
    *taken = patterns;
    return segment_index(segment, gathered->symbols.count) < 0 ? LOADER_MEMORY : LOADER_DONE;
}

loader_result loader_move(loader *gathered, patterns *into)
{
    ordered *order = in_order(gathered);
    loader_result result = order == NULL ? LOADER_MEMORY : LOADER_DONE;
    size_t taken = 0;
    for (size_t at = 0; result == LOADER_DONE && at < gathered->pattern_count; at += taken) {
        result = filled(gathered, into, order + at, gathered->pattern_count - at, &taken);
    }
    kato_free(order);
    if (result == LOADER_DONE) {
        into->counts = gathered->counts;
        memset(&gathered->counts, 0, sizeof(gathered->counts));
    }
    return result;
}

void loader_close(loader *gathered)
{
    for (size_t chunk = 0; chunk < gathered->chunk_count; chunk++) {
        kato_free(gathered->chunks[chunk]);
    }
    kato_free(gathered->chunks);
    kato_free(gathered->patterns);
    kato_free(gathered->staged);
    kato_free(gathered->last);
    counts_clear(&gathered->counts);
    interner_close(&gathered->symbols);
    memset(gathered, 0, sizeof(*gathered));
}
