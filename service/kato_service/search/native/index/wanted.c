/* Which patterns hold given symbols and lie within bounds: a listing, not a query. */
#include "index/patterns.h"

typedef struct {
    const pattern_wanted *wanted;
    pattern_place *out;
    uint32_t limit;
    uint32_t found;
    uint64_t steps;   /* left */
    uint64_t reached; /* the first learn of the pattern that was looked at last */
} listing;

enum { TOKENS_A_STEP = 16 };

static int holds(const segment *segment, uint32_t local, uint32_t symbol)
{
    const uint32_t *tokens = view_tokens(&segment->view), *offsets = view_offsets(&segment->view);
    for (uint32_t at = offsets[local]; at < offsets[local + 1]; at++) {
        if (TOKEN_SYMBOL(tokens[at]) == symbol) {
            return 1;
        }
    }
    return 0;
}

static int is_wanted(const listing *listing, const segment *segment, uint32_t local)
{
    const pattern_wanted *wanted = listing->wanted;
    uint32_t frequency = view_frequencies(&segment->view)[local];
    uint64_t revision = segment_records(segment)[local].revision;
    if (frequency == REMOVED || frequency < wanted->least || frequency > wanted->most) {
        return 0;
    }
    if (revision <= wanted->changed_after || revision >= wanted->changed_before) {
        return 0;
    }
    for (uint32_t at = 0; at < wanted->count; at++) {
        if (!holds(segment, local, wanted->symbols[at])) {
            return 0;
        }
    }
    return 1;
}

/* Look at one pattern; 0: that was the last one for now. */
static int look(listing *listing, const segment *segment, uint32_t local)
{
    const uint32_t *offsets = view_offsets(&segment->view);
    uint64_t cost = 1;
    if (listing->wanted->count > 0) {
        cost += (offsets[local + 1] - offsets[local]) / TOKENS_A_STEP;
    }
    if (is_wanted(listing, segment, local)) {
        listing->out[listing->found++] = (pattern_place){segment, local};
    }
    listing->reached = segment_records(segment)[local].first;
    listing->steps -= cost < listing->steps ? cost : listing->steps;
    return listing->found < listing->limit && listing->steps > 0;
}

static int look_through(listing *listing, const segment *segment, uint32_t low, uint32_t high)
{
    for (uint32_t done = 0; low + done < high; done++) {
        uint32_t local = listing->wanted->newest_first ? high - 1 - done : low + done;
        if (!look(listing, segment, local)) {
            return 0;
        }
    }
    return 1;
}

/* Those in [low, high) that have postings, by the postings of the rarest symbol. */
static int look_through_postings(listing *listing, const segment *segment, const postings *found,
                                 uint32_t low, uint32_t high)
{
    uint32_t start = 0, count = UINT32_MAX, last = UINT32_MAX;
    for (uint32_t at = 0; at < listing->wanted->count; at++) {
        uint32_t begin, entries = postings_find(found, listing->wanted->symbols[at], &begin);
        if (entries < count) {
            start = begin;
            count = entries;
        }
    }
    for (uint32_t done = 0; done < count; done++) {
        uint32_t at = listing->wanted->newest_first ? count - 1 - done : done;
        uint32_t local = entry_local(found->entries[start + at]);
        if (local == last || local < low || local >= high) {
            continue;
        }
        last = local;
        if (!look(listing, segment, local)) {
            return 0;
        }
    }
    return 1;
}

static int look_through_segment(listing *listing, const segment *segment)
{
    const pattern_wanted *wanted = listing->wanted;
    uint32_t low = patterns_place_after(segment, wanted->after);
    uint32_t high = wanted->before > 0 ? patterns_place_after(segment, wanted->before - 1) : 0;
    postings found = postings_in(&segment->view);
    if (low >= high) {
        return 1;
    }
    if (wanted->count == 0 || found.patterns == 0) {
        return look_through(listing, segment, low, high);
    }
    uint32_t indexed = found.patterns < high ? found.patterns : high;
    uint32_t rest = low > found.patterns ? low : found.patterns;
    if (wanted->newest_first) {
        return look_through(listing, segment, rest, high)
               && look_through_postings(listing, segment, &found, low, indexed);
    }
    return look_through_postings(listing, segment, &found, low, indexed)
           && look_through(listing, segment, rest, high);
}

uint32_t patterns_wanted(const patterns *all, const pattern_wanted *wanted, uint32_t limit,
                         uint64_t steps, pattern_place *out, uint64_t *reached)
{
    listing listing = {wanted, out, limit, 0, steps, 0};
    *reached = 0;
    for (uint32_t done = 0; limit > 0 && done < all->order_count; done++) {
        uint32_t place = wanted->newest_first ? all->order_count - 1 - done : done;
        if (!look_through_segment(&listing, all->order[place])) {
            *reached = listing.reached;
            break;
        }
    }
    return listing.found;
}
