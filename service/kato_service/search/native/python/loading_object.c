/* Loader.load: gathers the patterns in stored documents, without the interpreter lock. */
#include <string.h>

#include "stored/document.h"
#include "python/objects.h"

/* A document that Python has to look at. */
typedef struct {
    span text;
    int is_added; /* everything was added except emotives, metadata, affinity */
} left_over;

typedef struct {
    document_source source;
    span *texts;
    Py_ssize_t text_count;
    left_over *left;
    size_t left_count;
    size_t left_capacity;
} reading;

/* Note a document for Python. -1: no memory. */
static int noted(reading *work, span text, int is_added)
{
    if (work->left_count == work->left_capacity) {
        size_t capacity = work->left_capacity * 2 + 16;
        left_over *left = kato_resize(work->left, capacity, sizeof(*left));
        if (left == NULL) {
            return -1;
        }
        work->left = left;
        work->left_capacity = capacity;
    }
    work->left[work->left_count++] = (left_over){text, is_added};
    return 0;
}

static loader_result document_read(loader *gathered, reading *work, span text)
{
    switch (document_load(gathered, &work->source, text)) {
    case DOCUMENT_TAKEN:
        return LOADER_DONE;
    case DOCUMENT_EXTRAS:
        return noted(work, text, 1) < 0 ? LOADER_MEMORY : LOADER_DONE;
    case DOCUMENT_LEFT:
        return noted(work, text, 0) < 0 ? LOADER_MEMORY : LOADER_DONE;
    default:
        return LOADER_MEMORY;
    }
}

/* Cut the first document off *text*, which holds several in BSON, but one in JSON. 0: damaged. */
static int cut_off(const document_format *format, span *text, span *first)
{
    size_t size = (size_t)(text->end - text->at);
    if (format == &bson_format) {
        uint32_t stated = 0;
        for (size_t byte = 4; byte > 0 && size >= 5; byte--) {
            stated = stated << 8 | (uint8_t)text->at[byte - 1];
        }
        if (stated < 5 || stated > size) {
            return 0;
        }
        size = stated;
    }
    *first = (span){text->at, text->at + size};
    text->at += size;
    return 1;
}

static loader_result all_read(loader *gathered, reading *work)
{
    loader_result result = LOADER_DONE;
    for (Py_ssize_t at = 0; at < work->text_count; at++) {
        span text = work->texts[at], first;
        while (result == LOADER_DONE && text.at < text.end) {
            if (!cut_off(work->source.format, &text, &first)) {
                return LOADER_DAMAGED;
            }
            result = document_read(gathered, work, first);
        }
    }
    return result;
}

/* Find the bytes in the tuple, which the caller keeps alive; -1 with an exception set. */
static int texts_found(reading *work, PyObject *given)
{
    work->text_count = PyTuple_Size(given);
    work->texts = kato_allocate((size_t)work->text_count, sizeof(*work->texts));
    if (work->texts == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t at = 0; at < work->text_count; at++) {
        char *bytes;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(given, at), &bytes, &size) < 0) {
            return -1;
        }
        work->texts[at] = (span){bytes, bytes + size};
    }
    return 0;
}

static PyObject *left_overs(const reading *work)
{
    PyObject *all = PyTuple_New((Py_ssize_t)work->left_count);
    for (size_t at = 0; all != NULL && at < work->left_count; at++) {
        const left_over *one = &work->left[at];
        PyObject *row = Py_BuildValue("y#N", one->text.at, (Py_ssize_t)(one->text.end - one->text.at),
                                      PyBool_FromLong(one->is_added));
        if (row == NULL) {
            Py_CLEAR(all);
        } else {
            PyTuple_SetItem(all, (Py_ssize_t)at, row);
        }
    }
    return all;
}

PyObject *loader_load(PyObject *object, PyObject *args)
{
    loader_object *self = (loader_object *)object;
    PyObject *given, *left = NULL;
    unsigned long long cleared, checkpoint;
    int is_bson;
    reading work;
    memset(&work, 0, sizeof(work));
    if (!PyArg_ParseTuple(args, "O!pKK", &PyTuple_Type, &given, &is_bson, &cleared, &checkpoint)
        || !loader_taken(self)) {
        return NULL;
    }
    work.source.cleared = cleared;
    work.source.checkpoint = checkpoint;
    work.source.format = is_bson ? &bson_format : &json_format;
    loader_result result = LOADER_DAMAGED;
    if (texts_found(&work, given) == 0) {
        Py_BEGIN_ALLOW_THREADS
        result = all_read(&self->gathered, &work);
        Py_END_ALLOW_THREADS
    }
    if (result == LOADER_DONE) {
        left = left_overs(&work);
        result = left == NULL ? LOADER_DAMAGED : LOADER_DONE;
    }
    kato_free(work.texts);
    kato_free(work.left);
    if (loader_given_back(self, result) < 0) {
        Py_XDECREF(left);
        return NULL;
    }
    return Py_BuildValue("NKN", left, (unsigned long long)work.source.newest,
                         PyBool_FromLong(work.source.has_garbage));
}
