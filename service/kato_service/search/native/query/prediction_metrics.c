#include "query/prediction_metrics.h"

#include <math.h>

#include "index/segment.h"

#define UNKNOWN_PROBABILITY 1e-10
#define COUNTED 0x80000000u /* in a tally: the symbol was met before */

/*
 * Exact: the value is mantissa · 2^-shift, so value · 10^12 is an integer of at most 93 bits over
 * a power of two. The nearest integer (half to even) over 10^12 is the double nearest to the
 * decimal that Python's round gives. From 2^13 on, doubles are further apart than 10^-12, so the
 * one nearest to the rounded decimal is the value itself.
 */
double round12(double value)
{
    int exponent;
    double mantissa = frexp(fabs(value), &exponent);
    int shift = 53 - exponent;
    if (!(fabs(value) < 8192.0)) {
        return value;
    }
    if (shift > 120) {
        return 0.0;
    }
    unsigned __int128 scaled = (unsigned __int128)ldexp(mantissa, 53) * 1000000000000u;
    unsigned __int128 rest = scaled & (((unsigned __int128)1 << shift) - 1);
    unsigned __int128 half = (unsigned __int128)1 << (shift - 1);
    uint64_t whole = (uint64_t)(scaled >> shift);
    if (rest > half || (rest == half && (whole & 1))) {
        whole++;
    }
    double rounded = (double)whole / 1e12;
    return value < 0.0 ? 0.0 - rounded : rounded;
}

double signal_to_noise(uint32_t matched, uint32_t extra)
{
    double total = 2.0 * matched + extra;
    return total != 0.0 ? (2.0 * matched - extra) / total : 0.0;
}

static void count_symbols(present part, tally *occurrences)
{
    for (uint32_t at = 0; at < part.count; at++) {
        occurrences[TOKEN_SYMBOL(part.tokens[at])]++;
    }
}

double length_of(const double *by_local, uint32_t count)
{
    double total = 0.0;
    for (uint32_t local = 1; local <= count; local++) {
        total += by_local[local] * by_local[local];
    }
    return sqrt(total);
}

double cosine_distance(const state *state, const weights *weights, const symbol_counts *counts,
                       present part, tally *occurrences)
{
    double product = 0.0, total = 0.0;
    /* Each symbol is used once, in order of appearance: its tally is reset then. */
    count_symbols(part, occurrences);
    for (uint32_t at = 0; at < part.count; at++) {
        uint32_t symbol = TOKEN_SYMBOL(part.tokens[at]);
        if (occurrences[symbol] == 0) {
            continue;
        }
        double weight = counts_probability(counts, symbol) * occurrences[symbol];
        uint32_t local = state_local(state, symbol);
        if (local != 0) {
            product += weights->by_local[local] * weight;
        }
        total += weight * weight;
        occurrences[symbol] = 0;
    }
    double length = weights->length * sqrt(total);
    return length != 0.0 ? 1.0 - product / length : 1.0;
}

double itfdf_similarity(double distance, uint32_t frequency, uint64_t total_frequency)
{
    if (total_frequency == 0) {
        return 0.0;
    }
    return round12(1.0 - distance * frequency / (double)total_frequency);
}

double potential_of(double shares, double noise, double itfdf, uint32_t blocks)
{
    double bonus = blocks != 0 ? 1.0 / blocks : 0.0;
    return round12(shares * noise + itfdf + bonus);
}

static double confluence_of(const symbol_counts *counts, double exponent, uint32_t frequency)
{
    double share = counts->learns > 0 ? (double)frequency / (double)counts->learns : 0.0;
    return round12(share * (1.0 - pow(10.0, exponent)));
}

present_metrics metrics_of(const symbol_counts *counts, present part, uint32_t frequency,
                           tally *occurrences)
{
    double entropy = 0.0, hamiltonian = 0.0, grand = 0.0, exponent = 0.0;
    double base = counts->symbols > 1 ? log((double)counts->symbols) : 0.0;
    count_symbols(part, occurrences);
    for (uint32_t at = 0; at < part.count; at++) {
        uint32_t symbol = TOKEN_SYMBOL(part.tokens[at]);
        double p = counts_probability(counts, symbol);
        double q = (double)(occurrences[symbol] & ~COUNTED) / part.count;
        int again = (occurrences[symbol] & COUNTED) != 0;
        occurrences[symbol] |= COUNTED;
        exponent += log10(p != 0.0 ? p : UNKNOWN_PROBABILITY);
        if (p > 0.0) {
            entropy -= p * log2(p);
        }
        if (counts->symbols > 1) {
            hamiltonian -= q * (log(q) / base);
        }
        if (counts->symbols > 1 && p > 0.0 && !again) {
            grand -= p * (log(p) / base);
        }
    }
    for (uint32_t at = 0; at < part.count; at++) {
        occurrences[TOKEN_SYMBOL(part.tokens[at])] = 0;
    }
    return (present_metrics){round12(entropy), round12(hamiltonian), round12(grand),
                             confluence_of(counts, exponent, frequency)};
}
