#include "index/symbols.h"

#include <string.h>

#include "index/memory.h"
#include "index/strings.h"

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

/* Its hash tables; *count*: how many there are. */
static symbol_shard *shards_of(symbol_table *table, int *count)
{
    *count = table->shards != NULL ? SYMBOL_SHARDS : 1;
    return table->shards != NULL ? table->shards : &table->few;
}

void symbols_drop(symbol_table *table)
{
    if (table == NULL || --table->holders != 0) {
        return;
    }
    int count;
    symbol_shard *shards = shards_of(table, &count);
    for (int shard = 0; shard < count; shard++) {
        kato_free(shards[shard].places);
    }
    kato_free(table->shards);
    for (uint32_t number = 0; number < table->count; number++) {
        if (number < SHARED_SYMBOLS) {
            strings_release(table->objects[number]);
        } else {
            Py_DECREF(table->objects[number]);
        }
    }
    kato_free(table->objects);
    kato_free(table);
}

/* The shard is chosen by high bits of the hash, the place in it by low ones. */
static uint32_t shard_number(size_t hash)
{
    return (uint32_t)(hash >> (sizeof(hash) * 8 - SHARD_BITS));
}

static symbol_shard *shard_of(symbol_table *table, size_t hash)
{
    return table->shards != NULL ? &table->shards[shard_number(hash)] : &table->few;
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
    const symbol_shard *shard = shard_of((symbol_table *)table, hash);
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

/* Divide the only shard into SYMBOL_SHARDS. -1: no memory, and nothing has changed. */
static int divide(symbol_table *table)
{
    symbol_shard *shards = kato_allocate_zeroed(SYMBOL_SHARDS, sizeof(*shards));
    int failed = shards == NULL;
    for (uint32_t number = 0; !failed && number < table->count; number++) {
        size_t hash = (size_t)PyObject_Hash(table->objects[number]);
        symbol_shard *shard = &shards[shard_number(hash)];
        failed = reserve_entry(shard) < 0;
        if (!failed) {
            add_entry(shard, (uint64_t)(uint32_t)hash << 32 | number);
        }
    }
    if (failed) {
        for (int shard = 0; shards != NULL && shard < SYMBOL_SHARDS; shard++) {
            kato_free(shards[shard].places);
        }
        kato_free(shards);
        return -1;
    }
    kato_free(table->few.places);
    memset(&table->few, 0, sizeof(table->few));
    table->shards = shards;
    return 0;
}

/* Make room for one more number. -1 with an exception set. */
static int room_for_one(symbol_table *table)
{
    if (table->count < table->capacity) {
        return 0;
    }
    uint32_t capacity = table->capacity ? table->capacity + table->capacity / 2 : 16;
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

/* The object to keep for a symbol that gets this number; NULL with an exception set. */
static PyObject *kept(uint32_t number, PyObject *symbol)
{
    return number < SHARED_SYMBOLS ? strings_hold(symbol) : Py_NewRef(symbol);
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
    int is_crowded = table->shards == NULL && table->count >= FEW_SYMBOLS;
    if ((is_crowded && divide(table) < 0) || reserve_entry(shard_of(table, hash)) < 0) {
        PyErr_NoMemory();
        return -2;
    }
    PyObject *object = kept(table->count, symbol);
    if (object == NULL) {
        return -2;
    }
    add_entry(shard_of(table, hash), (uint64_t)(uint32_t)hash << 32 | table->count);
    table->objects[table->count] = object;
    table->string_bytes += string_bytes(object);
    return table->count++;
}

size_t symbols_bytes(const symbol_table *table)
{
    size_t bytes = sizeof(*table) + table->string_bytes + table->capacity * sizeof(PyObject *);
    int count;
    const symbol_shard *shards = shards_of((symbol_table *)table, &count);
    for (int shard = 0; shard < count; shard++) {
        bytes += shards[shard].capacity * sizeof(uint64_t);
    }
    return bytes + (table->shards != NULL ? SYMBOL_SHARDS * sizeof(*table->shards) : 0);
}
