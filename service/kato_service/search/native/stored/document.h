/* Views of patterns as stores encode them (knowledge.md §1), read without the interpreter lock. */
#ifndef KATO_DOCUMENT_H
#define KATO_DOCUMENT_H

#include "stored/loader.h"

typedef struct {
    const char *at;
    const char *end;
} span;

/* The content of a document; spans point into it, and are encoded as it is. */
typedef struct {
    uint8_t name[NAME_BYTES];
    span symbols;
    span sizes;
    uint64_t frequency;
    uint64_t learns;
    uint64_t first;
    uint64_t revision;
    int deleted;
    int has_extras; /* emotives, metadata or an affinity that are not empty */
    unsigned fields; /* bits of the fields that were found */
} document;

typedef enum {
    FIELD_ID, FIELD_SYMBOLS, FIELD_SIZES, FIELD_FREQUENCY, FIELD_LEARNS, FIELD_FIRST,
    FIELD_REVISION, FIELD_DELETED, FIELD_EMOTIVES, FIELD_METADATA, FIELD_AFFINITY, FIELD_COUNT,
    FIELD_OTHER
} field;

/* Those that every document has: all except the affinity, which few patterns have. */
enum { ALL_FIELDS = (1 << FIELD_AFFINITY) - 1 };

/* One encoding of documents. Each function gives 0 for what KATO would not write like that. */
typedef struct {
    int (*read)(span text, document *found);
    /* The next symbol as UTF-8, in *text* or in *scratch*, which has room for the whole text. */
    int (*next_symbol)(span *text, char *scratch, span *symbol);
    int (*next_size)(span *text, uint64_t *size);
} document_format;

extern const document_format bson_format, json_format;

field field_named(const char *name, size_t size);

/* Where the number of a field belongs; NULL: the field is not a number. */
uint64_t *document_number(document *found, field which);

/* Set the pattern's name from an id, which ends with it. 0: it does not. */
int document_named(document *found, span id);

/* What the documents of a load have in common. */
typedef struct {
    const document_format *format;
    uint64_t cleared;    /* documents of revisions up to this one are garbage */
    uint64_t checkpoint; /* patterns first learned after it are left */
    uint64_t newest;     /* the greatest revision of those taken */
    int has_garbage;
} document_source;

typedef enum {
    DOCUMENT_TAKEN,  /* everything was added; or it was garbage */
    DOCUMENT_EXTRAS, /* everything was added except emotives, metadata and affinity */
    DOCUMENT_LEFT,   /* nothing was added: deleted, or not as KATO writes it; Python looks at it */
    DOCUMENT_FAILED  /* no memory */
} document_result;

/* Add the pattern in one document. After a failure the loader may only be closed. */
document_result document_load(loader *gathered, document_source *source, span text);

#endif
