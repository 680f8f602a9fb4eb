#include "index/patterns.h"

#include <stdlib.h>
#include <string.h>

#include "index/compaction.h"

static segment *segment_of(const patterns *all, uint32_t slot)
{
    return all->registry[slot >> LOCAL_BITS];
}

static uint32_t slot_of(const segment *segment, uint32_t local)
{
    return segment->id << LOCAL_BITS | local;
}

static const uint8_t *name_at(const void *owner, uint32_t slot)
{
    const segment *found = segment_of(owner, slot);
    return view_name(&found->view, slot & (SEGMENT_PATTERNS - 1));
}

int patterns_open(patterns *all)
{
    memset(all, 0, sizeof(*all));
    all->names.read = name_at;
    all->names.owner = all;
    all->symbols = symbols_new();
    return all->symbols == NULL ? -1 : 0;
}

void patterns_close(patterns *all)
{
    for (uint32_t place = 0; place < all->order_count; place++) {
        segment_free(all->order[place]);
    }
    kato_free(all->order);
    kato_free(all->registry);
    names_clear(&all->names);
    counts_clear(&all->counts);
    symbols_drop(all->symbols);
    all->order = all->registry = NULL;
    all->order_count = all->registry_count = 0;
    all->symbols = NULL;
}

int patterns_clear(patterns *all)
{
    symbol_table *fresh = symbols_new();
    if (fresh == NULL) {
        return -1;
    }
    patterns_close(all);
    all->symbols = fresh;
    all->living = all->longest = 0;
    return 0;
}

int64_t patterns_free_id(patterns *all)
{
    for (uint32_t id = 0; id < all->registry_count; id++) {
        if (all->registry[id] == NULL) {
            return id;
        }
    }
    if (all->registry_count >= NO_SLOT >> LOCAL_BITS) {
        return -1;
    }
    segment **registry = kato_resize(all->registry, all->registry_count + 1, sizeof(*registry));
    if (registry == NULL) {
        return -1;
    }
    registry[all->registry_count] = NULL;
    all->registry = registry;
    return all->registry_count++;
}

segment *patterns_new_segment(patterns *all)
{
    int64_t id = patterns_free_id(all);
    segment **order = kato_resize(all->order, all->order_count + 1, sizeof(*order));
    if (order == NULL) {
        return NULL;
    }
    all->order = order;
    segment *fresh = id < 0 ? NULL : segment_new((uint32_t)id);
    if (fresh != NULL) {
        all->registry[id] = fresh;
        all->order[all->order_count++] = fresh;
    }
    return fresh;
}

/* The segment for the next pattern; NULL: no memory. */
static segment *open_segment(patterns *all)
{
    if (all->order_count > 0) {
        segment *last = all->order[all->order_count - 1];
        if (!segment_is_full(last)) {
            return last;
        }
    }
    return patterns_new_segment(all);
}

/* The number of symbols in *events*; -1 with an exception set: they are not a pattern's. */
static int64_t symbols_in(PyObject *events)
{
    int64_t total = 0;
    if (!PyTuple_Check(events) || PyTuple_Size(events) == 0) {
        PyErr_SetString(PyExc_TypeError, "a pattern is a tuple of at least one event");
        return -1;
    }
    for (Py_ssize_t event = 0; event < PyTuple_Size(events); event++) {
        PyObject *members = PyTuple_GetItem(events, event);
        if (!PyTuple_Check(members) || PyTuple_Size(members) == 0) {
            PyErr_SetString(PyExc_TypeError, "an event is a tuple of at least one symbol");
            return -1;
        }
        total += PyTuple_Size(members);
    }
    if (total >= MAX_PATTERN_SYMBOLS) {
        PyErr_SetString(PyExc_ValueError, "a pattern must have fewer than 2**28 symbols");
        return -1;
    }
    return total;
}

/* The tokens of *events*, a tuple of tuples of str; NULL with an exception set. */
static uint32_t *tokens_of(symbol_table *symbols, PyObject *events, uint32_t *count)
{
    int64_t total = symbols_in(events);
    if (total < 0) {
        return NULL;
    }
    uint32_t *tokens = kato_allocate((size_t)total, sizeof(*tokens)), *next = tokens;
    if (tokens == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t event = 0; event < PyTuple_Size(events); event++) {
        PyObject *members = PyTuple_GetItem(events, event);
        for (Py_ssize_t at = 0; at < PyTuple_Size(members); at++) {
            int64_t number = symbols_intern(symbols, PyTuple_GetItem(members, at));
            if (number < 0) {
                kato_free(tokens);
                return NULL;
            }
            *next++ = (uint32_t)number | (at == 0 ? EVENT_START : 0);
        }
    }
    *count = (uint32_t)total;
    return tokens;
}

static int compare_numbers(const void *left, const void *right)
{
    uint32_t a = TOKEN_SYMBOL(*(const uint32_t *)left), b = TOKEN_SYMBOL(*(const uint32_t *)right);
    return (a > b) - (a < b);
}

/* The distinct symbols of *tokens*, whose counts can be changed afterwards; NULL: no memory. */
static uint32_t *counted_symbols(patterns *all, const uint32_t *tokens, uint32_t count,
                                 uint32_t *distinct)
{
    uint32_t *sorted = kato_allocate(count, sizeof(*sorted));
    if (sorted == NULL || counts_reserve(&all->counts, all->symbols->count) < 0) {
        kato_free(sorted);
        return NULL;
    }
    memcpy(sorted, tokens, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_numbers);
    *distinct = 0;
    for (uint32_t at = 0; at < count; at++) {
        uint32_t symbol = TOKEN_SYMBOL(sorted[at]);
        if (*distinct > 0 && sorted[*distinct - 1] == symbol) {
            continue;
        }
        if (counts_own(&all->counts, symbol) < 0) {
            kato_free(sorted);
            return NULL;
        }
        sorted[(*distinct)++] = symbol;
    }
    return sorted;
}

/* *symbols*: the distinct ones of *tokens*, from `counted_symbols`. Cannot fail. */
static void count_learns(symbol_counts *counts, const uint32_t *tokens, uint32_t count,
                         const uint32_t *symbols, uint32_t distinct, int64_t learns)
{
    for (uint32_t at = 0; at < distinct; at++) {
        counts_add(counts, symbols[at], learns, 0);
    }
    for (uint32_t at = 0; at < count; at++) {
        counts_raise(&counts->occurrences[TOKEN_SYMBOL(tokens[at])], learns);
    }
    counts_raise(&counts->learns, learns);
    counts_raise(&counts->distinct, learns * distinct);
    counts_raise(&counts->total, learns * count);
}

/* Index new patterns and give back spare room. Without memory that waits for the next pattern. */
static void tidied(patterns *all, segment *segment)
{
    int full = segment_is_full(segment);
    if (full || segment_wants_postings(segment)) {
        (void)segment_index(segment, all->symbols->count);
    }
    if (full) {
        segment_seal(segment);
    }
}

/* Add a new pattern: first everything that may fail, then everything that cannot. */
static int added(patterns *all, const uint32_t *tokens, uint32_t count, const pattern_facts *facts)
{
    uint32_t distinct = 0;
    segment *last = open_segment(all);
    if (last == NULL || segment_reserve(last, 1, count) < 0
        || names_reserve(&all->names, facts->name) < 0) {
        return -1;
    }
    uint32_t *symbols = counted_symbols(all, tokens, count, &distinct);
    if (symbols == NULL) {
        return -1;
    }
    uint32_t local = segment_append(last, tokens, count, facts->name, facts->frequency);
    segment_records(last)[local] = facts->record;
    names_set(&all->names, facts->name, slot_of(last, local));
    count_learns(&all->counts, tokens, count, symbols, distinct, facts->counted);
    kato_free(symbols);
    all->living++;
    all->longest = count > all->longest ? count : all->longest;
    tidied(all, last);
    return 0;
}

/* Change the facts of a known pattern, in the same order. */
static int changed(patterns *all, segment *found, uint32_t local, const pattern_facts *facts)
{
    const uint32_t *offsets = view_offsets(&found->view);
    const uint32_t *tokens = view_tokens(&found->view) + offsets[local];
    uint32_t count = offsets[local + 1] - offsets[local];
    uint32_t distinct = 0, *symbols = NULL;
    if (facts->counted > 0) {
        symbols = counted_symbols(all, tokens, count, &distinct);
        if (symbols == NULL) {
            return -1;
        }
    }
    int is_new = view_frequencies(&found->view)[local] != facts->frequency;
    /* Frozen copies read frequencies, so those are copied before they change, if any are held. */
    if (shared_own(&found->records) < 0
        || (is_new && shared_own(&found->view.frequencies) < 0)) {
        kato_free(symbols);
        return -1;
    }
    if (is_new) {
        view_frequencies(&found->view)[local] = facts->frequency;
    }
    segment_records(found)[local] = facts->record;
    if (facts->counted > 0) {
        count_learns(&all->counts, tokens, count, symbols, distinct, facts->counted);
    }
    kato_free(symbols);
    return 0;
}

/* Add a new pattern; -1: an exception is set. */
static int added_events(patterns *all, PyObject *events, const pattern_facts *facts)
{
    uint32_t count = 0;
    uint32_t *tokens = tokens_of(all->symbols, events, &count);
    if (tokens == NULL) {
        return -1;
    }
    int failed = added(all, tokens, count, facts);
    kato_free(tokens);
    if (failed) {
        PyErr_NoMemory();
    }
    return failed;
}

int patterns_put(patterns *all, PyObject *events, const pattern_facts *facts)
{
    uint32_t local;
    segment *found = patterns_find(all, facts->name, &local);
    if (found != NULL) {
        if (changed(all, found, local, facts) < 0) {
            PyErr_NoMemory();
            return -1;
        }
        return 0;
    }
    return added_events(all, events, facts);
}

int patterns_add(patterns *all, PyObject *events, const pattern_facts *facts)
{
    uint32_t local;
    if (patterns_find(all, facts->name, &local) != NULL) {
        return 0;
    }
    return added_events(all, events, facts) < 0 ? -1 : 1;
}

int patterns_remove(patterns *all, const uint8_t *name)
{
    uint32_t local;
    segment *found = patterns_find(all, name, &local);
    if (found == NULL) {
        return 0;
    }
    if (shared_own(&found->view.frequencies) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    names_remove(&all->names, name);
    view_frequencies(&found->view)[local] = REMOVED;
    found->removed++;
    all->living--;
    compact_around(all, found);
    return 1;
}

segment *patterns_find(const patterns *all, const uint8_t *name, uint32_t *local)
{
    uint32_t slot = names_find(&all->names, name);
    if (slot == NO_SLOT) {
        return NULL;
    }
    *local = slot & (SEGMENT_PATTERNS - 1);
    return segment_of(all, slot);
}

uint32_t patterns_place_after(const segment *segment, uint64_t first)
{
    uint32_t low = 0, high = segment->view.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (segment_records(segment)[middle].first <= first) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t patterns_after(const patterns *all, uint64_t first, uint32_t limit, pattern_place *out)
{
    uint32_t found = 0;
    for (uint32_t place = 0; place < all->order_count && found < limit; place++) {
        const segment *segment = all->order[place];
        const uint32_t *frequencies = view_frequencies(&segment->view);
        uint32_t local = patterns_place_after(segment, first);
        for (; local < segment->view.count && found < limit; local++) {
            if (frequencies[local] != REMOVED) {
                out[found++] = (pattern_place){segment, local};
            }
        }
    }
    return found;
}

uint32_t patterns_until(const patterns *all, uint64_t first)
{
    uint32_t found = 0;
    for (uint32_t place = 0; place < all->order_count; place++) {
        const segment *segment = all->order[place];
        const uint32_t *frequencies = view_frequencies(&segment->view);
        uint32_t end = patterns_place_after(segment, first);
        if (end == segment->view.count) {
            found += end - segment->removed;
            continue;
        }
        for (uint32_t local = 0; local < end; local++) {
            found += frequencies[local] != REMOVED;
        }
        break;
    }
    return found;
}

size_t patterns_bytes(const patterns *all)
{
    size_t bytes = sizeof(*all) + names_bytes(&all->names)
                   + counts_bytes(&all->counts) + symbols_bytes(all->symbols);
    for (uint32_t place = 0; place < all->order_count; place++) {
        bytes += segment_bytes(all->order[place]);
    }
    return bytes;
}
