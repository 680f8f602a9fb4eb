/* Views of patterns in BSON, as MongoDB sends them. */
#include <string.h>

#include "stored/document.h"

enum { BSON_STRING = 2, BSON_ARRAY = 4, BSON_BOOLEAN = 8, BSON_INT32 = 16, BSON_INT64 = 18 };
enum { EMPTY_ARRAY_BYTES = 5 };

typedef struct {
    uint8_t type;
    span key;
    span value;
} element;

static size_t left(span text)
{
    return (size_t)(text.end - text.at);
}

static uint64_t integer(const char *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t byte = bytes; byte > 0; byte--) {
        value = value << 8 | (uint8_t)at[byte - 1];
    }
    return value;
}

/* The size of a value; 0: a type that KATO does not write, or longer than what is left. */
static size_t value_bytes(uint8_t type, span text)
{
    size_t size = 0;
    if (type == BSON_BOOLEAN) {
        size = 1;
    } else if (type == BSON_INT32) {
        size = 4;
    } else if (type == BSON_INT64) {
        size = 8;
    } else if ((type == BSON_ARRAY || type == BSON_STRING) && left(text) >= 5) {
        size = integer(text.at, 4) + (type == BSON_STRING ? 4 : 0);
        size = size < 5 ? 0 : size;
    }
    return size <= left(text) ? size : 0;
}

/* The next element of a document; 0: there is none, or it cannot be read. */
static int next_element(span *text, element *found)
{
    if (left(*text) < 2) {
        return 0;
    }
    found->type = (uint8_t)*text->at++;
    const char *end = memchr(text->at, 0, left(*text));
    if (end == NULL) {
        return 0;
    }
    found->key = (span){text->at, end};
    text->at = end + 1;
    size_t size = value_bytes(found->type, *text);
    found->value = (span){text->at, text->at + size};
    text->at += size;
    return size != 0;
}

/* Narrow *text*, which must be a whole document or array, to its elements. 0: it is not one. */
static int opened(span *text)
{
    if (left(*text) < 5 || integer(text->at, 4) != left(*text) || text->end[-1] != 0) {
        return 0;
    }
    text->at += 4;
    text->end--;
    return 1;
}

static int number_of(const element *found, uint64_t *value)
{
    if (found->type != BSON_INT32 && found->type != BSON_INT64) {
        return 0;
    }
    size_t size = left(found->value);
    *value = integer(found->value.at, size);
    return (*value >> (size * 8 - 1)) == 0; /* not negative */
}

static int string_of(const element *found, span *text)
{
    if (found->type != BSON_STRING || found->value.end[-1] != 0) {
        return 0;
    }
    *text = (span){found->value.at + 4, found->value.end - 1};
    return 1;
}

static int field_read(document *found, field which, const element *from)
{
    uint64_t *number = document_number(found, which);
    span text = from->value;
    if (number != NULL) {
        return number_of(from, number);
    }
    if (which == FIELD_ID) {
        return string_of(from, &text) && document_named(found, text);
    }
    if (which == FIELD_DELETED) {
        found->deleted = *text.at != 0;
        return from->type == BSON_BOOLEAN;
    }
    if (from->type != BSON_ARRAY) {
        return 0;
    }
    if (which == FIELD_EMOTIVES || which == FIELD_METADATA || which == FIELD_AFFINITY) {
        found->has_extras |= left(text) > EMPTY_ARRAY_BYTES;
        return 1;
    }
    *(which == FIELD_SYMBOLS ? &found->symbols : &found->sizes) = text;
    return opened(which == FIELD_SYMBOLS ? &found->symbols : &found->sizes);
}

static int bson_read(span text, document *found)
{
    element next;
    if (!opened(&text)) {
        return 0;
    }
    while (text.at < text.end) {
        if (!next_element(&text, &next)) {
            return 0;
        }
        field which = field_named(next.key.at, left(next.key));
        if (which == FIELD_OTHER || found->fields & 1u << which
            || !field_read(found, which, &next)) {
            return 0;
        }
        found->fields |= 1u << which;
    }
    return 1;
}

static int bson_symbol(span *text, char *scratch, span *symbol)
{
    element next;
    (void)scratch;
    return next_element(text, &next) && string_of(&next, symbol);
}

static int bson_size(span *text, uint64_t *size)
{
    element next;
    return next_element(text, &next) && number_of(&next, size);
}

const document_format bson_format = {bson_read, bson_symbol, bson_size};
