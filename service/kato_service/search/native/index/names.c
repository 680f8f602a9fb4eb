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
    const name_shard *shard = &names->shards[name[0]];
    return shard->capacity == 0 ? NO_SLOT : shard->slots[place_of(names, shard, name)];
}

int names_reserve(name_table *names, const uint8_t *name)
{
    name_shard *shard = &names->shards[name[0]];
    if ((shard->used + 1) * 4 <= shard->capacity * 3) {
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

void names_set(name_table *names, const uint8_t *name, uint32_t slot)
{
    name_shard *shard = &names->shards[name[0]];
    uint32_t place = place_of(names, shard, name);
    shard->used += shard->slots[place] == NO_SLOT;
    shard->slots[place] = slot;
}

void names_remove(name_table *names, const uint8_t *name)
{
    name_shard *shard = &names->shards[name[0]];
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
    for (int number = 0; number < NAME_SHARDS; number++) {
        kato_free(names->shards[number].slots);
        memset(&names->shards[number], 0, sizeof(names->shards[number]));
    }
}

size_t names_bytes(const name_table *names)
{
    size_t bytes = 0;
    for (int number = 0; number < NAME_SHARDS; number++) {
        bytes += names->shards[number].capacity * sizeof(uint32_t);
    }
    return bytes;
}
