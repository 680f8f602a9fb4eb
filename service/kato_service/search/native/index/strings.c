#include "index/strings.h"

#include <stdint.h>
#include <string.h>

#include "index/memory.h"

enum {
    SHARD_BITS = 8, /* many hash tables, so that growing one of them takes little time */
    SHARDS = 1 << SHARD_BITS,
    LEAST = 4 /* places of a table that is not empty */
};

/* An open hash table. Invariant: it is never full, so every probe ends at a free place. */
typedef struct {
    PyObject **strings; /* held; NULL: free */
    uint32_t *holders;  /* by place */
    uint32_t capacity;  /* a power of two, or 0 */
    uint32_t used;
} string_shard;

static string_shard shards[SHARDS];
static size_t saved, held_count;

size_t string_bytes(PyObject *symbol)
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

/* The shard is chosen by high bits of the hash, the place in it by low ones. */
static string_shard *shard_of(size_t hash)
{
    return &shards[hash >> (sizeof(hash) * 8 - SHARD_BITS)];
}

/* The place of an equal string, or the free place where the probe ends; -1 with an exception. */
static int64_t place_of(const string_shard *shard, size_t hash, PyObject *symbol)
{
    uint32_t mask = shard->capacity - 1, place = (uint32_t)hash & mask;
    for (; shard->strings[place] != NULL; place = (place + 1) & mask) {
        int equal = PyObject_RichCompareBool(shard->strings[place], symbol, Py_EQ);
        if (equal != 0) {
            return equal < 0 ? -1 : (int64_t)place;
        }
    }
    return place;
}

static void put(string_shard *shard, PyObject *string, uint32_t holders)
{
    uint32_t mask = shard->capacity - 1;
    uint32_t place = (uint32_t)(size_t)PyObject_Hash(string) & mask;
    while (shard->strings[place] != NULL) {
        place = (place + 1) & mask;
    }
    shard->strings[place] = string;
    shard->holders[place] = holders;
    shard->used++;
}

/* Move what the shard holds into tables of that size. -1: no memory, and nothing has changed. */
static int resize(string_shard *shard, uint32_t capacity)
{
    string_shard fresh = {.capacity = capacity};
    fresh.strings = kato_allocate_zeroed(capacity, sizeof(*fresh.strings));
    fresh.holders = kato_allocate(capacity, sizeof(*fresh.holders));
    if (fresh.strings == NULL || fresh.holders == NULL) {
        kato_free(fresh.strings);
        kato_free(fresh.holders);
        return -1;
    }
    for (uint32_t place = 0; place < shard->capacity; place++) {
        if (shard->strings[place] != NULL) {
            put(&fresh, shard->strings[place], shard->holders[place]);
        }
    }
    kato_free(shard->strings);
    kato_free(shard->holders);
    *shard = fresh;
    return 0;
}

static int reserve(string_shard *shard)
{
    if (((uint64_t)shard->used + 1) * 4 <= (uint64_t)shard->capacity * 3) {
        return 0;
    }
    return resize(shard, shard->capacity ? shard->capacity * 2 : LEAST);
}

PyObject *strings_hold(PyObject *symbol)
{
    size_t hash = (size_t)PyObject_Hash(symbol);
    string_shard *shard = shard_of(hash);
    /* Room is made before looking, whether it is needed or not, so both cases do the same work. */
    if (reserve(shard) < 0) {
        return PyErr_NoMemory();
    }
    int64_t place = place_of(shard, hash, symbol);
    if (place < 0) {
        return NULL;
    }
    if (shard->strings[place] == NULL) {
        shard->strings[place] = Py_NewRef(symbol);
        shard->holders[place] = 0;
        shard->used++;
        held_count++;
    } else {
        saved += string_bytes(symbol);
    }
    shard->holders[place]++;
    return shard->strings[place];
}

/* Free a place, and move up strings that were pushed past it: no tombstones are needed. */
static void vacate(string_shard *shard, uint32_t hole)
{
    uint32_t mask = shard->capacity - 1, place = hole;
    for (;;) {
        place = (place + 1) & mask;
        PyObject *string = shard->strings[place];
        if (string == NULL) {
            break;
        }
        uint32_t home = (uint32_t)(size_t)PyObject_Hash(string) & mask;
        /* A string may fill the hole unless its home is after the hole, up to its place. */
        if (((place - home) & mask) >= ((place - hole) & mask)) {
            shard->strings[hole] = string;
            shard->holders[hole] = shard->holders[place];
            hole = place;
        }
    }
    shard->strings[hole] = NULL;
    shard->used--;
}

void strings_release(PyObject *held)
{
    size_t hash = (size_t)PyObject_Hash(held);
    string_shard *shard = shard_of(hash);
    uint32_t mask = shard->capacity - 1, place = (uint32_t)hash & mask;
    while (shard->strings[place] != held) {
        place = (place + 1) & mask;
    }
    if (--shard->holders[place] > 0) {
        saved -= string_bytes(held);
        return;
    }
    vacate(shard, place);
    held_count--;
    if (shard->capacity > LEAST && (uint64_t)shard->used * 8 < shard->capacity) {
        (void)resize(shard, shard->capacity / 2); /* without memory it stays as large as it is */
    }
    Py_DECREF(held);
}

size_t strings_saved(void)
{
    return saved;
}

size_t strings_count(void)
{
    return held_count;
}

size_t strings_table_bytes(void)
{
    size_t bytes = 0;
    for (int shard = 0; shard < SHARDS; shard++) {
        bytes += shards[shard].capacity * (sizeof(PyObject *) + sizeof(uint32_t));
    }
    return bytes;
}
