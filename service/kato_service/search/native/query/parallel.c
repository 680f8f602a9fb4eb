/* A large query in two threads: they share the segments, and each writes only what is its own. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "query/fuzzy.h"

/* What the second thread works with. It reads state, needed and frozen of the whole query. */
typedef struct {
    query query;
    atomic_uint *next; /* the next segment that no thread has taken */
    int failed;
} share;

static void share_close(share *share)
{
    query *own = &share->query;
    align_close(&own->scratch);
    fuzzy_close(own->fuzzy);
    kato_free(own->overlap);
    kato_free(own->survivors);
    kato_free(own->covered);
    kato_free(own->bounds);
    kato_free(own->candidates);
    later_close(&own->later);
}

/* It starts with what the whole query holds, except its candidates. -1: no memory. */
static int share_open(share *share, const query *whole, atomic_uint *next)
{
    size_t distinct = whole->state.distinct;
    query *own = &share->query;
    memset(share, 0, sizeof(*share));
    share->next = next;
    own->frozen = whole->frozen;
    own->state = whole->state;
    own->sought = whole->sought;
    own->needed = whole->needed;
    own->limit = whole->limit;
    own->threshold = whole->threshold;
    own->wanted = whole->wanted;
    own->lists_kept = whole->lists_kept;
    own->floor = whole->floor;
    own->uncovered = whole->uncovered;
    own->uncovered_mask = whole->uncovered_mask;
    own->bound_count = whole->bound_count;
    own->nearest = whole->nearest;
    own->overlap = kato_allocate_zeroed(SEGMENT_PATTERNS, sizeof(*own->overlap));
    own->survivors = kato_allocate(SEGMENT_PATTERNS + 1, sizeof(*own->survivors));
    own->covered = kato_allocate(distinct + 1, sizeof(*own->covered));
    own->bounds = kato_allocate(own->limit, sizeof(*own->bounds));
    if (!own->overlap || !own->survivors || !own->covered || !own->bounds
        || (whole->fuzzy != NULL && (own->fuzzy = fuzzy_share(whole)) == NULL)
        || align_open(&own->scratch, &own->state, own->frozen->longest) < 0) {
        share_close(share);
        return -1;
    }
    own->scratch.until = whole->scratch.until;
    own->scratch.pace = whole->scratch.pace;
    memcpy(own->covered, whole->covered, (distinct + 1) * sizeof(*own->covered));
    memcpy(own->bounds, whole->bounds, own->bound_count * sizeof(*own->bounds));
    return 0;
}

/* Take segments until none is left; a thread that fails ends it for both. */
static int run_segments(query *query, atomic_uint *next)
{
    uint32_t count = query->frozen->segment_count, segment;
    while ((segment = atomic_fetch_add(next, 1)) < count) {
        if (query_run_segment(query, segment) < 0) {
            atomic_store(next, count);
            return -1;
        }
    }
    return 0;
}

static void *run_share(void *given)
{
    share *own = given;
    own->failed = run_segments(&own->query, own->next);
    return NULL;
}

/* Add to *whole* what the share found. -1: no memory. */
static int take_over(query *whole, const query *found)
{
    size_t count = whole->candidate_count + found->candidate_count;
    if (count > whole->candidate_capacity) {
        candidate *grown = kato_resize(whole->candidates, count, sizeof(*grown));
        if (grown == NULL) {
            return -1;
        }
        whole->candidates = grown;
        whole->candidate_capacity = count;
    }
    if (found->candidate_count > 0) {
        memcpy(whole->candidates + whole->candidate_count, found->candidates,
               found->candidate_count * sizeof(candidate));
    }
    whole->candidate_count = count;
    whole->total_frequency += found->total_frequency;
    whole->kept_count += found->kept_count;
    whole->sharing += found->sharing;
    nearest_note(whole, found->nearest);
    if (later_take_over(&whole->later, &found->later) < 0) {
        return -1;
    }
    for (uint32_t local = 1; local <= whole->state.distinct; local++) {
        whole->covered[local] |= found->covered[local];
    }
    return 0;
}

int query_has_processors(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

int query_run_shared(query *query, uint32_t from)
{
    atomic_uint next = from;
    share other;
    pthread_t thread;
    if (share_open(&other, query, &next) < 0) {
        return -1;
    }
    /* Without another thread, this one takes all segments. */
    int helped = pthread_create(&thread, NULL, run_share, &other) == 0;
    int failed = run_segments(query, &next);
    if (helped) {
        pthread_join(thread, NULL);
        failed |= other.failed;
        query->scratch.expired |= other.query.scratch.expired;
        query->scratch.steps += other.query.scratch.steps;
        query->scratch.no_memory |= other.query.scratch.no_memory;
    }
    if (!failed) {
        failed = take_over(query, &other.query);
    }
    share_close(&other);
    return failed;
}
