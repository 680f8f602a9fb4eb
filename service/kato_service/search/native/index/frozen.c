#include "index/frozen.h"

#include <string.h>

int frozen_open(frozen *taken, const patterns *all, int with_occurrences)
{
    memset(taken, 0, sizeof(*taken));
    taken->segments = kato_allocate(all->order_count, sizeof(*taken->segments));
    if (taken->segments == NULL
        || counts_copy(&taken->counts, &all->counts, with_occurrences) < 0) {
        kato_free(taken->segments);
        taken->segments = NULL;
        PyErr_NoMemory();
        return -1;
    }
    taken->segment_count = all->order_count;
    for (uint32_t place = 0; place < all->order_count; place++) {
        segment_view_hold(&taken->segments[place], &all->order[place]->view);
    }
    taken->symbols = symbols_hold(all->symbols);
    taken->symbol_count = all->symbols->count;
    taken->longest = all->longest;
    return 0;
}

void frozen_close(frozen *taken)
{
    for (uint32_t place = 0; place < taken->segment_count; place++) {
        segment_view_drop(&taken->segments[place]);
    }
    kato_free(taken->segments);
    counts_clear(&taken->counts);
    symbols_drop(taken->symbols);
    memset(taken, 0, sizeof(*taken));
}
