#include "python/rows.h"

#include <string.h>

#include "index/digits.h"

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

PyObject *name_text(const uint8_t *name)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * NAME_BYTES];
    for (int at = 0; at < NAME_BYTES; at++) {
        text[2 * at] = digits[name[at] >> 4];
        text[2 * at + 1] = digits[name[at] & 15];
    }
    return PyUnicode_FromStringAndSize(text, sizeof(text));
}

static void set_symbol(PyObject *tuple, uint32_t place, PyObject *symbol)
{
    Py_INCREF(symbol);
    PyTuple_SetItem(tuple, place, symbol);
}

static uint32_t events_in(const uint32_t *tokens, uint32_t count)
{
    uint32_t events = 0;
    for (uint32_t at = 0; at < count; at++) {
        events += (tokens[at] & EVENT_START) != 0;
    }
    return events;
}

PyObject *events_of(const symbol_table *symbols, const uint32_t *tokens, uint32_t count)
{
    PyObject *events = PyTuple_New(events_in(tokens, count));
    uint32_t from = 0;
    for (uint32_t event = 0; events != NULL && from < count; event++) {
        uint32_t to = from + 1;
        while (to < count && !(tokens[to] & EVENT_START)) {
            to++;
        }
        PyObject *members = PyTuple_New(to - from);
        if (members == NULL) {
            Py_CLEAR(events);
            break;
        }
        for (uint32_t at = from; at < to; at++) {
            set_symbol(members, at - from, symbols->objects[TOKEN_SYMBOL(tokens[at])]);
        }
        PyTuple_SetItem(events, event, members);
        from = to;
    }
    return events;
}

/* The state's symbols that are in blocks (*inside*), or those that are not. */
static PyObject *state_part(PyObject *symbols, const block *blocks, uint32_t block_count,
                            uint32_t size, int inside)
{
    PyObject *part = PyTuple_New(size);
    uint32_t length = (uint32_t)PyTuple_Size(symbols), number = 0, place = 0;
    for (uint32_t at = 0; part != NULL && at < length; at++) {
        while (number < block_count && at >= blocks[number].in_state + blocks[number].size) {
            number++;
        }
        int in_block = number < block_count && at >= blocks[number].in_state;
        if (in_block == inside) {
            set_symbol(part, place++, PyTuple_GetItem(symbols, at));
        }
    }
    return part;
}

/* Set `in_matches` of the symbols in blocks to *mark*. */
static void mark_matched(query *query, const uint32_t *tokens, const alignment *found,
                         const block *blocks, uint8_t mark)
{
    for (uint32_t number = 0; number < found->blocks; number++) {
        const block *one = &blocks[number];
        for (uint32_t at = one->in_pattern; at < one->in_pattern + one->size; at++) {
            query->in_matches[state_local(&query->state, TOKEN_SYMBOL(tokens[at]))] = mark;
        }
    }
}

/* Symbols of the present that are not among the matches; `in_matches` marks those that are. */
static PyObject *missing_part(const query *query, present part)
{
    const symbol_table *symbols = query->frozen->symbols;
    uint32_t size = 0, place = 0;
    for (uint32_t at = 0; at < part.count; at++) {
        size += !query->in_matches[state_local(&query->state, TOKEN_SYMBOL(part.tokens[at]))];
    }
    PyObject *missing = PyTuple_New(size);
    for (uint32_t at = 0; missing != NULL && at < part.count; at++) {
        uint32_t symbol = TOKEN_SYMBOL(part.tokens[at]);
        if (!query->in_matches[state_local(&query->state, symbol)]) {
            set_symbol(missing, place++, symbols->objects[symbol]);
        }
    }
    return missing;
}

enum { LONG_ALIGNMENT = 1 << 20 }; /* pattern × state, in symbols, from which it takes long */

enum {
    NAME, FREQUENCY, MATCHES, PAST, PRESENT, MISSING, EXTRAS, POTENTIAL, EVIDENCE, SIMILARITY,
    FRAGMENTATION, SNR, ENTROPY, HAMILTONIAN, GRAND_HAMILTONIAN, CONFLUENCE, SEQUENCE, FUTURE,
    CONFIDENCE, ITFDF, FIELDS
};

/* What a row is made from. */
typedef struct {
    query *query;
    const candidate *found;
    const segment_view *view;
    const uint32_t *tokens;
    uint32_t size;
    present part;
} row_source;

/* A long alignment takes as long as many rows: other threads get the interpreter lock meanwhile. */
static alignment aligned_for_row(query *query, const uint32_t *tokens, uint32_t size, block *list)
{
    alignment found;
    if ((uint64_t)size * query->state.length < LONG_ALIGNMENT) {
        return aligned(&query->state, &query->scratch, tokens, size, list);
    }
    Py_BEGIN_ALLOW_THREADS
    found = aligned(&query->state, &query->scratch, tokens, size, list);
    Py_END_ALLOW_THREADS
    return found;
}

static void set_regions(PyObject **fields, const row_source *from, PyObject *state_symbols)
{
    query *query = from->query;
    block *list = query->scratch.found;
    alignment again = aligned_for_row(query, from->tokens, from->size, list);
    uint32_t matched = again.matched, blocks = again.blocks; /* as before, unless it expired */
    fields[MATCHES] = state_part(state_symbols, list, blocks, matched, 1);
    fields[EXTRAS] = state_part(state_symbols, list, blocks, query->state.length - matched, 0);
    mark_matched(query, from->tokens, &again, list, 1);
    fields[MISSING] = missing_part(query, from->part);
    mark_matched(query, from->tokens, &again, list, 0);
}

static void set_events(PyObject **fields, const row_source *from)
{
    const candidate *found = from->found;
    uint32_t begin = events_in(from->tokens, found->present_begin);
    uint32_t end = begin + events_in(from->part.tokens, from->part.count);
    PyObject *all = events_of(from->query->frozen->symbols, from->tokens, from->size);
    fields[SEQUENCE] = all;
    if (all != NULL) {
        fields[PAST] = PyTuple_GetSlice(all, 0, begin);
        fields[PRESENT] = PyTuple_GetSlice(all, begin, end);
        fields[FUTURE] = PyTuple_GetSlice(all, end, PyTuple_Size(all));
    }
}

static void set_metrics(PyObject **fields, const row_source *from)
{
    const query *query = from->query;
    const candidate *found = from->found;
    uint32_t matched = found->alignment.matched;
    double total = (double)from->size + query->state.length;
    present_metrics of_present = metrics_of(&query->frozen->counts, from->part, found->frequency,
                                         query->occurrences);
    fields[POTENTIAL] = PyFloat_FromDouble(found->potential);
    fields[EVIDENCE] = PyFloat_FromDouble((double)matched / from->size);
    fields[SIMILARITY] = PyFloat_FromDouble(2.0 * matched / total);
    fields[FRAGMENTATION] = PyFloat_FromDouble((double)found->alignment.blocks - 1.0);
    fields[SNR] = PyFloat_FromDouble(signal_to_noise(matched, query->state.length - matched));
    fields[ENTROPY] = PyFloat_FromDouble(of_present.entropy);
    fields[HAMILTONIAN] = PyFloat_FromDouble(of_present.hamiltonian);
    fields[GRAND_HAMILTONIAN] = PyFloat_FromDouble(of_present.grand_hamiltonian);
    fields[CONFLUENCE] = PyFloat_FromDouble(of_present.confluence);
    fields[CONFIDENCE] = PyFloat_FromDouble((double)matched / from->part.count);
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
    const segment_view *view = &query->frozen->segments[found->segment];
    const uint32_t *offsets = view_offsets(view);
    row_source from = {.query = query, .found = found, .view = view};
    from.tokens = view_tokens(view) + offsets[found->local];
    from.size = offsets[found->local + 1] - offsets[found->local];
    from.part.tokens = from.tokens + found->present_begin;
    from.part.count = found->present_end - found->present_begin;
    PyObject *fields[FIELDS] = {NULL};
    fields[NAME] = name_text(view_name(view, found->local));
    fields[FREQUENCY] = PyLong_FromUnsignedLong(found->frequency);
    set_regions(fields, &from, state_symbols);
    set_events(fields, &from);
    set_metrics(fields, &from);
    return packed(fields);
}
