/* The slot of each name: open hash tables over raw names, which are SHA-1 digests. */
#ifndef KATO_NAMES_H
#define KATO_NAMES_H

#include <stddef.h>
#include <stdint.h>

/* Test builds divide tables early. */
#ifdef KATO_SMALL_SEGMENTS
enum { FEW_NAMES = 6 };
#else
enum { FEW_NAMES = 1024 }; /* so many have one table */
#endif

enum { NAME_SHARDS = 256 }; /* many small tables, so that growing one of them takes little time */

#define NO_SLOT UINT32_MAX

/* Gives the raw name of the pattern in a slot: tables hold slots only. */
typedef const uint8_t *(*name_reader)(const void *owner, uint32_t slot);

/* Invariant: a shard is never full, so every probe ends at a free place. */
typedef struct {
    uint32_t *slots; /* NO_SLOT: free */
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t used;
} name_shard;

typedef struct {
    name_shard few;     /* the only table while there are few names */
    name_shard *shards; /* NAME_SHARDS then; NULL before */
    name_reader read;
    const void *owner;
} name_table;

/* The slot of a name; NO_SLOT: there is no such name. */
uint32_t names_find(const name_table *names, const uint8_t *name);

/* Make room to add *name*. -1: no memory, and nothing has changed. */
int names_reserve(name_table *names, const uint8_t *name);

/* Set the slot of a name, which is added if it is new; that needs reserved room. Cannot fail. */
void names_set(name_table *names, const uint8_t *name, uint32_t slot);

/* Remove a name, which must be there. */
void names_remove(name_table *names, const uint8_t *name);
void names_clear(name_table *names);
size_t names_bytes(const name_table *names);

#endif
