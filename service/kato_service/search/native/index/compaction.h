/* Giving back the room of removed patterns, one or two segments at a time. */
#ifndef KATO_COMPACTION_H
#define KATO_COMPACTION_H

#include "index/patterns.h"

/*
 * After a removal in *shrunk*: rewrite it when most of it is gone, together with the one before
 * it when both are small. Without memory everything stays as it is, which is as right.
 */
void compact_around(patterns *all, segment *shrunk);

#endif
