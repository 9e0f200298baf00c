/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#include "model/diagnostic.h"
#include "model/xml.h"

/*
 * The schema tables: one row (Field) describes one element or attribute of the domain XML once,
 * and yields parse, format, copy, free, compare, change class and the reference page.
 *
 * A row's path is relative to its struct's element: "@type", "target/@dev", "target/block",
 * "driver/iotune/total_bytes_sec". Elements on the way (target, driver) need no row of their own.
 * What no row names is refused with its line and column (codes unknown-element,
 * unknown-attribute, unexpected-text).
 *
 * Path "." is the text of the struct's own element. A namespaced element is written with any
 * prefix ("metadata/vk:policy") and is known by its row's schema->namespace_. Rows below a
 * TYPE_RAW row are read by themselves, and the raw text is what is left. Several rows may share a
 * path where their conditions (WHEN) tell them apart ("@bus" of a PCI and of a drive address),
 * and then may share a member; also a member alone ("@managed", "target/@managed"). The attribute 'unit' of a size needs no row.
 *
 * C types of members, checked at compile time by the FIELD_* macros:
 *
 *   FIELD_STRING, FIELD_PATH char*      FIELD_UINT, FIELD_HEX, FIELD_SIZE OptUint (sizes: bytes)
 *   FIELD_INT OptInt        FIELD_ENUM, FIELD_YES_NO, FIELD_ON_OFF int (0 = absent)
 *   FIELD_FLAG bool         FIELD_CPUSET char* (canonical "0-3,7")
 *   FIELD_UUID char*        FIELD_STRUCT T* (NULL = absent)      FIELD_LIST GPtrArray* of T*
 *   FIELD_RAW char* (the element as canonical XML text)          FIELD_MAC char* (lower case)
 *   FIELD_PATH is a file of the host: absolute once schema_anchor_paths() was there
 *   FIELD_FRACTION: OptUint in millionths ("0.5" is 500000); reserved for iotune and friends
 *
 * A struct described by a Schema is zero-initialised plain data; NULL lists mean empty.
 */
typedef struct OptUint {
    guint64 value;
    bool is_set;
} OptUint;

typedef struct OptInt {
    gint64 value;
    bool is_set;
} OptInt;

/* Values of FIELD_YES_NO and FIELD_ON_OFF members. */
typedef enum {
    TRISTATE_ABSENT,
    TRISTATE_ON,
    TRISTATE_OFF,
} Tristate;

typedef enum {
    CHANGE_RESTART = 0, /* needs a new QEMU process: the safe default for a row */
    CHANGE_LIVE,        /* QEMU can do it now */
    CHANGE_IDENTITY,    /* never: refuse */
    CHANGE_NONE,        /* nothing that QEMU or the guest sees (title, description, metadata) */
} ChangeClass;

const char *change_class_name(ChangeClass change); /* "restart", "live", "identity", "none" */

typedef enum {
    TYPE_STRING,
    TYPE_PATH,
    TYPE_UINT,
    TYPE_HEX,
    TYPE_INT,
    TYPE_SIZE,
    TYPE_FRACTION,
    TYPE_ENUM,
    TYPE_FLAG,
    TYPE_CPUSET,
    TYPE_UUID,
    TYPE_MAC,
    TYPE_STRUCT,
    TYPE_LIST,
    TYPE_RAW,
    TYPE_NONE, /* no member: a row that only refuses, or is accepted without effect */
} FieldType;

typedef struct Field Field;
typedef struct Schema Schema;

struct Field {
    const char *path;
    FieldType type;
    size_t offset;
    const char *doc; /* one sentence for docs/domain-xml.md */

    ChangeClass change;
    bool is_required;      /* diagnostic missing-element / missing-attribute when absent */
    bool is_needed;        /* the same where the element of the attribute is there */
    bool is_secret;        /* a change of it does not say its values: "(hidden)" */
    bool is_output;        /* libvirt writes it, nobody reads it: parsed over, never kept */
    bool is_bare_hex;      /* TYPE_HEX: digits without 0x are hexadecimal too */
    bool is_verbatim;      /* white space around the text is part of it */
    const char *refuse;    /* any use is refused, with this reason (code not-supported) */
    const char *no_effect; /* accepted, no effect under virtkeep: WHY; reported as a note */

    const char *const *names; /* TYPE_ENUM: names[value]; names[0] is NULL; NULL-terminated */
    int absent;               /* TYPE_ENUM: the value where the document has none; 0: none */
    guint64 min, max;         /* numbers; max 0 = no bound */
    guint64 unit;             /* TYPE_SIZE: bytes a bare number counts in (1024 by default) */
    const Schema *schema;     /* TYPE_STRUCT, TYPE_LIST */

    /* The row holds only when the enum member at when_offset has a value in the set @when (bit
     * 1 << value); otherwise its use is refused (code not-here), naming when_path. 0 = always. */
    guint64 when;
    size_t when_offset;
    const char *when_path;
};

struct Schema {
    const char *element;    /* for documentation and messages: "memory" */
    const char *namespace_; /* URI the element must have, NULL for libvirt's own */
    size_t size;            /* of the C struct */
    const Field *fields;    /* ended by a row without path */
    const char *doc;
    /* What tells one item of a list from another when two documents are compared, e.g. a disk's
     * target. Caller frees. NULL (function or result): the position among such items. */
    char *(*key)(gconstpointer item);
};

/* Compile-time check of a member's type: a negative array size otherwise. */
#define SCHEMA_OFFSET(Struct, member, Type)                                                        \
    (offsetof(Struct, member) +                                                                    \
     0 * sizeof(char[_Generic(&((Struct *) 0)->member, Type * : 1, default                         \
                              : -1)]))
#define SCHEMA_POINTER_OFFSET(Struct, member)                                                      \
    (offsetof(Struct, member) + 0 * sizeof(*((Struct *) 0)->member))

#define FIELD_STRING(S, m, ...)                                                                    \
    {                                                                                              \
        .type = TYPE_STRING, .offset = SCHEMA_OFFSET(S, m, char *), __VA_ARGS__                    \
    }
#define FIELD_PATH(S, m, ...)                                                                      \
    {                                                                                              \
        .type = TYPE_PATH, .offset = SCHEMA_OFFSET(S, m, char *), __VA_ARGS__                      \
    }
#define FIELD_UUID(S, m, ...)                                                                      \
    {                                                                                              \
        .type = TYPE_UUID, .offset = SCHEMA_OFFSET(S, m, char *), __VA_ARGS__                      \
    }
#define FIELD_MAC(S, m, ...)                                                                       \
    {                                                                                              \
        .type = TYPE_MAC, .offset = SCHEMA_OFFSET(S, m, char *), __VA_ARGS__                       \
    }
#define FIELD_CPUSET(S, m, ...)                                                                    \
    {                                                                                              \
        .type = TYPE_CPUSET, .offset = SCHEMA_OFFSET(S, m, char *), __VA_ARGS__                    \
    }
#define FIELD_RAW(S, m, ...)                                                                       \
    {                                                                                              \
        .type = TYPE_RAW, .offset = SCHEMA_OFFSET(S, m, char *), __VA_ARGS__                       \
    }
#define FIELD_UINT(S, m, ...)                                                                      \
    {                                                                                              \
        .type = TYPE_UINT, .offset = SCHEMA_OFFSET(S, m, OptUint), __VA_ARGS__                     \
    }
#define FIELD_HEX(S, m, ...)                                                                       \
    {                                                                                              \
        .type = TYPE_HEX, .offset = SCHEMA_OFFSET(S, m, OptUint), __VA_ARGS__                      \
    }
#define FIELD_SIZE(S, m, ...)                                                                      \
    {                                                                                              \
        .type = TYPE_SIZE, .offset = SCHEMA_OFFSET(S, m, OptUint), __VA_ARGS__                     \
    }
#define FIELD_FRACTION(S, m, ...)                                                                  \
    {                                                                                              \
        .type = TYPE_FRACTION, .offset = SCHEMA_OFFSET(S, m, OptUint), __VA_ARGS__                 \
    }
#define FIELD_INT(S, m, ...)                                                                       \
    {                                                                                              \
        .type = TYPE_INT, .offset = SCHEMA_OFFSET(S, m, OptInt), __VA_ARGS__                       \
    }
#define FIELD_FLAG(S, m, ...)                                                                      \
    {                                                                                              \
        .type = TYPE_FLAG, .offset = SCHEMA_OFFSET(S, m, bool), __VA_ARGS__                        \
    }
#define FIELD_ENUM(S, m, n, ...)                                                                   \
    {                                                                                              \
        .type = TYPE_ENUM, .offset = SCHEMA_OFFSET(S, m, int), .names = n, __VA_ARGS__             \
    }
#define FIELD_YES_NO(S, m, ...) FIELD_ENUM(S, m, yes_no_names, __VA_ARGS__)
#define FIELD_ON_OFF(S, m, ...) FIELD_ENUM(S, m, on_off_names, __VA_ARGS__)
#define FIELD_STRUCT(S, m, sch, ...)                                                               \
    {                                                                                              \
        .type = TYPE_STRUCT, .offset = SCHEMA_POINTER_OFFSET(S, m), .schema = sch, __VA_ARGS__     \
    }
#define FIELD_LIST(S, m, sch, ...)                                                                 \
    {                                                                                              \
        .type = TYPE_LIST, .offset = SCHEMA_OFFSET(S, m, GPtrArray *), .schema = sch, __VA_ARGS__  \
    }
#define FIELD_REFUSED(why, ...)                                                                    \
    {                                                                                              \
        .type = TYPE_NONE, .refuse = why, __VA_ARGS__                                              \
    }
#define FIELD_NO_EFFECT(why, ...)                                                                  \
    {                                                                                              \
        .type = TYPE_NONE, .no_effect = why, __VA_ARGS__                                           \
    }
#define FIELD_END                                                                                  \
    {                                                                                              \
        .path = NULL                                                                               \
    }
/* .path = …, WHEN(Disk, type, "@type", WHEN_IS(DISK_TYPE_FILE)) */
#define WHEN_IS(value) (G_GUINT64_CONSTANT(1) << (value))
#define WHEN(S, m, p, values)                                                                      \
    .when = (values), .when_offset = SCHEMA_OFFSET(S, m, int), .when_path = p

extern const char *const yes_no_names[];
extern const char *const on_off_names[];

/* Where each path of a document stands, e.g. "devices/memory[0]/target/requested". */
typedef struct PositionMap PositionMap;
PositionMap *position_map_new(void);
void position_map_free(PositionMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PositionMap, position_map_free)
void position_map_set(PositionMap *map, const char *path, Position at);
/* Whether @path itself is in the document, readable or not. */
bool position_map_has(const PositionMap *map, const char *path);
/* The nearest known ancestor's position where @path itself is not in the document. */
Position position_map_get(const PositionMap *map, const char *path);
/* A copy with each device's paths below another one: @renames maps "devices/disk[0]" (char*) to
 * "devices/disk[1]". For documents whose devices stand in another order than the file's. */
PositionMap *position_map_rename(const PositionMap *map, GHashTable *renames);

/* A new struct of @schema->size read from @node. Always returns a struct; whether it is good is
 * said by @diagnostics. @path is the node's own path ("" for the root) for @positions (may be
 * NULL). Free with schema_free(). */
gpointer schema_parse(const Schema *schema, const XmlNode *node, const char *path,
                      PositionMap *positions, Diagnostics *diagnostics);
/* The element named @schema->element for @item. Caller frees. */
XmlNode *schema_format(const Schema *schema, gconstpointer item);
gpointer schema_copy(const Schema *schema, gconstpointer item);
void schema_free(const Schema *schema, gpointer item);
/* Frees the members and zeroes the struct, for structs that stand within others. */
void schema_clear(const Schema *schema, gpointer item);
/* Gives @to's member of @field the value that @from's has, deeply. Both are structs of the row's
 * schema. */
void field_assign(const Field *field, gpointer to, gconstpointer from);
bool schema_equal(const Schema *schema, gconstpointer a, gconstpointer b);
/* Makes every relative FIELD_PATH of @item, and below it, one from @directory (absolute). */
void schema_anchor_paths(const Schema *schema, gpointer item, const char *directory);

/* One field that differs. */
typedef struct Change {
    char *path; /* of the second document where the field is there, else of the first */
    char *from; /* as text, NULL when absent */
    char *to;   /* as text, NULL when absent */
    ChangeClass class_;
    Position at;        /* filled in by the caller from a PositionMap; line 0 = unknown */
    const Field *field; /* the row; static */
    /* For a change within a list item: that item in either document (borrowed from the documents
     * compared), NULL where it is not there; else both NULL. Of lists within lists the outermost
     * item: the device. */
    gconstpointer from_item, to_item;
    const Schema *item_schema;
} Change;

void change_free(Change *change);
/* Appends every difference between @a (before) and @b (after), in table order, to @changes
 * (Change*). List items are paired by key, then by position among those without one. An item
 * that was added or removed whole is one change with the item's text ("disk vda") as to or
 * from, and so is a struct ("policy"); its class is the list's or struct's row's. Fields that are
 * is_output or no_effect do not count. */
void schema_compare(const Schema *schema, gconstpointer a, gconstpointer b, const char *path,
                    GPtrArray *changes);

/* Rows of the reference page for @schema and what hangs below it, Markdown, appended to @out. */
void schema_document(const Schema *schema, const char *path, GString *out);

/* A field's value as text, as it stands in XML (sizes with unit: "512 MiB"); NULL when absent. */
char *field_value_text(const Field *field, gconstpointer item);

/* For list members: the number of items (NULL is empty), and an item. */
static inline guint
list_length(const GPtrArray *list)
{
    return list ? list->len : 0;
}
#define list_at(list, index, Type) ((const Type *) (list)->pdata[index])

/* Enum names: value of @name, or 0 when it is none of them. */
int enum_value(const char *const *names, const char *name);
