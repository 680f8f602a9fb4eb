#include "index/counts.h"

#include <string.h>

/* Replace the first page by one for *capacity* symbols. -1: no memory, and nothing has changed. */
static int grow_first(symbol_counts *counts, uint32_t capacity)
{
    shared *known = counts->page_count ? counts->pages[0] : NULL;
    size_t used = known != NULL ? known->size : 0, size = capacity * sizeof(int64_t);
    if (used >= size) {
        return 0;
    }
    shared *page = shared_new(size);
    if (page == NULL) {
        return -1;
    }
    if (used > 0) {
        memcpy(shared_data(page), shared_data(known), used);
    }
    memset((char *)shared_data(page) + used, 0, size - used);
    shared_drop(known);
    counts->pages[0] = page;
    counts->page_count = counts->page_count ? counts->page_count : 1;
    return 0;
}

/* Make pages for *capacity* symbols. -1: no memory; the pages that there are can be used. */
static int reserve_pages(symbol_counts *counts, uint32_t capacity)
{
    uint32_t required = (capacity + COUNTS_PER_PAGE - 1) / COUNTS_PER_PAGE;
    shared **pages = kato_resize(counts->pages, required, sizeof(*pages));
    if (pages == NULL) {
        return -1;
    }
    counts->pages = pages;
    if (grow_first(counts, capacity < COUNTS_PER_PAGE ? capacity : COUNTS_PER_PAGE) < 0) {
        return -1;
    }
    while (counts->page_count < required) {
        shared *page = shared_new(COUNTS_PER_PAGE * sizeof(int64_t));
        if (page == NULL) {
            return -1;
        }
        memset(shared_data(page), 0, page->size);
        pages[counts->page_count++] = page;
    }
    return 0;
}

int counts_reserve(symbol_counts *counts, uint32_t count)
{
    uint32_t step = count <= COUNTS_PER_PAGE ? COUNTS_AT_ONCE : COUNTS_PER_PAGE;
    uint32_t known = counts->capacity, capacity = (count + step - 1) / step * step;
    if (count <= known) {
        return 0;
    }
    int64_t *occurrences = kato_resize(counts->occurrences, capacity, sizeof(*occurrences));
    if (occurrences == NULL) {
        return -1;
    }
    memset(occurrences + known, 0, (capacity - known) * sizeof(*occurrences));
    counts->occurrences = occurrences;
    if (reserve_pages(counts, capacity) < 0) {
        return -1;
    }
    counts->capacity = capacity;
    return 0;
}

int counts_own(symbol_counts *counts, uint32_t number)
{
    return shared_own(&counts->pages[number / COUNTS_PER_PAGE]);
}

void counts_add(symbol_counts *counts, uint32_t number, int64_t patterns, int64_t occurrences)
{
    int64_t *page = shared_data(counts->pages[number / COUNTS_PER_PAGE]);
    int64_t *count = &page[number % COUNTS_PER_PAGE];
    int was_there = *count > 0;
    counts_raise(count, patterns);
    counts->symbols = counts->symbols + (*count > 0) - was_there;
    counts_raise(&counts->occurrences[number], occurrences);
}

int counts_copy(symbol_counts *copy, const symbol_counts *counts, int with_occurrences)
{
    size_t symbols = counts->capacity;
    *copy = *counts;
    copy->occurrences = NULL;
    copy->pages = kato_allocate(counts->page_count, sizeof(*copy->pages));
    if (copy->pages != NULL && with_occurrences) {
        copy->occurrences = kato_allocate(symbols, sizeof(*copy->occurrences));
    }
    if (copy->pages == NULL || (with_occurrences && copy->occurrences == NULL)) {
        kato_free(copy->pages);
        copy->pages = NULL;
        copy->page_count = copy->capacity = 0;
        return -1;
    }
    if (with_occurrences && symbols > 0) {
        memcpy(copy->occurrences, counts->occurrences, symbols * sizeof(*copy->occurrences));
    }
    for (uint32_t page = 0; page < counts->page_count; page++) {
        copy->pages[page] = shared_hold(counts->pages[page]);
    }
    return 0;
}

void counts_clear(symbol_counts *counts)
{
    for (uint32_t page = 0; page < counts->page_count; page++) {
        shared_drop(counts->pages[page]);
    }
    kato_free(counts->pages);
    kato_free(counts->occurrences);
    memset(counts, 0, sizeof(*counts));
}

size_t counts_bytes(const symbol_counts *counts)
{
    return (size_t)counts->capacity * 2 * sizeof(int64_t);
}
