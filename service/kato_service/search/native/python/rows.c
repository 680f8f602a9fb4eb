#include "python/rows.h"

#include <string.h>

#include "index/digits.h"
#include "python/row_source.h"
#include "python/symbol_tuples.h"
#include "query/fuzzy.h"
#include "query/later.h"

int name_parse(PyObject *text, uint8_t *name)
{
    Py_ssize_t size;
    const char *digits = PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &size) : NULL;
    if (digits == NULL || size != 2 * NAME_BYTES) {
        PyErr_Clear();
        return 0;
    }
    return name_decode(digits, name);
}

void name_spell(const uint8_t *name, char *digits)
{
    static const char hexadecimal[] = "0123456789abcdef";
    for (int at = 0; at < NAME_BYTES; at++) {
        digits[2 * at] = hexadecimal[name[at] >> 4];
        digits[2 * at + 1] = hexadecimal[name[at] & 15];
    }
}

PyObject *name_text(const uint8_t *name)
{
    char digits[2 * NAME_BYTES];
    name_spell(name, digits);
    return PyUnicode_FromStringAndSize(digits, sizeof(digits));
}

PyObject *names_at(const pattern_place *places, uint32_t count)
{
    /* Making text may run a finalizer that changes the index: copy what is read. */
    uint8_t(*raw)[NAME_BYTES] = kato_allocate((size_t)count + 1, sizeof(*raw));
    if (raw == NULL) {
        return PyErr_NoMemory();
    }
    for (uint32_t at = 0; at < count; at++) {
        memcpy(raw[at], view_name(&places[at].segment->view, places[at].local), NAME_BYTES);
    }
    PyObject *names = PyTuple_New(count);
    for (uint32_t at = 0; names != NULL && at < count; at++) {
        PyObject *text = name_text(raw[at]);
        if (text == NULL) {
            Py_CLEAR(names);
        } else {
            PyTuple_SetItem(names, at, text);
        }
    }
    kato_free(raw);
    return names;
}

enum { LONG_ROW = 1 << 12 }; /* symbols of pattern and state */

enum {
    NAME, FREQUENCY, MATCHES, PAST, PRESENT, MISSING, EXTRAS, POTENTIAL, EVIDENCE, SIMILARITY,
    FRAGMENTATION, SNR, ENTROPY, HAMILTONIAN, GRAND_HAMILTONIAN, CONFLUENCE, SEQUENCE, FUTURE,
    CONFIDENCE, ITFDF, BLOCKS, FIELDS
};

row_source source_of(query *query, const candidate *found)
{
    const segment_view *view = &query->frozen->segments[found->segment];
    const uint32_t *offsets = view_offsets(view);
    row_source from = {.query = query, .found = found, .view = view};
    from.tokens = view_tokens(view) + offsets[found->local];
    from.size = offsets[found->local + 1] - offsets[found->local];
    from.part.tokens = from.tokens + found->present_begin;
    from.part.count = found->present_end - found->present_begin;
    return from;
}

/* List the blocks in the query's scratch. */
static void align_blocks(row_source *from)
{
    query *query = from->query;
    from->state = state_for(query, from->tokens, from->size);
    from->alignment = aligned_with(query, from->state, from->tokens, from->size,
                                   query->scratch.found);
}

void source_compute(row_source *from)
{
    query *query = from->query;
    align_blocks(from);
    from->metrics = metrics_of(&query->frozen->counts, from->part, from->found->frequency,
                               query->occurrences);
}

/* The same without the interpreter lock if it may take long. */
static void without_lock(row_source *from, void (*work)(row_source *from))
{
    if (from->size + from->query->state.length < LONG_ROW) {
        work(from);
        return;
    }
    Py_BEGIN_ALLOW_THREADS
    work(from);
    Py_END_ALLOW_THREADS
}

void source_mark(const row_source *from, uint8_t mark)
{
    const block *blocks = from->query->scratch.found;
    for (uint32_t number = 0; number < from->alignment.blocks; number++) {
        const block *one = &blocks[number];
        for (uint32_t at = one->in_pattern; at < one->in_pattern + one->size; at++) {
            uint32_t local = state_local(from->state, TOKEN_SYMBOL(from->tokens[at]));
            from->query->in_matches[local] = mark;
        }
    }
}

static void set_regions(PyObject **fields, const row_source *from, PyObject *state_symbols)
{
    query *query = from->query;
    const block *list = query->scratch.found;
    uint32_t matched = from->alignment.matched, blocks = from->alignment.blocks;
    fields[MATCHES] = state_part(state_symbols, list, blocks, matched, 1);
    fields[EXTRAS] = state_part(state_symbols, list, blocks, query->state.length - matched, 0);
    fields[BLOCKS] = block_numbers(list, blocks);
    source_mark(from, 1);
    fields[MISSING] = missing_part(query, from->state, from->part);
    source_mark(from, 0);
}

static void set_events(PyObject **fields, const row_source *from)
{
    const candidate *found = from->found;
    uint32_t begin = events_in(from->tokens, found->present_begin);
    uint32_t end = begin + events_in(from->part.tokens, from->part.count);
    PyObject *all = events_of(from->query->frozen->symbols, from->tokens, from->size, 1);
    fields[SEQUENCE] = all;
    if (all != NULL) {
        fields[PAST] = PyTuple_GetSlice(all, 0, begin);
        fields[PRESENT] = PyTuple_GetSlice(all, begin, end);
        fields[FUTURE] = PyTuple_GetSlice(all, end, PyTuple_Size(all));
    }
}

share_metrics source_shares(const row_source *from)
{
    const query *query = from->query;
    uint32_t matched = from->found->alignment.matched;
    double total = (double)from->size + query->state.length;
    return (share_metrics){
        .evidence = (double)matched / from->size,
        .similarity = 2.0 * matched / total,
        .fragmentation = (double)from->found->alignment.blocks - 1.0,
        .snr = signal_to_noise(matched, query->state.length - matched),
        .confidence = (double)matched / from->part.count,
    };
}

static void set_metrics(PyObject **fields, const row_source *from)
{
    const candidate *found = from->found;
    const present_metrics *of_present = &from->metrics;
    share_metrics shares = source_shares(from);
    fields[POTENTIAL] = PyFloat_FromDouble(found->potential);
    fields[EVIDENCE] = PyFloat_FromDouble(shares.evidence);
    fields[SIMILARITY] = PyFloat_FromDouble(shares.similarity);
    fields[FRAGMENTATION] = PyFloat_FromDouble(shares.fragmentation);
    fields[SNR] = PyFloat_FromDouble(shares.snr);
    fields[ENTROPY] = PyFloat_FromDouble(of_present->entropy);
    fields[HAMILTONIAN] = PyFloat_FromDouble(of_present->hamiltonian);
    fields[GRAND_HAMILTONIAN] = PyFloat_FromDouble(of_present->grand_hamiltonian);
    fields[CONFLUENCE] = PyFloat_FromDouble(of_present->confluence);
    fields[CONFIDENCE] = PyFloat_FromDouble(shares.confidence);
    fields[ITFDF] = PyFloat_FromDouble(found->itfdf);
}

/* The fields as a tuple, which takes them over; NULL if one is missing. */
static PyObject *packed(PyObject **fields)
{
    PyObject *row = PyTuple_New(FIELDS);
    for (int field = 0; field < FIELDS; field++) {
        if (fields[field] == NULL) {
            Py_CLEAR(row);
        }
    }
    for (int field = 0; field < FIELDS; field++) {
        if (row != NULL) {
            PyTuple_SetItem(row, field, fields[field]);
        } else {
            Py_XDECREF(fields[field]);
        }
    }
    return row;
}

PyObject *prediction_row(query *query, const candidate *found, PyObject *state_symbols)
{
    row_source from = source_of(query, found);
    without_lock(&from, source_compute);
    PyObject *fields[FIELDS] = {NULL};
    fields[NAME] = name_text(view_name(from.view, found->local));
    fields[FREQUENCY] = PyLong_FromUnsignedLong(found->frequency);
    set_regions(fields, &from, state_symbols);
    set_events(fields, &from);
    set_metrics(fields, &from);
    return packed(fields);
}

/* The anomalies among the blocks of a row, in the order of the state. NULL with an exception set. */
static PyObject *anomalies_in(const row_source *from, PyObject *state_symbols)
{
    const fuzzy *fuzzy = from->query->fuzzy;
    const block *blocks = from->query->scratch.found;
    PyObject *list = PyList_New(0);
    for (uint32_t number = 0; number < from->alignment.blocks; number++) {
        uint32_t at = blocks[number].in_state, end = at + blocks[number].size;
        for (; list != NULL && at < end; at++) {
            if (!is_respelled(fuzzy, at)) {
                continue;
            }
            uint32_t spelling = fuzzy->alike->spelled[at];
            PyObject *expected = from->query->frozen->symbols->objects[fuzzy->chosen[spelling]];
            PyObject *one = Py_BuildValue("OOd", PyTuple_GetItem(state_symbols, at), expected,
                                          fuzzy->ratios[spelling]);
            if (one == NULL || PyList_Append(list, one) < 0) {
                Py_CLEAR(list);
            }
            Py_XDECREF(one);
        }
    }
    PyObject *anomalies = list == NULL ? NULL : PyList_AsTuple(list);
    Py_XDECREF(list);
    return anomalies;
}

PyObject *prediction_anomalies(query *query, const candidate *found, PyObject *state_symbols)
{
    row_source from = source_of(query, found);
    if (query->fuzzy == NULL) {
        return PyTuple_New(0);
    }
    without_lock(&from, align_blocks);
    return from.state == &query->state ? PyTuple_New(0) : anomalies_in(&from, state_symbols);
}

/* The blocks in a query's scratch. */
static PyObject *block_tuple(const row_source *from)
{
    const block *blocks = from->query->scratch.found;
    PyObject *tuple = PyTuple_New((Py_ssize_t)from->alignment.blocks);
    for (uint32_t number = 0; tuple != NULL && number < from->alignment.blocks; number++) {
        const block *one = &blocks[number];
        PyObject *numbers = Py_BuildValue("III", one->in_pattern, one->in_state, one->size);
        if (numbers == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SetItem(tuple, number, numbers);
        }
    }
    return tuple;
}

/* Evidence, confidence and snr as the potential has them: weighted if symbols are weighed. */
static weighted_metrics in_potential(const row_source *from)
{
    const query *query = from->query;
    if (query->wanted.affinity != NULL) {
        return unrounded_of(query, kept_at(query, from->found->segment, from->found->local));
    }
    uint32_t matched = from->found->alignment.matched;
    return (weighted_metrics){
        .evidence = (double)matched / from->size,
        .confidence = (double)matched / from->part.count,
        .snr = signal_to_noise(matched, query->state.length - matched),
    };
}

PyObject *prediction_explained(query *query, const candidate *found, PyObject *Py_UNUSED(symbols))
{
    row_source from = source_of(query, found);
    without_lock(&from, align_blocks);
    weighted_metrics of = in_potential(&from);
    PyObject *blocks = block_tuple(&from);
    return blocks == NULL ? NULL
                          : Py_BuildValue("Nddd", blocks, of.evidence, of.confidence, of.snr);
}
