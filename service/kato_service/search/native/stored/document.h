/* Views of patterns as stores keep them (knowledge.md §1), read without the interpreter. */
#ifndef KATO_DOCUMENT_H
#define KATO_DOCUMENT_H

#include "stored/loader.h"

typedef struct {
    const char *at;
    const char *end;
} span;

/* What a document says; spans lie in it. Values are encoded as the document is. */
typedef struct {
    uint8_t name[NAME_BYTES];
    span symbols;
    span sizes;
    uint64_t frequency;
    uint64_t learns;
    uint64_t first;
    uint64_t revision;
    int deleted;
    int has_extras; /* emotives or metadata */
    unsigned fields; /* bits of those it has */
} document;

typedef enum {
    FIELD_ID, FIELD_SYMBOLS, FIELD_SIZES, FIELD_FREQUENCY, FIELD_LEARNS, FIELD_FIRST,
    FIELD_REVISION, FIELD_DELETED, FIELD_EMOTIVES, FIELD_METADATA, FIELD_COUNT, FIELD_OTHER
} field;

enum { ALL_FIELDS = (1 << FIELD_COUNT) - 1 };

/* One way to write documents. Each gives 0 for what is not written as we write it. */
typedef struct {
    int (*read)(span text, document *found);
    /* The next symbol as UTF-8, in *text* or in *scratch*, which has room for all of it. */
    int (*next_symbol)(span *text, char *scratch, span *symbol);
    int (*next_size)(span *text, uint64_t *size);
} document_format;

extern const document_format bson_format, json_format;

field field_named(const char *name, size_t size);

/* Where the number of that field goes; NULL: it is none of a number. */
uint64_t *document_number(document *found, field which);

/* The pattern's name from an id, which ends with it. 0: it does not. */
int document_named(document *found, span id);

/* What the documents of a load have in common. */
typedef struct {
    const document_format *format;
    uint64_t cleared;    /* documents of revisions up to here are garbage */
    uint64_t checkpoint; /* patterns that were first learned behind it are left */
    uint64_t newest;     /* greatest revision of those taken */
    int has_garbage;
} document_source;

typedef enum {
    DOCUMENT_TAKEN,  /* all of it; or garbage */
    DOCUMENT_EXTRAS, /* all but emotives and metadata */
    DOCUMENT_LEFT,   /* deleted, or not as we write it: for Python */
    DOCUMENT_FAILED  /* no memory */
} document_result;

/* Add the pattern of one document. */
document_result document_load(loader *gathered, document_source *source, span text);

#endif
