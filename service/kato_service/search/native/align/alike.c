#include "align/alike.h"

#include <string.h>

#ifdef KATO_SMALL_SEGMENTS
enum { BATCH_SYMBOLS = 3, BATCH_LOOKED = 5, MAX_ALIKE = 1 << 10, TOTALS = 9 };
#else
enum {
    BATCH_SYMBOLS = 1 << 10, /* compared without the interpreter lock in between */
    BATCH_LOOKED = 1 << 13, /* looked at under the lock: a fraction of a millisecond */
    MAX_ALIKE = 1 << 22, /* as in fuzzy.py */
    TOTALS = 1 << 10 /* lengths of two symbols together whose least common part is kept */
};
#endif

enum { BATCH_POINTS = 1 << 15, PREFIX = 5 };

/* Some symbols of the index, and what is needed to compare them. */
typedef struct {
    spellings texts;
    uint32_t numbers[BATCH_SYMBOLS];
    pattern_spelling prepared;
    double least;
    double shortest, longest; /* no symbol of another length is alike */
    uint32_t needed[TOTALS]; /* by the length of both, the least common part that reaches *least* */
} comparison;

static int is_vector(const uint32_t *text, size_t length)
{
    static const uint32_t prefix[PREFIX] = {'V', 'C', 'T', 'R', '|'};
    return length >= PREFIX && memcmp(text, prefix, sizeof(prefix)) == 0;
}

/* Copy a symbol behind *all*, without adding it. -1 with an exception set. */
static int64_t copied(spellings *all, PyObject *symbol)
{
    Py_ssize_t length = PyUnicode_GetLength(symbol);
    uint32_t *text = length < 0 ? NULL : spellings_room(all, (size_t)length);
    if (text == NULL) {
        return length < 0 ? -1 : (PyErr_NoMemory(), -1);
    }
    return PyUnicode_AsUCS4(symbol, text, length + 1, 1) == NULL ? -1 : length;
}

/* The spelling of a symbol, a new one if the dictionary has none. -1 with an exception set. */
static int64_t spelling_of(alike *found, PyObject *known, PyObject *symbol)
{
    PyObject *seen = PyDict_GetItemWithError(known, symbol);
    if (seen != NULL || PyErr_Occurred()) {
        return seen != NULL ? PyLong_AsLongLong(seen) : -1;
    }
    int64_t length = copied(&found->texts, symbol), spelling = 0;
    if (length < 0) {
        return -1;
    }
    if (!is_vector(found->texts.text + found->texts.used, (size_t)length)) {
        spellings_add(&found->texts, (size_t)length);
        spelling = found->texts.count;
    }
    PyObject *number = PyLong_FromLongLong(spelling);
    int failed = number == NULL || PyDict_SetItem(known, symbol, number) < 0;
    Py_XDECREF(number);
    return failed ? -1 : spelling;
}

/* Number the spellings of the state. -1 with an exception set. */
static int spell(alike *found, const frozen *frozen, PyObject *symbols)
{
    PyObject *known = PyDict_New();
    int failed = known == NULL;
    for (uint32_t at = 0; at < found->length && !failed; at++) {
        PyObject *symbol = PyTuple_GetItem(symbols, at);
        int64_t number = symbols_find(frozen->symbols, symbol);
        int64_t spelling = number == -2 ? -1 : spelling_of(found, known, symbol);
        failed = spelling < 0;
        if (!failed) {
            int is_known = number >= 0 && number < frozen->symbol_count;
            found->spelled[at] = (uint32_t)spelling;
            found->numbers[at] = is_known ? (uint32_t)number : NO_SYMBOL;
            found->known[spelling] = found->numbers[at];
            found->times[spelling]++;
        }
    }
    Py_XDECREF(known);
    return failed ? -1 : 0;
}

static uint32_t least_common(double least, uint64_t total)
{
    uint32_t common = (uint32_t)(least * (double)total / 2.0);
    while (spelling_ratio(common, total) < least) {
        common++;
    }
    while (common > 0 && spelling_ratio(common - 1, total) >= least) {
        common--;
    }
    return common;
}

/*
 * At most, the shorter symbol is common: 2·shorter / (shorter + longer) ≥ least. One more on each
 * side makes up for rounding.
 */
static void prepare(comparison *with, const alike *found, double least)
{
    double shortest = UINT32_MAX, longest = 0.0;
    for (uint32_t own = 0; own < found->texts.count; own++) {
        double length = spelling_length(&found->texts, own);
        shortest = length < shortest ? length : shortest;
        longest = length > longest ? length : longest;
    }
    with->least = least;
    with->shortest = shortest * least / (2.0 - least) - 1.0;
    with->longest = longest * (2.0 - least) / least + 1.0;
    for (uint32_t total = 0; total < TOTALS; total++) {
        with->needed[total] = least_common(least, total);
    }
}

/* Copy the next symbols of the index, under the interpreter lock. -1 with an exception set. */
static int gather_symbols(comparison *with, const frozen *frozen, uint32_t *next)
{
    uint32_t last = *next;
    last += frozen->symbol_count - last < BATCH_LOOKED ? frozen->symbol_count - last : BATCH_LOOKED;
    with->texts.count = 0;
    with->texts.used = 0;
    while (*next < last && with->texts.count < BATCH_SYMBOLS && with->texts.used < BATCH_POINTS) {
        PyObject *symbol = frozen->symbols->objects[*next];
        Py_ssize_t length = PyUnicode_GetLength(symbol);
        if (length >= with->shortest && length <= with->longest) {
            if (copied(&with->texts, symbol) < 0) {
                return -1;
            }
            if (!is_vector(with->texts.text + with->texts.used, (size_t)length)) {
                with->numbers[with->texts.count] = *next;
                spellings_add(&with->texts, (size_t)length);
            }
        }
        ++*next;
    }
    return 0;
}

static int add_pair(alike *found, uint32_t own, double ratio)
{
    if (found->count == found->capacity) {
        size_t capacity = found->capacity ? found->capacity * 2 : 64;
        likeness *grown = kato_resize(found->pairs, capacity, sizeof(*grown));
        if (grown == NULL) {
            return -1;
        }
        found->pairs = grown;
        found->capacity = capacity;
    }
    found->pairs[found->count++] = (likeness){own + 1, ratio};
    return 0;
}

/* How many of a symbol's code points may be common, judged by those that the other one lacks. */
static uint32_t at_most(uint32_t length, uint64_t letters, uint64_t others)
{
    return length - (uint32_t)__builtin_popcountll(letters & ~others);
}

/* Find the state's symbols that are like one of the index. -1: no memory, or expired. */
static int compare_one(alike *found, comparison *with, uint32_t at, align_scratch *scratch)
{
    const spellings *owns = &found->texts;
    uint32_t length = spelling_length(&with->texts, at);
    uint64_t letters = with->texts.letters[at];
    int is_prepared = 0;
    for (uint32_t own = 0; own < owns->count; own++) {
        uint32_t size = spelling_length(owns, own);
        uint64_t total = (uint64_t)size + length, steps = 1;
        uint32_t needed = total < TOTALS ? with->needed[total] : least_common(with->least, total);
        if (at_most(size, owns->letters[own], letters) >= needed
            && at_most(length, letters, owns->letters[own]) >= needed) {
            const uint32_t *text = with->texts.text + with->texts.starts[at];
            if (!is_prepared && spelling_prepare(&with->prepared, text, length) < 0) {
                return -1;
            }
            is_prepared = 1;
            uint32_t common = spelling_common(&with->prepared, owns->text + owns->starts[own], size);
            if (common >= needed && add_pair(found, own, spelling_ratio(common, total)) < 0) {
                return -1;
            }
            steps += (uint64_t)(size + 4) * (with->prepared.words + 1);
        }
        if (align_expired(scratch, steps)) {
            return -1;
        }
    }
    return 0;
}

/* The same for all that were copied; *from*: the first symbol whose likenesses have no start yet. */
static int compare(alike *found, comparison *with, uint32_t *from, align_scratch *scratch)
{
    for (uint32_t at = 0; at < with->texts.count; at++) {
        while (*from <= with->numbers[at]) {
            found->starts[(*from)++] = (uint32_t)found->count;
        }
        if (compare_one(found, with, at, scratch) < 0) {
            return -1;
        }
        if (found->count > MAX_ALIKE) {
            return -1;
        }
    }
    return align_look(scratch) ? -1 : 0;
}

/* How often the state may hold each symbol of the index, as some pattern spells it. */
static int seek(alike *found, const frozen *frozen, const state *state)
{
    size_t symbols = state->distinct;
    for (uint32_t number = 0; number < frozen->symbol_count; number++) {
        symbols += found->starts[number] < found->starts[number + 1];
    }
    found->sought_symbols = kato_allocate(symbols + 1, sizeof(uint32_t));
    found->sought_counts = kato_allocate_zeroed(symbols + 1, sizeof(uint32_t));
    if (found->sought_symbols == NULL || found->sought_counts == NULL) {
        return -1;
    }
    for (uint32_t number = 0; number < frozen->symbol_count; number++) {
        uint32_t count = 0;
        for (uint32_t at = found->starts[number]; at < found->starts[number + 1]; at++) {
            count += found->times[found->pairs[at].own];
        }
        if (count > 0) {
            found->sought_symbols[++found->sought] = number;
            found->sought_counts[found->sought] = count;
            found->sought_times += count;
        }
    }
    for (uint32_t local = 1; local <= state->distinct; local++) {
        if (found->spelled[state->positions[state->starts[local]]] == 0) {
            found->sought_symbols[++found->sought] = state->symbols[local];
            found->sought_counts[found->sought] = state->counts[local];
            found->sought_times += state->counts[local];
        }
    }
    return 0;
}

static int allocate(alike *found, const frozen *frozen, uint32_t length)
{
    found->length = length;
    found->spelled = kato_allocate(length, sizeof(uint32_t));
    found->numbers = kato_allocate(length, sizeof(uint32_t));
    found->known = kato_allocate((size_t)length + 1, sizeof(uint32_t));
    found->times = kato_allocate_zeroed((size_t)length + 1, sizeof(uint32_t));
    found->starts = kato_allocate((size_t)frozen->symbol_count + 1, sizeof(uint32_t));
    return found->spelled && found->numbers && found->known && found->times && found->starts ? 0
                                                                                             : -1;
}

/* Compare all symbols of the index, in batches. -1: no memory, an exception is set, or expired. */
static int compare_all(alike *found, comparison *with, const frozen *frozen, align_scratch *scratch)
{
    uint32_t next = found->texts.count > 0 ? 0 : frozen->symbol_count, from = 0;
    while (next < frozen->symbol_count) {
        int failed;
        if (gather_symbols(with, frozen, &next) < 0) {
            return -1;
        }
        Py_BEGIN_ALLOW_THREADS
        failed = compare(found, with, &from, scratch);
        Py_END_ALLOW_THREADS
        if (failed && found->count > MAX_ALIKE) {
            PyErr_SetString(PyExc_OverflowError, "too many symbols are alike");
        }
        if (failed) {
            return -1;
        }
    }
    while (from <= frozen->symbol_count) {
        found->starts[from++] = (uint32_t)found->count;
    }
    return 0;
}

int alike_find(alike *found, const frozen *frozen, PyObject *symbols, const state *state,
               double least, align_scratch *scratch)
{
    memset(found, 0, sizeof(*found));
    comparison *with = kato_allocate_zeroed(1, sizeof(*with));
    int failed = with == NULL || allocate(found, frozen, state->length) < 0
                 || spell(found, frozen, symbols) < 0;
    if (!failed) {
        prepare(with, found, least);
        failed = compare_all(found, with, frozen, scratch) < 0;
    }
    if (!failed) {
        Py_BEGIN_ALLOW_THREADS
        failed = seek(found, frozen, state) < 0;
        Py_END_ALLOW_THREADS
    }
    if (with != NULL) {
        spellings_close(&with->texts);
        spelling_close(&with->prepared);
        kato_free(with);
    }
    return failed ? -1 : 0;
}

void alike_close(alike *found)
{
    kato_free(found->spelled);
    kato_free(found->numbers);
    kato_free(found->known);
    kato_free(found->times);
    spellings_close(&found->texts);
    kato_free(found->starts);
    kato_free(found->pairs);
    kato_free(found->sought_symbols);
    kato_free(found->sought_counts);
    memset(found, 0, sizeof(*found));
}
