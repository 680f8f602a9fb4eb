/* Compaction: gives back the memory of removed patterns, one or two segments at a time. */
#ifndef KATO_COMPACTION_H
#define KATO_COMPACTION_H

#include "index/patterns.h"

/*
 * To be called after a removal in *shrunk*: rewrites the segment when most of it is gone, together
 * with the one before it when both are small. Without memory everything stays as it is, which is
 * just as correct.
 */
void compact_around(patterns *all, segment *shrunk);

#endif
