#include "index/memory.h"

#include <stdlib.h>
#include <string.h>

#ifdef KATO_FAULT_INJECTION
#include <stdatomic.h>

static atomic_long allocations_left = -1;

void kato_fail_allocations_after(long count)
{
    atomic_store(&allocations_left, count);
}

static int refused(void)
{
    long left = atomic_load(&allocations_left);
    if (left < 0) {
        return 0;
    }
    if (left == 0) {
        return 1;
    }
    atomic_store(&allocations_left, left - 1);
    return 0;
}
#else
void kato_fail_allocations_after(long count)
{
    (void)count;
}

static int refused(void)
{
    return 0;
}
#endif

static int overflows(size_t count, size_t size)
{
    return size != 0 && count > SIZE_MAX / size;
}

void *kato_allocate(size_t count, size_t size)
{
    if (overflows(count, size) || refused()) {
        return NULL;
    }
    size_t bytes = count * size;
    return malloc(bytes ? bytes : 1); /* malloc(0) may be NULL, which would mean: no memory */
}

void *kato_allocate_zeroed(size_t count, size_t size)
{
    if (overflows(count, size) || refused()) {
        return NULL;
    }
    return calloc(count ? count : 1, size ? size : 1);
}

void *kato_resize(void *memory, size_t count, size_t size)
{
    if (overflows(count, size) || refused()) {
        return NULL;
    }
    size_t bytes = count * size;
    return realloc(memory, bytes ? bytes : 1);
}

void kato_free(void *memory)
{
    free(memory);
}

shared *shared_new(size_t size)
{
    if (size > SIZE_MAX - sizeof(shared)) {
        return NULL;
    }
    shared *block = kato_allocate(1, sizeof(shared) + size);
    if (block != NULL) {
        block->holders = 1;
        block->size = size;
    }
    return block;
}

shared *shared_hold(shared *block)
{
    if (block != NULL) {
        block->holders++;
    }
    return block;
}

void shared_drop(shared *block)
{
    if (block != NULL && --block->holders == 0) {
        kato_free(block);
    }
}

/* Replace the block by a new one of *size* bytes with the first *used* of it. -1: no memory. */
static int replaced(shared **place, size_t used, size_t size)
{
    shared *fresh = shared_new(size);
    if (fresh == NULL) {
        return -1;
    }
    if (used != 0) {
        memcpy(shared_data(fresh), shared_data(*place), used);
    }
    shared_drop(*place);
    *place = fresh;
    return 0;
}

int shared_own(shared **place)
{
    if ((*place)->holders == 1) {
        return 0;
    }
    return replaced(place, (*place)->size, (*place)->size);
}

int shared_reserve(shared **place, size_t used, size_t required)
{
    size_t size = *place == NULL ? 0 : (*place)->size;
    if (required <= size) {
        return 0;
    }
    /* A quarter more than there was, so that appending one by one copies each byte a few times. */
    size_t grown = size > SIZE_MAX / 2 ? required : size + size / 4;
    return replaced(place, used, grown > required ? grown : required);
}

void shared_trim(shared **place, size_t used)
{
    if (*place != NULL && (*place)->size > used) {
        (void)replaced(place, used, used);
    }
}
