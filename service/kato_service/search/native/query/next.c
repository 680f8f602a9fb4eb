/*
 * What comes next: the first events of the futures of kept patterns, their symbols, and the patterns
 * that end (decision 0064). Sums are over the kept patterns in order of first learns.
 */
#include <stdlib.h>
#include <string.h>

#include "query/later.h"

enum { NEXT_STEPS = 16 }; /* steps that a symbol of a next event counts for */

/* Where things that may come next are listed, plus one; 0 is none. */
typedef struct {
    uint32_t *events; /* a hash table */
    uint32_t capacity; /* of it: a power of two, more than twice as many as events */
    uint32_t *symbols; /* by symbol number */
} next_places;

present next_event(const query *query, const kept *one)
{
    present part = future_part(query, one);
    uint32_t end = part.count > 0;
    while (end < part.count && !(part.tokens[end] & EVENT_START)) {
        end++;
    }
    return (present){part.tokens, end};
}

/* One that is new, of a kept pattern. NULL: no memory. */
static coming *listed(coming_list *list, uint32_t first)
{
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity ? list->capacity * 2 : 64;
        coming *grown = kato_resize(list->all, capacity, sizeof(*grown));
        if (grown == NULL) {
            return NULL;
        }
        list->all = grown;
        list->capacity = capacity;
    }
    coming *new = &list->all[list->count];
    *new = (coming){.number = list->count++, .first = first};
    return new;
}

/* Count a pattern once, however often one of its symbols is in the event. */
static void count(coming *one, uint32_t place, double weight)
{
    if (one->latest != place + 1) {
        one->latest = place + 1;
        one->patterns++;
        one->weight += weight;
    }
}

/* Make the table of events twice as large. -1: no memory. */
static int grow(const coming_list *events, next_places *places)
{
    uint32_t capacity = places->capacity ? places->capacity * 2 : 256;
    uint32_t *table = kato_allocate_zeroed(capacity, sizeof(*table));
    if (table == NULL) {
        return -1;
    }
    for (uint32_t number = 0; number < events->count; number++) {
        uint32_t at = (uint32_t)events->all[number].hash & (capacity - 1);
        while (table[at] != 0) {
            at = (at + 1) & (capacity - 1);
        }
        table[at] = number + 1;
    }
    kato_free(places->events);
    places->events = table;
    places->capacity = capacity;
    return 0;
}

/* The event that a kept pattern expects next. NULL: no memory. */
static coming *event_found(query *query, next_places *places, uint32_t place, present event)
{
    coming_list *events = &query->later.next[NEXT_EVENTS];
    if (events->count >= places->capacity / 2 && grow(events, places) < 0) {
        return NULL;
    }
    uint64_t hash = event_hash(event);
    uint32_t at = (uint32_t)hash & (places->capacity - 1);
    for (; places->events[at] != 0; at = (at + 1) & (places->capacity - 1)) {
        coming *known = &events->all[places->events[at] - 1];
        present other = next_event(query, &query->later.kept[known->first]);
        if (known->hash == hash && same_event(other, event, query->occurrences)) {
            return known;
        }
    }
    coming *new = listed(events, place);
    if (new != NULL) {
        new->hash = hash;
        places->events[at] = events->count;
    }
    return new;
}

/* Add what one kept pattern expects. -1: no memory. */
static int add(query *query, next_places *places, uint32_t place)
{
    coming_list *next = query->later.next;
    kept *one = &query->later.kept[place];
    present event = next_event(query, one);
    double weight = weight_of(query, one);
    if (event.count == 0) {
        count(&next[NEXT_STOP].all[0], place, weight);
        return 0;
    }
    coming *expected = event_found(query, places, place, event);
    if (expected == NULL) {
        return -1;
    }
    count(expected, place, weight);
    one->future = expected->number;
    for (uint32_t at = 0; at < event.count; at++) {
        uint32_t symbol = TOKEN_SYMBOL(event.tokens[at]);
        coming *known;
        if (places->symbols[symbol] != 0) {
            known = &next[NEXT_SYMBOLS].all[places->symbols[symbol] - 1];
        } else if ((known = listed(&next[NEXT_SYMBOLS], place)) != NULL) {
            known->symbol = symbol;
            places->symbols[symbol] = next[NEXT_SYMBOLS].count;
        } else {
            return -1;
        }
        count(known, place, weight);
    }
    return 0;
}

/* The greatest share first; equal ones in the order in which they were found. */
static int compare(const void *left, const void *right)
{
    const coming *a = left, *b = right;
    if (a->share != b->share) {
        return a->share < b->share ? 1 : -1;
    }
    return (a->number > b->number) - (a->number < b->number);
}

/* Rank a list, and make room for names; *ranks*: by number, its place. -1: no memory. */
static int rank(query *query, coming_list *list, uint32_t **ranks)
{
    for (uint32_t at = 0; at < list->count; at++) {
        list->all[at].share = share_of(list->all[at].weight, query->later.weight);
        list->all[at].latest = 0;
    }
    if (list->count > 1) {
        qsort(list->all, list->count, sizeof(coming), compare);
    }
    list->naming = list->count < query->wanted.named ? list->count : query->wanted.named;
    list->behind = kato_allocate((size_t)list->naming * NAMES_BEHIND, sizeof(*list->behind));
    *ranks = kato_allocate(list->count, sizeof(**ranks));
    if (list->behind == NULL || *ranks == NULL) {
        return -1;
    }
    for (uint32_t at = 0; at < list->count; at++) {
        (*ranks)[list->all[at].number] = at;
    }
    return 0;
}

/* Name a kept pattern behind something, unless enough weigh as much as it. */
static void name(const query *query, coming_list *list, uint32_t at, uint32_t place)
{
    if (at >= list->naming || list->all[at].latest == place + 1) {
        return;
    }
    coming *one = &list->all[at];
    uint32_t *behind = list->behind + (size_t)at * NAMES_BEHIND;
    double weight = weight_of(query, &query->later.kept[place]);
    one->latest = place + 1;
    uint32_t to = one->named;
    while (to > 0 && weight_of(query, &query->later.kept[behind[to - 1]]) < weight) {
        if (to < NAMES_BEHIND) {
            behind[to] = behind[to - 1];
        }
        to--;
    }
    if (to < NAMES_BEHIND) {
        behind[to] = place;
        one->named += one->named < NAMES_BEHIND;
    }
}

/* Name the patterns behind all lists, which are ranked. -1: expired. */
static int name_all(query *query, uint32_t *const *ranks, const next_places *places)
{
    later *later = &query->later;
    for (uint32_t place = 0; place < later->count; place++) {
        const kept *one = &later->kept[place];
        present event = next_event(query, one);
        if (event.count == 0 && one->matched > 0) {
            name(query, &later->next[NEXT_STOP], 0, place);
        } else if (event.count > 0) {
            name(query, &later->next[NEXT_EVENTS], ranks[NEXT_EVENTS][one->future], place);
        }
        for (uint32_t at = 0; at < event.count; at++) {
            uint32_t number = places->symbols[TOKEN_SYMBOL(event.tokens[at])] - 1;
            name(query, &later->next[NEXT_SYMBOLS], ranks[NEXT_SYMBOLS][number], place);
        }
        if (align_expired(&query->scratch, (uint64_t)NEXT_STEPS * (event.count + 1))) {
            return -1;
        }
    }
    return 0;
}

/* Fill the lists, not ranked. -1: no memory, or expired. */
static int find_all(query *query, next_places *places)
{
    later *later = &query->later;
    for (uint32_t place = 0; place < later->count; place++) {
        /* Without a match, which threshold 0 allows, a pattern says nothing. */
        if (later->kept[place].matched > 0 && add(query, places, place) < 0) {
            return -1;
        }
        uint32_t size = next_event(query, &later->kept[place]).count;
        if (align_expired(&query->scratch, (uint64_t)NEXT_STEPS * (size + 1))) {
            return -1;
        }
    }
    return 0;
}

int next_find(query *query)
{
    coming_list *next = query->later.next;
    next_places places = {.symbols = kato_allocate_zeroed(query->state.table_size,
                                                          sizeof(uint32_t))};
    uint32_t *ranks[NEXT_LISTS] = {NULL};
    int failed = places.symbols == NULL || listed(&next[NEXT_STOP], 0) == NULL
                 || find_all(query, &places) < 0;
    if (!failed && query->later.weight == 0.0) {
        /* All that was kept counts for nothing, so nothing can be said. */
        next[NEXT_EVENTS].count = next[NEXT_SYMBOLS].count = next[NEXT_STOP].all[0].patterns = 0;
        next[NEXT_STOP].naming = 0;
    } else {
        for (int list = 0; list < NEXT_LISTS && !failed; list++) {
            failed = rank(query, &next[list], &ranks[list]) < 0;
        }
        failed = failed || name_all(query, ranks, &places) < 0;
    }
    for (int list = 0; list < NEXT_LISTS; list++) {
        kato_free(ranks[list]);
    }
    kato_free(places.events);
    kato_free(places.symbols);
    return failed ? -1 : 0;
}

void next_close(later *later)
{
    for (int list = 0; list < NEXT_LISTS; list++) {
        kato_free(later->next[list].all);
        kato_free(later->next[list].behind);
    }
}
