/*
 * Prediction metrics (processor.md §7), with the order of operations of
 * domain/prediction_metrics.py, so that both engines give the same doubles.
 */
#ifndef KATO_PREDICTION_METRICS_H
#define KATO_PREDICTION_METRICS_H

#include "index/counts.h"
#include "align/state.h"

/* The part of a pattern that the state is compared with. */
typedef struct {
    const uint32_t *tokens;
    uint32_t count;
} present;

/* Occurrences by symbol number; all 0 between calls. */
typedef uint32_t tally;

typedef struct {
    double entropy;
    double hamiltonian;
    double grand_hamiltonian;
    double confluence;
} present_metrics;

/* Round half to even to 12 decimals, as Python's round does; the sign of a zero is dropped. */
double round12(double value);

/* (2M − E) / (2M + E); 0 if the denominator is 0. */
double signal_to_noise(uint32_t matched, uint32_t extra);

/* The state's counts weighted with P, by local number, and the length of this vector. */
typedef struct {
    double *by_local;
    double length;
} weights;

/* 1 − cos of the counts weighted with P. */
double cosine_distance(const state *state, const weights *weights, const symbol_counts *counts,
                       present part, tally *occurrences);

/* The length of the vector by_local[1] … by_local[count]. */
double length_of(const double *by_local, uint32_t count);

double itfdf_similarity(double distance, uint32_t frequency, uint64_t total_frequency);
double potential_of(double shares, double noise, double itfdf, uint32_t blocks);

present_metrics metrics_of(const symbol_counts *counts, present part, uint32_t frequency,
                           tally *occurrences);

#endif
