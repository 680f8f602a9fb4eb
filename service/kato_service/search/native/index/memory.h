/* Allocation, checked and countable, and blocks of memory that an index shares with snapshots. */
#ifndef KATO_MEMORY_H
#define KATO_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Memory for *count* items; NULL when there is none or the size overflows. Needs no lock. */
void *kato_allocate(size_t count, size_t size);
void *kato_allocate_zeroed(size_t count, size_t size);
void *kato_resize(void *memory, size_t count, size_t size);
void kato_free(void *memory);

/* Test builds only: the allocation after *count* more fails, and all behind it; -1: none does. */
void kato_fail_allocations_after(long count);

/*
 * Bytes with a count of their holders. Invariants: holders are counted under the interpreter
 * lock; only a sole holder changes bytes that a snapshot may read; bytes behind what a snapshot
 * knows may be appended to while others hold the block.
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

/* Make *place's block the caller's alone, by a copy if others hold it. -1: no memory. */
int shared_own(shared **place);

/* Make room for *wanted* bytes, keeping the first *used*; the old block lives on with others. */
int shared_reserve(shared **place, size_t used, size_t wanted);

/* Give back what is behind the first *used* bytes; without memory for it nothing changes. */
void shared_trim(shared **place, size_t used);

#endif
