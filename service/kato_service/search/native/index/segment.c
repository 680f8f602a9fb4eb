#include "index/segment.h"

#include <string.h>

segment *segment_new(uint32_t id)
{
    segment *fresh = kato_allocate_zeroed(1, sizeof(*fresh));
    if (fresh == NULL) {
        return NULL;
    }
    fresh->id = id;
    fresh->view.offsets = shared_new(sizeof(uint32_t) * 16);
    if (fresh->view.offsets == NULL) {
        kato_free(fresh);
        return NULL;
    }
    ((uint32_t *)shared_data(fresh->view.offsets))[0] = 0;
    return fresh;
}

void segment_free(segment *segment)
{
    if (segment != NULL) {
        segment_view_drop(&segment->view);
        shared_drop(segment->records);
        kato_free(segment);
    }
}

int segment_reserve(segment *segment, uint32_t patterns, uint32_t tokens)
{
    segment_view *view = &segment->view;
    size_t count = view->count, more = count + patterns;
    size_t used = view_offsets(view)[count];
    size_t record_bytes = sizeof(pattern_record);
    if (shared_reserve(&segment->records, count * record_bytes, more * record_bytes) < 0
        || shared_reserve(&view->tokens, used * 4, (used + tokens) * 4) < 0
        || shared_reserve(&view->offsets, (count + 1) * 4, (more + 1) * 4) < 0
        || shared_reserve(&view->frequencies, count * 4, more * 4) < 0
        || shared_reserve(&view->names, count * NAME_BYTES, more * NAME_BYTES) < 0) {
        return -1;
    }
    return 0;
}

uint32_t segment_append(segment *segment, const uint32_t *tokens, uint32_t count,
                        const uint8_t *name, uint32_t frequency)
{
    segment_view *view = &segment->view;
    uint32_t local = view->count;
    uint32_t *offsets = shared_data(view->offsets);
    uint32_t *stored = shared_data(view->tokens);
    memcpy(stored + offsets[local], tokens, (size_t)count * sizeof(*tokens));
    offsets[local + 1] = offsets[local] + count;
    view_frequencies(view)[local] = frequency;
    memcpy(view_name(view, local), name, NAME_BYTES);
    view->count++;
    return local;
}

int segment_is_full(const segment *segment)
{
    const segment_view *view = &segment->view;
    return view->count == SEGMENT_PATTERNS || view_offsets(view)[view->count] >= SEGMENT_TOKENS;
}

int segment_wants_postings(const segment *segment)
{
    const segment_view *view = &segment->view;
    uint32_t indexed = postings_in(view).patterns;
    const uint32_t *offsets = view_offsets(view);
    return view->count - indexed >= DELTA_PATTERNS
           || offsets[view->count] - offsets[indexed] >= DELTA_TOKENS;
}

void segment_seal(segment *segment)
{
    segment_view *view = &segment->view;
    size_t count = view->count;
    shared_trim(&view->tokens, view_offsets(view)[count] * sizeof(uint32_t));
    shared_trim(&view->offsets, (count + 1) * sizeof(uint32_t));
    shared_trim(&view->frequencies, count * sizeof(uint32_t));
    shared_trim(&view->names, count * NAME_BYTES);
    shared_trim(&segment->records, count * sizeof(pattern_record));
}

void segment_view_hold(segment_view *copy, const segment_view *view)
{
    *copy = *view;
    shared_hold(copy->tokens);
    shared_hold(copy->offsets);
    shared_hold(copy->frequencies);
    shared_hold(copy->names);
    shared_hold(copy->postings);
}

void segment_view_drop(segment_view *view)
{
    shared_drop(view->tokens);
    shared_drop(view->offsets);
    shared_drop(view->frequencies);
    shared_drop(view->names);
    shared_drop(view->postings);
}

static size_t block_bytes(const shared *block)
{
    return block == NULL ? 0 : sizeof(*block) + block->size;
}

size_t segment_bytes(const segment *segment)
{
    const segment_view *view = &segment->view;
    return sizeof(*segment) + block_bytes(view->tokens) + block_bytes(view->offsets)
           + block_bytes(view->frequencies) + block_bytes(view->names)
           + block_bytes(view->postings) + block_bytes(segment->records);
}
