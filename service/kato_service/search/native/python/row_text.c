#include "python/row_text.h"

#include "python/row_source.h"
#include "python/rows.h"

/* The symbols of a state or of some patterns, one for every token. */
typedef struct {
    utf8 *symbols;
    size_t count;
} spellings;

/* JSON that Python has made for one prediction. */
typedef struct {
    utf8 emotives;
    utf8 metadata; /* without bytes: it has none */
} added;

typedef struct {
    query *query;
    size_t begin, end;
    spellings state;
    spellings patterns;
    added *added; /* NULL: no prediction has extras */
    known_numbers *known;
    text written;
} writing;

/* What UTF-8 of a str is kept in it. 0 with an exception set: it has none. */
static int spelled_as(PyObject *symbol, utf8 *spelling)
{
    Py_ssize_t size;
    spelling->bytes = PyUnicode_AsUTF8AndSize(symbol, &size);
    spelling->size = spelling->bytes == NULL ? 0 : (size_t)size;
    return spelling->bytes != NULL;
}

static int state_spelled(writing *work, PyObject *state_symbols)
{
    spellings *state = &work->state;
    state->count = (size_t)PyTuple_Size(state_symbols);
    state->symbols = kato_allocate(state->count, sizeof(utf8));
    for (size_t at = 0; state->symbols != NULL && at < state->count; at++) {
        if (!spelled_as(PyTuple_GetItem(state_symbols, (Py_ssize_t)at), &state->symbols[at])) {
            return 0;
        }
    }
    return state->symbols != NULL;
}

static int patterns_spelled(writing *work)
{
    spellings *patterns = &work->patterns;
    const symbol_table *table = work->query->frozen->symbols;
    for (size_t place = work->begin; place < work->end; place++) {
        patterns->count += source_of(work->query, &work->query->candidates[place]).size;
    }
    patterns->symbols = kato_allocate(patterns->count, sizeof(utf8));
    if (patterns->symbols == NULL) {
        return 0;
    }
    utf8 *next = patterns->symbols;
    for (size_t place = work->begin; place < work->end; place++) {
        row_source from = source_of(work->query, &work->query->candidates[place]);
        for (uint32_t at = 0; at < from.size; at++) {
            if (!spelled_as(table->objects[TOKEN_SYMBOL(from.tokens[at])], next++)) {
                return 0;
            }
        }
    }
    return 1;
}

static int bytes_of(PyObject *given, utf8 *held)
{
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(given, &bytes, &size) < 0) {
        return 0;
    }
    *held = (utf8){bytes, (size_t)size};
    return 1;
}

/* What *extras* holds, which its owner keeps alive. */
static int extras_taken(writing *work, PyObject *extras)
{
    size_t count = work->end - work->begin;
    if (extras == Py_None) {
        return 1;
    }
    if (!PyTuple_Check(extras) || (size_t)PyTuple_Size(extras) != count) {
        PyErr_SetString(PyExc_TypeError, "extras are a tuple with an item for each prediction");
        return 0;
    }
    work->added = kato_allocate_zeroed(count, sizeof(added));
    for (size_t at = 0; work->added != NULL && at < count; at++) {
        PyObject *one = PyTuple_GetItem(extras, (Py_ssize_t)at);
        if (one == Py_None) {
            continue;
        }
        PyObject *emotives, *metadata;
        if (!PyTuple_Check(one)) {
            PyErr_SetString(PyExc_TypeError, "the extras of a prediction are a tuple, or None");
            return 0;
        }
        if (!PyArg_ParseTuple(one, "OO", &emotives, &metadata)
            || !bytes_of(emotives, &work->added[at].emotives)
            || (metadata != Py_None && !bytes_of(metadata, &work->added[at].metadata))) {
            return 0;
        }
    }
    return work->added != NULL;
}

static void write_events(text *to, const row_source *from, const utf8 *symbols, uint32_t begin,
                         uint32_t end)
{
    text_literal(to, "[");
    for (uint32_t at = begin; at < end; at++) {
        if (at == begin) {
            text_literal(to, "[");
        } else if (from->tokens[at] & EVENT_START) {
            text_literal(to, "],[");
        } else {
            text_literal(to, ",");
        }
        text_string(to, symbols[at]);
    }
    if (end > begin) {
        text_literal(to, "]");
    }
    text_literal(to, "]");
}

/* Add a member to a list of symbols. */
static void write_member(text *to, utf8 symbol, int *is_first)
{
    if (!*is_first) {
        text_literal(to, ",");
    }
    *is_first = 0;
    text_string(to, symbol);
}

/* The state's symbols in blocks, or those in none. */
static void write_state(writing *work, const row_source *from, int inside)
{
    const block *blocks = work->query->scratch.found;
    uint32_t number = 0;
    int is_first = 1;
    text_literal(&work->written, "[");
    for (uint32_t at = 0; at < work->state.count; at++) {
        while (number < from->alignment.blocks
               && at >= blocks[number].in_state + blocks[number].size) {
            number++;
        }
        int in_block = number < from->alignment.blocks && at >= blocks[number].in_state;
        if (in_block == inside) {
            write_member(&work->written, work->state.symbols[at], &is_first);
        }
    }
    text_literal(&work->written, "]");
}

/* Symbols of the present that are not among the matches. */
static void write_missing(writing *work, const row_source *from, const utf8 *symbols)
{
    const uint8_t *in_matches = work->query->in_matches;
    int is_first = 1;
    text_literal(&work->written, "[");
    source_mark(from, 1);
    for (uint32_t at = from->found->present_begin; at < from->found->present_end; at++) {
        if (!in_matches[state_local(from->state, TOKEN_SYMBOL(from->tokens[at]))]) {
            write_member(&work->written, symbols[at], &is_first);
        }
    }
    source_mark(from, 0);
    text_literal(&work->written, "]");
}

static void write_name(text *to, const row_source *from)
{
    char digits[2 * NAME_BYTES];
    name_spell(view_name(from->view, from->found->local), digits);
    text_bytes(to, digits, sizeof(digits));
}

#define METRIC(key, value)                           \
    text_literal(&work->written, ",\"" key "\":");   \
    text_number(&work->written, value, work->known)

static void write_metrics(writing *work, const row_source *from)
{
    share_metrics shares = source_shares(from);
    METRIC("potential", from->found->potential);
    METRIC("evidence", shares.evidence);
    METRIC("similarity", shares.similarity);
    METRIC("fragmentation", shares.fragmentation);
    METRIC("snr", shares.snr);
    METRIC("entropy", from->metrics.entropy);
    METRIC("hamiltonian", from->metrics.hamiltonian);
    METRIC("grand_hamiltonian", from->metrics.grand_hamiltonian);
    METRIC("confluence", from->metrics.confluence);
}

/* What comes before the metrics. */
static void write_regions(writing *work, const row_source *from, const utf8 *symbols,
                          const added *extras)
{
    text *to = &work->written;
    const candidate *found = from->found;
    text_literal(to, "{\"type\":\"prototypical\",\"name\":\"");
    write_name(to, from);
    text_literal(to, "\",\"frequency\":");
    text_integer(to, found->frequency);
    text_literal(to, ",\"emotives\":");
    if (extras->emotives.size) {
        text_bytes(to, extras->emotives.bytes, extras->emotives.size);
    } else {
        text_literal(to, "{}");
    }
    text_literal(to, ",\"matches\":");
    write_state(work, from, 1);
    text_literal(to, ",\"past\":");
    write_events(to, from, symbols, 0, found->present_begin);
    text_literal(to, ",\"present\":");
    write_events(to, from, symbols, found->present_begin, found->present_end);
    text_literal(to, ",\"missing\":");
    write_missing(work, from, symbols);
    text_literal(to, ",\"extras\":");
    write_state(work, from, 0);
}

static void write_row(writing *work, const row_source *from, const utf8 *symbols,
                      const added *extras)
{
    text *to = &work->written;
    write_regions(work, from, symbols, extras);
    write_metrics(work, from);
    text_literal(to, ",\"sequence\":");
    write_events(to, from, symbols, 0, from->size);
    text_literal(to, ",\"future\":");
    write_events(to, from, symbols, from->found->present_end, from->size);
    METRIC("confidence", source_shares(from).confidence);
    METRIC("itfdf_similarity", from->found->itfdf);
    text_literal(to, ",\"pattern_name\":\"PTRN|");
    write_name(to, from);
    text_literal(to, "\"");
    if (extras->metadata.size) {
        text_literal(to, ",\"metadata\":");
        text_bytes(to, extras->metadata.bytes, extras->metadata.size);
    }
    text_literal(to, "}");
}

/* 0: the pace gave no more time, or there was no memory. Needs no Python objects. */
static int write_rows(writing *work)
{
    static const added none;
    const utf8 *symbols = work->patterns.symbols;
    for (size_t place = work->begin; place < work->end; place++) {
        if (align_look(&work->query->scratch)) {
            return 0;
        }
        row_source from = source_of(work->query, &work->query->candidates[place]);
        source_compute(&from);
        if (work->query->scratch.expired) {
            return 0;
        }
        if (place > work->begin) {
            text_literal(&work->written, ",");
        }
        write_row(work, &from, symbols, work->added ? &work->added[place - work->begin] : &none);
        symbols += from.size;
    }
    return !work->written.failed;
}

static PyObject *written_without_lock(writing *work)
{
    int done;
    Py_BEGIN_ALLOW_THREADS
    done = write_rows(work);
    Py_END_ALLOW_THREADS
    return done ? PyBytes_FromStringAndSize(work->written.bytes, (Py_ssize_t)work->written.size)
                : NULL;
}

PyObject *predictions_text(query *query, Py_ssize_t begin, Py_ssize_t end,
                           PyObject *state_symbols, PyObject *extras, known_numbers *known)
{
    if (begin < 0 || begin > end || end > (Py_ssize_t)query->candidate_count) {
        PyErr_SetString(PyExc_IndexError, "prediction numbers out of range");
        return NULL;
    }
    writing work = {.query = query, .begin = (size_t)begin, .end = (size_t)end, .known = known};
    PyObject *made = NULL;
    if (extras_taken(&work, extras) && state_spelled(&work, state_symbols)
        && patterns_spelled(&work)) {
        made = written_without_lock(&work);
    }
    kato_free(work.added);
    kato_free(work.state.symbols);
    kato_free(work.patterns.symbols);
    text_close(&work.written);
    return made;
}
