/* Checked allocation, and copy-on-write blocks that an index shares with its frozen copies. */
#ifndef KATO_MEMORY_H
#define KATO_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Memory for *count* items; NULL: none left, or the size overflows. No lock needed. */
void *kato_allocate(size_t count, size_t size);
void *kato_allocate_zeroed(size_t count, size_t size);
void *kato_resize(void *memory, size_t count, size_t size);
void kato_free(void *memory);

/* Test builds only: let the allocation after *count* more fail, and all after it; -1: none. */
void kato_fail_allocations_after(long count);

/*
 * Bytes with a count of their holders. Invariants: holders are counted under the interpreter lock;
 * only a sole holder changes bytes that a frozen copy may read; bytes after those that frozen
 * copies refer to may be written while others hold the block.
 */
typedef struct {
    size_t holders;
    size_t size;
} shared;

shared *shared_new(size_t size);
shared *shared_hold(shared *block);
void shared_drop(shared *block);

static inline void *shared_data(const shared *block)
{
    return block == NULL ? NULL : (void *)(block + 1);
}

/* Make the caller the sole holder of *place's block, by a copy if necessary. -1: no memory. */
int shared_own(shared **place);

/* Make room for *required* bytes and keep the first *used*; other holders keep the old block. */
int shared_reserve(shared **place, size_t used, size_t required);

/* Give back the bytes after the first *used*; without memory for a copy nothing changes. */
void shared_trim(shared **place, size_t used);

#endif
