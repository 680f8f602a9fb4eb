/* Where the pattern of a name is: open hash tables over raw names, which are SHA-1 digests. */
#ifndef KATO_NAMES_H
#define KATO_NAMES_H

#include <stddef.h>
#include <stdint.h>

enum { NAME_SHARDS = 256 }; /* so that no single growth takes long */

#define NO_SLOT UINT32_MAX

/* Gives the raw name stored at a slot. */
typedef const uint8_t *(*name_reader)(const void *owner, uint32_t slot);

/* Invariant: a shard is never full, so that every probe ends at a free place. */
typedef struct {
    uint32_t *slots; /* NO_SLOT: free */
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t used;
} name_shard;

typedef struct {
    name_shard shards[NAME_SHARDS];
    name_reader read;
    const void *owner;
} name_table;

uint32_t names_find(const name_table *names, const uint8_t *name);

/* Make room for one more name like this one. -1: no memory, nothing changed. */
int names_reserve(name_table *names, const uint8_t *name);

/* Add a name that is not there, or move the one that is; needs reserved room to add. */
void names_set(name_table *names, const uint8_t *name, uint32_t slot);

/* Remove a name that is there. */
void names_remove(name_table *names, const uint8_t *name);
void names_clear(name_table *names);
size_t names_bytes(const name_table *names);

#endif
