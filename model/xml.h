/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/diagnostic.h"

/*
 * XmlNode: one element of a parsed document, with the position of its '<', and of each
 * attribute's name. Only xml.c includes libxml2.
 *
 * Limits (XML_MAX_*) hold before anything is built of a document, since the files come out of a
 * git repository that others write to: no DTD, no entities beyond XML's five and character
 * references, no network, UTF-8 (or US-ASCII) only.
 */
#define XML_MAX_BYTES (4u << 20)
#define XML_MAX_DEPTH 64u
#define XML_MAX_NODES 100000u
#define XML_MAX_ATTRIBUTES 256u /* of one element */

typedef struct XmlAttribute {
    /* As written. Where it has a prefix, the element has an attribute "xmlns:PREFIX" too. */
    char *name;
    char *value;
    Position at;
} XmlAttribute;

typedef struct XmlNode {
    char *name;       /* local name */
    char *namespace_; /* namespace URI, or NULL */
    char *text;       /* character data with surrounding white space removed, or NULL if empty */
    char *verbatim;   /* the same with it, or NULL: there is none */
    GPtrArray *attributes; /* XmlAttribute*, in document order; NULL when there are none */
    GPtrArray *children;   /* XmlNode*, in document order; NULL when there are none */
    Position at;
} XmlNode;

/* Parses @length bytes. On any mistake adds diagnostics (codes xml-syntax, xml-too-large,
 * xml-too-deep, xml-too-many, xml-dtd, xml-entity, xml-encoding) and returns NULL. */
XmlNode *xml_parse(const char *text, gsize length, Diagnostics *diagnostics);

XmlNode *xml_node_new(const char *name, const char *namespace_);
XmlNode *xml_node_copy(const XmlNode *node);
void xml_node_free(XmlNode *node);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(XmlNode, xml_node_free)

/* Building, for the formatter. append takes ownership of @child and returns it. */
XmlNode *xml_node_append(XmlNode *node, XmlNode *child);
/* Adds an attribute that @node has not got yet; returns it, owned by @node. */
XmlAttribute *xml_node_set(XmlNode *node, const char *name, const char *value);
void xml_node_set_text(XmlNode *node, const char *text);

const XmlAttribute *xml_node_attribute(const XmlNode *node, const char *name);
const XmlNode *xml_node_child(const XmlNode *node, const char *name);
bool xml_node_equal(const XmlNode *a, const XmlNode *b); /* positions do not count */

/* Canonical text: two spaces a level, single quotes, as libvirt prints. Ends in a newline. A
 * namespace is declared where it differs from the parent's, with a default declaration, or with
 * @prefixes (NULL-terminated pairs URI, prefix) where listed. Caller frees. */
char *xml_format(const XmlNode *root, const char *const *prefixes);
