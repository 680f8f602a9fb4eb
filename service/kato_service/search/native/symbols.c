#include "symbols.h"

#include <string.h>

symbol_table *symbols_new(void)
{
    symbol_table *table = kato_allocate_zeroed(1, sizeof(*table));
    if (table == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    table->holders = 1;
    for (int shard = 0; shard < SYMBOL_SHARDS; shard++) {
        table->numbers[shard] = PyDict_New();
        if (table->numbers[shard] == NULL) {
            symbols_drop(table);
            return NULL;
        }
    }
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
        Py_XDECREF(table->numbers[shard]);
    }
    kato_free(table->objects);
    kato_free(table);
}

/* By high bits of the hash; a dict uses the low ones. Of a str, which hashes without fail. */
static PyObject *shard_of(const symbol_table *table, PyObject *symbol)
{
    size_t hash = (size_t)PyObject_Hash(symbol);
    return table->numbers[hash >> (sizeof(hash) * 8 - SHARD_BITS)];
}

int64_t symbols_find(const symbol_table *table, PyObject *symbol)
{
    if (!PyUnicode_CheckExact(symbol)) {
        PyErr_SetString(PyExc_TypeError, "a symbol is a str");
        return -2;
    }
    PyObject *number = PyDict_GetItemWithError(shard_of(table, symbol), symbol);
    if (number != NULL) {
        return (int64_t)PyLong_AsLong(number);
    }
    return PyErr_Occurred() ? -2 : -1;
}

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

/* What CPython takes for a str: a header and 1, 2 or 4 bytes for each character and an end. */
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
    PyObject *number = PyLong_FromUnsignedLong(table->count);
    if (number == NULL) {
        return -2;
    }
    int failed = PyDict_SetItem(shard_of(table, symbol), symbol, number);
    Py_DECREF(number);
    if (failed) {
        return -2;
    }
    table->objects[table->count] = symbol;
    table->string_bytes += string_bytes(symbol);
    return table->count++;
}

static int reserve_pages(symbol_counts *counts, uint32_t wanted)
{
    shared **pages = kato_resize(counts->pages, wanted, sizeof(*pages));
    if (pages == NULL) {
        return -1;
    }
    counts->pages = pages;
    while (counts->page_count < wanted) {
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
    uint32_t wanted = (count + COUNTS_PER_PAGE - 1) / COUNTS_PER_PAGE;
    if (wanted <= known) {
        return 0;
    }
    size_t page_bytes = COUNTS_PER_PAGE * sizeof(int64_t);
    int64_t *occurrences = kato_resize(counts->occurrences, wanted, page_bytes);
    if (occurrences == NULL) {
        return -1;
    }
    memset((char *)occurrences + known * page_bytes, 0, (wanted - known) * page_bytes);
    counts->occurrences = occurrences;
    return reserve_pages(counts, wanted);
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

int counts_copy(symbol_counts *copy, const symbol_counts *counts)
{
    *copy = *counts;
    copy->occurrences = NULL;
    copy->pages = kato_allocate(counts->page_count, sizeof(*copy->pages));
    if (copy->pages == NULL) {
        copy->page_count = 0;
        return -1;
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
