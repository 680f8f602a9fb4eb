#include "index/names.h"

#include <string.h>

#include "index/memory.h"
#include "index/segment.h"

/* Names are digests already: any four bytes after the shard's are a hash. */
static uint32_t hash_of(const uint8_t *name)
{
    uint32_t hash;
    memcpy(&hash, name + 1, sizeof(hash));
    return hash;
}

static name_shard *shard_of(const name_table *names, const uint8_t *name)
{
    return names->shards != NULL ? &names->shards[name[0]] : (name_shard *)&names->few;
}

/* The place of the name in its shard, or the free place where the probe for it ends. */
static uint32_t place_of(const name_table *names, const name_shard *shard, const uint8_t *name)
{
    uint32_t mask = shard->capacity - 1;
    uint32_t place = hash_of(name) & mask;
    while (shard->slots[place] != NO_SLOT
           && memcmp(names->read(names->owner, shard->slots[place]), name, NAME_BYTES) != 0) {
        place = (place + 1) & mask;
    }
    return place;
}

uint32_t names_find(const name_table *names, const uint8_t *name)
{
    const name_shard *shard = shard_of(names, name);
    return shard->capacity == 0 ? NO_SLOT : shard->slots[place_of(names, shard, name)];
}

/* Make room for one more name. -1: no memory, and nothing has changed. */
static int reserve(const name_table *names, name_shard *shard)
{
    if (((uint64_t)shard->used + 1) * 4 <= (uint64_t)shard->capacity * 3) {
        return 0;
    }
    name_shard grown = {.capacity = shard->capacity ? shard->capacity * 2 : 4};
    grown.slots = kato_allocate(grown.capacity, sizeof(*grown.slots));
    if (grown.slots == NULL) {
        return -1;
    }
    memset(grown.slots, 0xff, grown.capacity * sizeof(*grown.slots));
    grown.used = shard->used;
    for (uint32_t place = 0; place < shard->capacity; place++) {
        uint32_t slot = shard->slots[place];
        if (slot != NO_SLOT) {
            grown.slots[place_of(names, &grown, names->read(names->owner, slot))] = slot;
        }
    }
    kato_free(shard->slots);
    *shard = grown;
    return 0;
}

static void free_shards(name_shard *shards)
{
    for (int number = 0; shards != NULL && number < NAME_SHARDS; number++) {
        kato_free(shards[number].slots);
    }
    kato_free(shards);
}

/* Divide the only table into NAME_SHARDS. -1: no memory, and nothing has changed. */
static int divide(name_table *names)
{
    name_shard *shards = kato_allocate_zeroed(NAME_SHARDS, sizeof(*shards));
    int failed = shards == NULL;
    for (uint32_t place = 0; !failed && place < names->few.capacity; place++) {
        uint32_t slot = names->few.slots[place];
        if (slot == NO_SLOT) {
            continue;
        }
        const uint8_t *name = names->read(names->owner, slot);
        name_shard *shard = &shards[name[0]];
        failed = reserve(names, shard) < 0;
        if (!failed) {
            shard->slots[place_of(names, shard, name)] = slot;
            shard->used++;
        }
    }
    if (failed) {
        free_shards(shards);
        return -1;
    }
    kato_free(names->few.slots);
    memset(&names->few, 0, sizeof(names->few));
    names->shards = shards;
    return 0;
}

int names_reserve(name_table *names, const uint8_t *name)
{
    if (names->shards == NULL && names->few.used >= FEW_NAMES && divide(names) < 0) {
        return -1;
    }
    return reserve(names, shard_of(names, name));
}

void names_set(name_table *names, const uint8_t *name, uint32_t slot)
{
    name_shard *shard = shard_of(names, name);
    uint32_t place = place_of(names, shard, name);
    shard->used += shard->slots[place] == NO_SLOT;
    shard->slots[place] = slot;
}

void names_remove(name_table *names, const uint8_t *name)
{
    name_shard *shard = shard_of(names, name);
    uint32_t mask = shard->capacity - 1;
    uint32_t hole = place_of(names, shard, name);
    uint32_t place = hole;
    /* Close the hole by moving up entries that were pushed past it: no tombstones are needed. */
    for (;;) {
        place = (place + 1) & mask;
        uint32_t slot = shard->slots[place];
        if (slot == NO_SLOT) {
            break;
        }
        uint32_t home = hash_of(names->read(names->owner, slot)) & mask;
        /* An entry may fill the hole unless its home is after the hole, up to its place. */
        if (((place - home) & mask) >= ((place - hole) & mask)) {
            shard->slots[hole] = slot;
            hole = place;
        }
    }
    shard->slots[hole] = NO_SLOT;
    shard->used--;
}

void names_clear(name_table *names)
{
    kato_free(names->few.slots);
    free_shards(names->shards);
    memset(&names->few, 0, sizeof(names->few));
    names->shards = NULL;
}

size_t names_bytes(const name_table *names)
{
    size_t slots = names->few.capacity, tables = 0;
    for (int number = 0; names->shards != NULL && number < NAME_SHARDS; number++) {
        slots += names->shards[number].capacity;
        tables += sizeof(*names->shards);
    }
    return slots * sizeof(uint32_t) + tables;
}
