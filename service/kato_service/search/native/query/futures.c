/* The futures that kept patterns expect, and their potentials (later-clients.md L2). */
#include <stdlib.h>
#include <string.h>

#include "query/later.h"

enum { FUTURE_STEPS = 4 }; /* steps that a symbol of a future counts for */

/* A table of places in `futures`, plus one; 0 is free. */
typedef struct {
    uint32_t *places;
    uint32_t capacity; /* a power of two, more than twice as many as futures */
} future_table;

static uint64_t mixed(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

uint64_t event_hash(present event)
{
    uint64_t sum = 0;
    for (uint32_t at = 0; at < event.count; at++) {
        sum += mixed(TOKEN_SYMBOL(event.tokens[at]) + 1);
    }
    return mixed(sum);
}

/* Equal for futures that are the same: the order of symbols inside an event makes no difference. */
static uint64_t hash_of(present part)
{
    uint64_t whole = 0, event = 0;
    for (uint32_t at = 0; at < part.count; at++) {
        if (part.tokens[at] & EVENT_START) {
            whole = mixed(whole + event);
            event = 0;
        }
        event += mixed(TOKEN_SYMBOL(part.tokens[at]) + 1);
    }
    return mixed(whole + event);
}

present future_part(const query *query, const kept *one)
{
    const segment_view *view = &query->frozen->segments[one->segment];
    const uint32_t *offsets = view_offsets(view);
    const uint32_t *tokens = view_tokens(view) + offsets[one->local];
    return (present){tokens + one->present_end,
                     offsets[one->local + 1] - offsets[one->local] - one->present_end};
}

int same_event(present left, present right, tally *occurrences)
{
    int same = left.count == right.count;
    for (uint32_t at = 0; at < left.count; at++) {
        occurrences[TOKEN_SYMBOL(left.tokens[at])]++;
    }
    for (uint32_t at = 0; same && at < right.count; at++) {
        same = occurrences[TOKEN_SYMBOL(right.tokens[at])] > 0;
        occurrences[TOKEN_SYMBOL(right.tokens[at])] -= (uint32_t)same;
    }
    for (uint32_t at = 0; at < left.count; at++) {
        occurrences[TOKEN_SYMBOL(left.tokens[at])] = 0;
    }
    return same;
}

static int same_future(present left, present right, tally *occurrences)
{
    if (left.count != right.count) {
        return 0;
    }
    if (memcmp(left.tokens, right.tokens, left.count * sizeof(uint32_t)) == 0) {
        return 1;
    }
    for (uint32_t at = 0; at < left.count; at++) {
        if ((left.tokens[at] ^ right.tokens[at]) & EVENT_START) {
            return 0;
        }
    }
    for (uint32_t begin = 0, end = 1; begin < left.count; begin = end, end = begin + 1) {
        while (end < left.count && !(left.tokens[end] & EVENT_START)) {
            end++;
        }
        present one = {left.tokens + begin, end - begin}, other = {right.tokens + begin, end - begin};
        if (!same_event(one, other, occurrences)) {
            return 0;
        }
    }
    return 1;
}

/* Make the table twice as large, and `futures` half of that. -1: no memory. */
static int grow(later *later, future_table *table)
{
    uint32_t capacity = table->capacity ? table->capacity * 2 : 64;
    uint32_t *places = kato_allocate_zeroed(capacity, sizeof(*places));
    future *futures = kato_resize(later->futures, capacity / 2, sizeof(*futures));
    later->futures = futures != NULL ? futures : later->futures;
    if (places == NULL || futures == NULL) {
        kato_free(places);
        return -1;
    }
    for (uint32_t number = 0; number < later->future_count; number++) {
        uint32_t at = (uint32_t)futures[number].hash & (capacity - 1);
        while (places[at] != 0) {
            at = (at + 1) & (capacity - 1);
        }
        places[at] = number + 1;
    }
    kato_free(table->places);
    *table = (future_table){places, capacity};
    return 0;
}

/* The place of the future of a kept pattern, which is new if no other expects it. */
static uint32_t placed(query *query, future_table *table, uint32_t number, present part)
{
    later *later = &query->later;
    uint64_t hash = hash_of(part);
    uint32_t at = (uint32_t)hash & (table->capacity - 1);
    for (; table->places[at] != 0; at = (at + 1) & (table->capacity - 1)) {
        const future *known = &later->futures[table->places[at] - 1];
        if (known->hash != hash) {
            continue;
        }
        align_expired(&query->scratch, part.count);
        if (same_future(future_part(query, &later->kept[known->first]), part,
                        query->occurrences)) {
            return table->places[at] - 1;
        }
    }
    later->futures[later->future_count] = (future){.hash = hash, .first = number};
    table->places[at] = ++later->future_count;
    return later->future_count - 1;
}

int futures_find(query *query)
{
    later *later = &query->later;
    future_table table = {NULL, 0};
    int failed = 0;
    for (uint32_t number = 0; number < later->count && !failed; number++) {
        kept *one = &later->kept[number];
        present part = future_part(query, one);
        failed = align_expired(&query->scratch, (uint64_t)FUTURE_STEPS * (part.count + 1));
        if (part.count == 0 || failed) {
            continue;
        }
        if (later->future_count >= table.capacity / 2 && grow(later, &table) < 0) {
            failed = 1;
            continue;
        }
        one->future = placed(query, &table, number, part);
        later->futures[one->future].patterns++;
        later->futures[one->future].weight += weight_of(query, one);
    }
    kato_free(table.places);
    for (uint32_t number = 0; number < later->future_count; number++) {
        later->future_weight += later->futures[number].weight;
    }
    return failed ? -1 : 0;
}

/* The greatest potential first; equal ones by their first-learned patterns. */
static int compare(const void *left, const void *right)
{
    const future *a = left, *b = right;
    if (a->potential != b->potential) {
        return a->potential < b->potential ? 1 : -1;
    }
    return (a->first > b->first) - (a->first < b->first);
}

void futures_sort(query *query)
{
    later *later = &query->later;
    for (uint32_t number = 0; number < later->future_count; number++) {
        future *one = &later->futures[number];
        one->potential = share_of(one->weight, later->future_weight);
    }
    if (query->total_frequency == 0) {
        later->future_count = 0;
    }
    if (later->future_count > 1) {
        qsort(later->futures, later->future_count, sizeof(future), compare);
    }
}
