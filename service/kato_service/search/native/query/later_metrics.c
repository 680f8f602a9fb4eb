#include <math.h>

#include "query/later.h"

/*
 * Each symbol of the part once, in order of appearance: `next_symbol` gives how often it occurs,
 * and 0 for one that was given before. All occurrences are 0 again at the end.
 */
static void count_symbols(query *query, present part)
{
    for (uint32_t at = 0; at < part.count; at++) {
        query->occurrences[TOKEN_SYMBOL(part.tokens[at])]++;
    }
}

static uint32_t next_symbol(query *query, present part, uint32_t at, uint32_t *symbol)
{
    *symbol = TOKEN_SYMBOL(part.tokens[at]);
    uint32_t count = query->occurrences[*symbol];
    query->occurrences[*symbol] = 0;
    return count;
}

double normalized_entropy(query *query, present part)
{
    uint32_t distinct = query->frozen->counts.symbols, symbol;
    double total = 0.0;
    if (distinct <= 1) {
        return 0.0;
    }
    double base = log((double)distinct);
    count_symbols(query, part);
    for (uint32_t at = 0; at < part.count; at++) {
        uint32_t count = next_symbol(query, part, at, &symbol);
        if (count > 0) {
            double q = (double)count / part.count;
            total -= q * (log(q) / base);
        }
    }
    return round12(total);
}

double global_normalized_entropy(query *query, present part)
{
    uint32_t distinct = query->frozen->counts.symbols, symbol;
    double total = 0.0;
    if (distinct <= 1) {
        return 0.0;
    }
    double base = log((double)distinct);
    count_symbols(query, part);
    for (uint32_t at = 0; at < part.count; at++) {
        if (next_symbol(query, part, at, &symbol) > 0) {
            double g = (double)holders_of(query, symbol) / query->later.patterns;
            total -= g * (log(g) / base);
        }
    }
    return round12(total);
}

double shannon_entropy(query *query, present part)
{
    double total = 0.0;
    uint32_t symbol;
    count_symbols(query, part);
    for (uint32_t at = 0; at < part.count; at++) {
        uint32_t count = next_symbol(query, part, at, &symbol);
        if (count > 0) {
            double q = (double)count / part.count;
            total -= q * log2(q);
        }
    }
    return round12(total);
}

double tfidf_score(query *query, present part)
{
    double total = 0.0;
    uint32_t symbol, distinct = 0;
    count_symbols(query, part);
    for (uint32_t at = 0; at < part.count; at++) {
        uint32_t count = next_symbol(query, part, at, &symbol);
        if (count > 0) {
            double rarity = log2((double)query->later.patterns / holders_of(query, symbol)) + 1.0;
            total += (double)count / part.count * rarity;
            distinct++;
        }
    }
    return round12(total / distinct);
}

double share_of(double part, double whole)
{
    return whole != 0.0 ? round12(part / whole) : 0.0;
}
