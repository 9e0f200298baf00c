/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/schema-value.h"

/*
 * One struct being read: shared by schema-parse.c, which walks the element, schema-match.c, which
 * finds the rows of what it meets, and schema-check.c, which looks at the whole in the end.
 */
typedef struct RowUse {
    Position at;
    bool is_used;  /* what it names is in the document */
    bool is_taken; /* ... and its value was taken, or reported */
} RowUse;

typedef struct Walk {
    const Schema *schema;
    const XmlNode *node; /* the struct's own element */
    gpointer item;
    const char *base; /* its path */
    GString *rel;     /* how far below it: "" or "driver/iotune/" */
    RowUse *uses;     /* one per row */
    PositionMap *positions;
    Diagnostics *diagnostics;
} Walk;

static inline RowUse *
walk_use(const Walk *walk, const Field *row)
{
    return &walk->uses[row - walk->schema->fields];
}

/* The row of attribute @name where rel stands; of several with one path the one whose condition
 * holds, else the first. NULL: there is none. */
const Field *walk_attribute_row(const Walk *walk, const char *name);

typedef struct Match {
    const Field *exact; /* the row of this very element */
    bool is_way;        /* there are rows below it */
    char *segment;      /* as rows write it: "target", "vk:policy" */
} Match;

/* The rows of @child, which stands where rel does, in an element of @parent_namespace. */
bool walk_match_child(const Walk *walk, const XmlNode *child, const char *parent_namespace,
                      Match *ret_match);
/* What @name, which no row has where rel stands, may have been meant to be. NULL: nothing that there
 * is. Caller frees. */
char *walk_nearest_name(const Walk *walk, const char *name, bool is_attribute);
/* Whether attribute @name is the unit of a size around or beside it. */
bool walk_is_size_unit(const Walk *walk, const char *name);
/* Whether there are rows below the element that rel stands at. */
bool walk_has_rows_below(const Walk *walk);

/* Once the element is read: reports rows that may not stand here and rows that are missing. */
void walk_check_rows(const Walk *walk);
