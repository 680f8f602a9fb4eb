#include "stored/dump.h"

#include <string.h>

/* Sizes of the numbers before the arrays, and of a pattern without its tokens. */
enum { HEADER_BYTES = 8, PATTERN_BYTES = 8 + 8 + 4 + 4 + 4 + NAME_BYTES };

int dump_open(dump *opened, const patterns *all)
{
    memset(opened, 0, sizeof(*opened));
    if (frozen_open(&opened->taken, all, 0) < 0) {
        return -1;
    }
    uint32_t room = all->counts.capacity;
    uint32_t count = room < all->symbols->count ? room : all->symbols->count;
    opened->records = kato_allocate(all->order_count, sizeof(*opened->records));
    opened->occurrences = kato_allocate(count, sizeof(*opened->occurrences));
    if (opened->records == NULL || opened->occurrences == NULL) {
        kato_free(opened->records);
        opened->records = NULL;
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t place = 0; place < all->order_count; place++) {
        opened->records[place] = shared_hold(all->order[place]->records);
    }
    if (count != 0) {
        memcpy(opened->occurrences, all->counts.occurrences, count * sizeof(int64_t));
    }
    opened->occurrence_count = count;
    return 0;
}

void dump_close(dump *opened)
{
    for (uint32_t place = 0; opened->records != NULL && place < opened->taken.segment_count;
         place++) {
        shared_drop(opened->records[place]);
    }
    kato_free(opened->records);
    kato_free(opened->occurrences);
    frozen_close(&opened->taken);
    memset(opened, 0, sizeof(*opened));
}

size_t dump_segment_bytes(const dump *from, uint32_t place)
{
    const segment_view *view = &from->taken.segments[place];
    size_t tokens = view_offsets(view)[view->count];
    return HEADER_BYTES + (size_t)view->count * PATTERN_BYTES + tokens * 4;
}

static uint8_t *put(uint8_t *out, const void *from, size_t bytes)
{
    if (bytes != 0) {
        memcpy(out, from, bytes);
    }
    return out + bytes;
}

void dump_segment(const dump *from, uint32_t place, uint8_t *out)
{
    const segment_view *view = &from->taken.segments[place];
    const pattern_record *records = shared_data(from->records[place]);
    uint32_t count = view->count, tokens = view_offsets(view)[count];
    out = put(out, &count, 4);
    out = put(out, &tokens, 4);
    for (uint32_t local = 0; local < count; local++) {
        out = put(out, &records[local].first, 8);
    }
    for (uint32_t local = 0; local < count; local++) {
        out = put(out, &records[local].revision, 8);
    }
    for (uint32_t local = 0; local < count; local++) {
        out = put(out, &records[local].learns, 4);
    }
    out = put(out, view_frequencies(view), (size_t)count * 4);
    out = put(out, view_offsets(view) + 1, (size_t)count * 4);
    out = put(out, view_name(view, 0), (size_t)count * NAME_BYTES);
    (void)put(out, view_tokens(view), (size_t)tokens * 4);
}

static const uint8_t *get(const uint8_t *from, void *into, size_t bytes)
{
    memcpy(into, from, bytes);
    return from + bytes;
}

/* Copy the arrays into a segment with room for them; the content is checked afterwards. */
static void copied(segment *segment, const uint8_t *from, uint32_t count, uint32_t tokens)
{
    segment_view *view = &segment->view;
    pattern_record *records = segment_records(segment);
    memset(records, 0, (size_t)count * sizeof(*records));
    for (uint32_t local = 0; local < count; local++) {
        from = get(from, &records[local].first, 8);
    }
    for (uint32_t local = 0; local < count; local++) {
        from = get(from, &records[local].revision, 8);
    }
    for (uint32_t local = 0; local < count; local++) {
        from = get(from, &records[local].learns, 4);
    }
    from = get(from, view_frequencies(view), (size_t)count * 4);
    from = get(from, (uint32_t *)shared_data(view->offsets) + 1, (size_t)count * 4);
    from = get(from, view_name(view, 0), (size_t)count * NAME_BYTES);
    (void)get(from, shared_data(view->tokens), (size_t)tokens * 4);
}

/* Whether the tokens are those of whole patterns, start events, and have known symbols. */
static int tokens_are_sound(const segment_view *view, uint32_t count, uint32_t tokens,
                            uint32_t symbol_count)
{
    const uint32_t *offsets = view_offsets(view), *all = view_tokens(view);
    for (uint32_t local = 0; local < count; local++) {
        if (offsets[local + 1] <= offsets[local] || offsets[local + 1] > tokens
            || offsets[local + 1] - offsets[local] >= MAX_PATTERN_SYMBOLS
            || !(all[offsets[local]] & EVENT_START)) {
            return 0;
        }
    }
    for (uint32_t at = 0; at < tokens; at++) {
        if (TOKEN_SYMBOL(all[at]) >= symbol_count) {
            return 0;
        }
    }
    return offsets[count] == tokens;
}

/* Whether the patterns of the last segment are in order of first learns, after all before. */
static int firsts_ascend(const patterns *into, uint32_t count)
{
    const pattern_record *records = segment_records(into->order[into->order_count - 1]);
    uint64_t before = 0;
    for (uint32_t place = into->order_count - 1; place > 0 && before == 0; place--) {
        const segment *known = into->order[place - 1];
        if (known->view.count != 0) {
            before = segment_records(known)[known->view.count - 1].first;
        }
    }
    for (uint32_t local = 0; local < count; local++) {
        if (records[local].first <= before) {
            return 0;
        }
        before = records[local].first;
    }
    return 1;
}

/* Register the names of a segment; a name that is there already means damage. */
static restore_result named(patterns *into, segment *segment)
{
    const uint32_t *frequencies = view_frequencies(&segment->view);
    const uint32_t *offsets = view_offsets(&segment->view);
    for (uint32_t local = 0; local < segment->view.count; local++) {
        const uint8_t *name = view_name(&segment->view, local);
        uint32_t size = offsets[local + 1] - offsets[local];
        into->longest = size > into->longest ? size : into->longest;
        if (frequencies[local] == REMOVED) {
            segment->removed++;
            continue;
        }
        if (names_find(&into->names, name) != NO_SLOT) {
            return RESTORE_DAMAGED;
        }
        if (names_reserve(&into->names, name) < 0) {
            return RESTORE_MEMORY;
        }
        names_set(&into->names, name, segment->id << LOCAL_BITS | local);
        into->living++;
    }
    return RESTORED;
}

restore_result restore_segment(patterns *into, const uint8_t *bytes, size_t size)
{
    uint32_t count, tokens;
    if (size < HEADER_BYTES) {
        return RESTORE_DAMAGED;
    }
    /* The sizes are checked before anything is allocated: they may be anything. */
    memcpy(&count, bytes, 4);
    memcpy(&tokens, bytes + 4, 4);
    if (count > SEGMENT_PATTERNS
        || size != HEADER_BYTES + (size_t)count * PATTERN_BYTES + (size_t)tokens * 4) {
        return RESTORE_DAMAGED;
    }
    if (count == 0) {
        return tokens == 0 ? RESTORED : RESTORE_DAMAGED;
    }
    segment *segment = patterns_new_segment(into);
    if (segment == NULL || segment_reserve(segment, count, tokens) < 0) {
        return RESTORE_MEMORY;
    }
    copied(segment, bytes + HEADER_BYTES, count, tokens);
    if (!tokens_are_sound(&segment->view, count, tokens, into->symbols->count)
        || !firsts_ascend(into, count)) {
        return RESTORE_DAMAGED;
    }
    segment->view.count = count;
    restore_result result = named(into, segment);
    if (result == RESTORED && segment_index(segment, into->symbols->count) < 0) {
        return RESTORE_MEMORY;
    }
    return result;
}
