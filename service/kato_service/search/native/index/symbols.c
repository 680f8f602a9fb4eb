#include "index/symbols.h"

#include <string.h>

#define FREE_PLACE UINT64_MAX

symbol_table *symbols_new(void)
{
    symbol_table *table = kato_allocate_zeroed(1, sizeof(*table));
    if (table == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    table->holders = 1;
    return table;
}

symbol_table *symbols_hold(symbol_table *table)
{
    table->holders++;
    return table;
}

void symbols_drop(symbol_table *table)
{
    if (table == NULL || --table->holders != 0) {
        return;
    }
    for (int shard = 0; shard < SYMBOL_SHARDS; shard++) {
        kato_free(table->shards[shard].places);
    }
    for (uint32_t number = 0; number < table->count; number++) {
        Py_DECREF(table->objects[number]);
    }
    kato_free(table->objects);
    kato_free(table);
}

/* The shard is chosen by high bits of the hash, the place in it by low ones. */
static uint32_t shard_of(size_t hash)
{
    return (uint32_t)(hash >> (sizeof(hash) * 8 - SHARD_BITS));
}

/*
 * The place of the symbol in the shard, or the free place where the probe for it ends; -1 with an
 * exception set. *symbol* is a str, so hashing and comparing it runs no code of others.
 */
static int64_t place_of(const symbol_table *table, const symbol_shard *shard, uint32_t hash,
                        PyObject *symbol)
{
    uint32_t mask = shard->capacity - 1, place = hash & mask;
    for (;; place = (place + 1) & mask) {
        uint64_t entry = shard->places[place];
        if (entry == FREE_PLACE) {
            return place;
        }
        if (entry >> 32 != hash) {
            continue;
        }
        int equal = PyObject_RichCompareBool(table->objects[(uint32_t)entry], symbol, Py_EQ);
        if (equal != 0) {
            return equal < 0 ? -1 : (int64_t)place;
        }
    }
}

int64_t symbols_find(const symbol_table *table, PyObject *symbol)
{
    if (!PyUnicode_CheckExact(symbol)) {
        PyErr_SetString(PyExc_TypeError, "a symbol is a str");
        return -2;
    }
    size_t hash = (size_t)PyObject_Hash(symbol);
    const symbol_shard *shard = &table->shards[shard_of(hash)];
    if (shard->capacity == 0) {
        return -1;
    }
    int64_t place = place_of(table, shard, (uint32_t)hash, symbol);
    if (place < 0) {
        return -2;
    }
    uint64_t entry = shard->places[place];
    return entry == FREE_PLACE ? -1 : (int64_t)(uint32_t)entry;
}

static void add_entry(symbol_shard *shard, uint64_t entry)
{
    uint32_t mask = shard->capacity - 1, place = (uint32_t)(entry >> 32) & mask;
    while (shard->places[place] != FREE_PLACE) {
        place = (place + 1) & mask;
    }
    shard->places[place] = entry;
    shard->used++;
}

/* Make room for one more entry. -1: no memory, and nothing has changed. */
static int reserve_entry(symbol_shard *shard)
{
    if (((uint64_t)shard->used + 1) * 4 <= (uint64_t)shard->capacity * 3) {
        return 0;
    }
    symbol_shard grown = {.capacity = shard->capacity ? shard->capacity * 2 : 4};
    grown.places = kato_allocate(grown.capacity, sizeof(*grown.places));
    if (grown.places == NULL) {
        return -1;
    }
    memset(grown.places, 0xff, grown.capacity * sizeof(*grown.places));
    for (uint32_t place = 0; place < shard->capacity; place++) {
        if (shard->places[place] != FREE_PLACE) {
            add_entry(&grown, shard->places[place]);
        }
    }
    kato_free(shard->places);
    *shard = grown;
    return 0;
}

/* Make room for one more number. -1 with an exception set. */
static int room_for_one(symbol_table *table)
{
    if (table->count < table->capacity) {
        return 0;
    }
    uint32_t capacity = table->capacity ? table->capacity + table->capacity / 2 : 64;
    PyObject **objects = kato_resize(table->objects, capacity, sizeof(*objects));
    if (objects == NULL || table->count >= MAX_SYMBOLS) {
        table->objects = objects != NULL ? objects : table->objects;
        PyErr_NoMemory();
        return -1;
    }
    table->objects = objects;
    table->capacity = capacity;
    return 0;
}

/* The size of a str in CPython: a header, and 1, 2 or 4 bytes per character and for the end. */
static size_t string_bytes(PyObject *symbol)
{
    Py_ssize_t length = PyUnicode_GetLength(symbol);
    Py_UCS4 highest = 0;
    for (Py_ssize_t at = 0; at < length; at++) {
        Py_UCS4 character = PyUnicode_ReadChar(symbol, at);
        highest = character > highest ? character : highest;
    }
    size_t width = highest < 256 ? 1 : highest < 65536 ? 2 : 4;
    return (highest < 128 ? 48 : 72) + ((size_t)length + 1) * width;
}

int64_t symbols_intern(symbol_table *table, PyObject *symbol)
{
    int64_t known = symbols_find(table, symbol);
    if (known != -1) {
        return known;
    }
    if (room_for_one(table) < 0) {
        return -2;
    }
    size_t hash = (size_t)PyObject_Hash(symbol);
    symbol_shard *shard = &table->shards[shard_of(hash)];
    if (reserve_entry(shard) < 0) {
        PyErr_NoMemory();
        return -2;
    }
    add_entry(shard, (uint64_t)(uint32_t)hash << 32 | table->count);
    table->objects[table->count] = Py_NewRef(symbol);
    table->string_bytes += string_bytes(symbol);
    return table->count++;
}

size_t symbols_bytes(const symbol_table *table)
{
    size_t bytes = sizeof(*table) + table->string_bytes + table->capacity * sizeof(PyObject *);
    for (int shard = 0; shard < SYMBOL_SHARDS; shard++) {
        bytes += table->shards[shard].capacity * sizeof(uint64_t);
    }
    return bytes;
}

static int reserve_pages(symbol_counts *counts, uint32_t required)
{
    shared **pages = kato_resize(counts->pages, required, sizeof(*pages));
    if (pages == NULL) {
        return -1;
    }
    counts->pages = pages;
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
    uint32_t known = counts->page_count;
    uint32_t required = (count + COUNTS_PER_PAGE - 1) / COUNTS_PER_PAGE;
    if (required <= known) {
        return 0;
    }
    size_t page_bytes = COUNTS_PER_PAGE * sizeof(int64_t);
    int64_t *occurrences = kato_resize(counts->occurrences, required, page_bytes);
    if (occurrences == NULL) {
        return -1;
    }
    memset((char *)occurrences + known * page_bytes, 0, (required - known) * page_bytes);
    counts->occurrences = occurrences;
    return reserve_pages(counts, required);
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
    size_t symbols = (size_t)counts->page_count * COUNTS_PER_PAGE;
    *copy = *counts;
    copy->occurrences = NULL;
    copy->pages = kato_allocate(counts->page_count, sizeof(*copy->pages));
    if (copy->pages != NULL && with_occurrences) {
        copy->occurrences = kato_allocate(symbols, sizeof(*copy->occurrences));
    }
    if (copy->pages == NULL || (with_occurrences && copy->occurrences == NULL)) {
        kato_free(copy->pages);
        copy->pages = NULL;
        copy->page_count = 0;
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
    return (size_t)counts->page_count * COUNTS_PER_PAGE * 2 * sizeof(int64_t);
}
