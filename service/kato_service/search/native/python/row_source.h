/* What a prediction is made from, as Python objects (rows.c) or as JSON text (row_text.c). */
#ifndef KATO_ROW_SOURCE_H
#define KATO_ROW_SOURCE_H

#include "query/query.h"

typedef struct {
    query *query;
    const candidate *found;
    const segment_view *view;
    const uint32_t *tokens;
    uint32_t size;
    present part;
    const state *state; /* as the pattern spells it */
    alignment alignment; /* its blocks are listed in the query's scratch */
    present_metrics metrics;
} row_source;

row_source source_of(query *query, const candidate *found);

/* Align it again, with its blocks, and compute its metrics; needs no Python objects. */
void source_compute(row_source *from);

/* Set `in_matches` of the symbols in blocks to *mark*. */
void source_mark(const row_source *from, uint8_t mark);

/* The metrics that follow from counts alone. */
typedef struct {
    double evidence;
    double similarity;
    double fragmentation;
    double snr;
    double confidence;
} share_metrics;

share_metrics source_shares(const row_source *from);

#endif
