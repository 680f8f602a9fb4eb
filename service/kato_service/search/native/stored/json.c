/* Views of patterns in JSON, as SQLite holds them: what orjson writes, without white space. */
#include <string.h>

#include "index/digits.h"
#include "stored/document.h"

static int next_is(span *text, char character)
{
    if (text->at >= text->end || *text->at != character) {
        return 0;
    }
    text->at++;
    return 1;
}

/* Take a string; *found* is its content, escapes included. 0: there is none. */
static int string_span(span *text, span *found)
{
    if (!next_is(text, '"')) {
        return 0;
    }
    found->at = text->at;
    while (text->at < text->end && *text->at != '"') {
        text->at += *text->at == '\\' && text->at + 1 < text->end ? 2 : 1;
    }
    found->end = text->at;
    return next_is(text, '"');
}

/* Take an array; *found* is its content. Strings in it may contain brackets. 0: there is none. */
static int array_span(span *text, span *found)
{
    int depth = 1;
    span string;
    if (!next_is(text, '[')) {
        return 0;
    }
    found->at = text->at;
    while (text->at < text->end) {
        char character = *text->at;
        if (character == '"') {
            if (!string_span(text, &string)) {
                return 0;
            }
            continue;
        }
        depth += (character == '[') - (character == ']');
        if (depth == 0) {
            found->end = text->at++;
            return 1;
        }
        text->at++;
    }
    return 0;
}

/* Take a number without sign, fraction or exponent. 0: there is none, or it may not fit 64 bits. */
static int number_read(span *text, uint64_t *value)
{
    const char *start = text->at;
    *value = 0;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
        *value = *value * 10 + (uint64_t)(*text->at++ - '0');
    }
    return text->at > start && text->at - start <= 18;
}

static int word_read(span *text, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(text->end - text->at) < size || memcmp(text->at, word, size) != 0) {
        return 0;
    }
    text->at += size;
    return 1;
}

static int field_read(document *found, field which, span *text)
{
    uint64_t *number = document_number(found, which);
    span inside;
    if (number != NULL) {
        return number_read(text, number);
    }
    if (which == FIELD_ID) {
        return string_span(text, &inside) && document_named(found, inside);
    }
    if (which == FIELD_DELETED) {
        found->deleted = word_read(text, "true");
        return found->deleted || word_read(text, "false");
    }
    if (!array_span(text, &inside)) {
        return 0;
    }
    if (which == FIELD_SYMBOLS) {
        found->symbols = inside;
    } else if (which == FIELD_SIZES) {
        found->sizes = inside;
    } else {
        found->has_extras |= inside.at < inside.end;
    }
    return 1;
}

static int json_read(span text, document *found)
{
    span key;
    if (!next_is(&text, '{')) {
        return 0;
    }
    do {
        if (!string_span(&text, &key) || !next_is(&text, ':')) {
            return 0;
        }
        field which = field_named(key.at, (size_t)(key.end - key.at));
        if (which == FIELD_OTHER || found->fields & 1u << which
            || !field_read(found, which, &text)) {
            return 0;
        }
        found->fields |= 1u << which;
    } while (next_is(&text, ','));
    return next_is(&text, '}') && text.at == text.end;
}

/* The character after a backslash; -1: not one that orjson escapes, which all are ASCII. */
static int escaped(span *inside)
{
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char letter = *inside->at++;
    if (letter != 'u') {
        const char *place = letter == 0 ? NULL : strchr(letters, letter);
        return place == NULL ? -1 : values[place - letters];
    }
    if (inside->end - inside->at < 4) {
        return -1;
    }
    int value = 0;
    for (int digit = 0; digit < 4 && value >= 0; digit++) {
        int one = digit_value(*inside->at++);
        value = one < 0 ? -1 : value << 4 | one;
    }
    return value < 128 ? value : -1;
}

static int json_symbol(span *text, char *scratch, span *symbol)
{
    span inside;
    if (!string_span(text, &inside) || (text->at < text->end && !next_is(text, ','))) {
        return 0;
    }
    if (inside.at == inside.end
        || memchr(inside.at, '\\', (size_t)(inside.end - inside.at)) == NULL) {
        *symbol = inside;
        return 1;
    }
    char *end = scratch;
    while (inside.at < inside.end) {
        int character = (uint8_t)*inside.at++;
        if (character == '\\') {
            character = escaped(&inside);
        }
        if (character < 0) {
            return 0;
        }
        *end++ = (char)character;
    }
    *symbol = (span){scratch, end};
    return 1;
}

static int json_size(span *text, uint64_t *size)
{
    return number_read(text, size) && (text->at == text->end || next_is(text, ','));
}

const document_format json_format = {json_read, json_symbol, json_size};
