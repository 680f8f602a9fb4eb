#include "stored/document.h"

#include <stddef.h>
#include <string.h>

#include "index/digits.h"

field field_named(const char *name, size_t size)
{
    static const char *const names[FIELD_COUNT] = {
        "_id", "symbols", "sizes", "frequency", "learns", "first",
        "revision", "deleted", "emotives", "metadata", "affinity",
    };
    for (int which = 0; which < FIELD_COUNT; which++) {
        if (strlen(names[which]) == size && memcmp(names[which], name, size) == 0) {
            return (field)which;
        }
    }
    return FIELD_OTHER;
}

uint64_t *document_number(document *found, field which)
{
    switch (which) {
    case FIELD_FREQUENCY:
        return &found->frequency;
    case FIELD_LEARNS:
        return &found->learns;
    case FIELD_FIRST:
        return &found->first;
    case FIELD_REVISION:
        return &found->revision;
    default:
        return NULL;
    }
}

int document_named(document *found, span id)
{
    size_t digits = 2 * NAME_BYTES;
    if ((size_t)(id.end - id.at) <= digits || id.end[-(ptrdiff_t)digits - 1] != ':') {
        return 0;
    }
    return name_decode(id.end - digits, found->name);
}

/* Stage all symbols. 0: not as KATO writes them; -1: no memory. */
static int symbols_staged(loader *gathered, const document_format *format, span text)
{
    span symbol;
    char *scratch = kato_allocate((size_t)(text.end - text.at), 1);
    if (scratch == NULL) {
        return -1;
    }
    loader_begin(gathered);
    int result = 1;
    while (result == 1 && text.at < text.end) {
        result = format->next_symbol(&text, scratch, &symbol);
        if (result == 1
            && loader_stage(gathered, symbol.at, (size_t)(symbol.end - symbol.at), 0)
                   != LOADER_DONE) {
            result = -1;
        }
    }
    kato_free(scratch);
    return result;
}

/* Cut the staged symbols into events. 0: the sizes do not fit. */
static int events_cut(loader *gathered, const document_format *format, span text)
{
    uint64_t size, start = 0;
    while (text.at < text.end) {
        if (!format->next_size(&text, &size) || size == 0
            || size > gathered->staged_count - start) {
            return 0;
        }
        gathered->staged[start] |= EVENT_START;
        start += size;
    }
    return start == gathered->staged_count && start > 0;
}

/* Whether the engine can take it; everything else is left to Python, which handles all cases. */
static int is_ours(const document *found, const document_source *source)
{
    return (found->fields & ALL_FIELDS) == ALL_FIELDS && !found->deleted && found->first <= source->checkpoint
           && found->frequency < REMOVED && found->learns <= UINT32_MAX;
}

document_result document_load(loader *gathered, document_source *source, span text)
{
    const document_format *format = source->format;
    document found;
    memset(&found, 0, sizeof(found));
    if (!format->read(text, &found) || !is_ours(&found, source)) {
        return DOCUMENT_LEFT;
    }
    if (found.revision <= source->cleared) {
        source->has_garbage = 1;
        return DOCUMENT_TAKEN;
    }
    int staged = symbols_staged(gathered, format, found.symbols);
    if (staged < 0) {
        return DOCUMENT_FAILED;
    }
    if (staged == 0 || !events_cut(gathered, format, found.sizes)) {
        return DOCUMENT_LEFT;
    }
    pattern_record record = {found.first, found.revision, (uint32_t)found.learns};
    if (loader_add(gathered, found.name, (uint32_t)found.frequency, &record) != LOADER_DONE) {
        return DOCUMENT_FAILED;
    }
    source->newest = found.revision > source->newest ? found.revision : source->newest;
    return found.has_extras ? DOCUMENT_EXTRAS : DOCUMENT_TAKEN;
}
