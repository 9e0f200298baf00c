/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Observed figures have no place in a Domain, which is what somebody asked for. So they are put
 * into its XML text on the way out: the tree that the schema tables format, with a few elements
 * more.
 *
 * <currentMemory> follows libvirt: what the balloon leaves plus what the virtio-mem devices have,
 * since QEMU's balloon does not count them.
 */
#include "controller/live-xml.h"

#include <string.h>

#include "model/memory.h"

#define KIB 1024

static void
set_kib(XmlNode *node, guint64 bytes)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, (bytes + KIB - 1) / KIB);

    if (!xml_node_attribute(node, "unit"))
        xml_node_set(node, "unit", "KiB");
    else {
        XmlAttribute *unit = (XmlAttribute *) xml_node_attribute(node, "unit");

        g_free(unit->value);
        unit->value = g_strdup("KiB");
    }
    xml_node_set_text(node, text);
}

static guint
index_of(const XmlNode *parent, const char *name)
{
    for (guint i = 0; parent->children && i < parent->children->len; i++)
        if (!strcmp(((const XmlNode *) parent->children->pdata[i])->name, name))
            return i;
    return G_MAXUINT;
}

/* A child of that name; made behind @after when there is none. */
static XmlNode *
ensure_child(XmlNode *parent, const char *name, const char *after)
{
    guint at = index_of(parent, name);
    XmlNode *child;

    if (at != G_MAXUINT)
        return parent->children->pdata[at];
    child = xml_node_new(name, NULL);
    at = index_of(parent, after);
    if (at == G_MAXUINT)
        return xml_node_append(parent, child);
    g_ptr_array_insert(parent->children, at + 1, child);
    return child;
}

static guint64
current_of_devices(const Observed *observed)
{
    guint64 sum = 0;

    for (guint i = 0; i < observed->memories->len; i++)
        sum += ((const ObservedMemory *) observed->memories->pdata[i])->current;
    return sum;
}

static void
put_memory(XmlNode *devices, const Domain *domain, const Observed *observed)
{
    guint n = 0;

    for (guint i = 0; devices->children && i < devices->children->len; i++) {
        XmlNode *node = devices->children->pdata[i], *target;
        const ObservedMemory *memory;

        if (strcmp(node->name, "memory"))
            continue;
        memory = observed_memory(observed, list_at(domain->memories, n, MemoryDevice)->info.alias);
        n++;
        target = (XmlNode *) xml_node_child(node, "target");
        if (memory && target)
            set_kib(ensure_child(target, "current", "requested"), memory->current);
    }
}

static guint
strip_passwords(XmlNode *node)
{
    guint n = 0;

    for (guint i = node->attributes ? node->attributes->len : 0; i > 0; i--) {
        const XmlAttribute *attribute = node->attributes->pdata[i - 1];

        if (strcmp(attribute->name, "passwd"))
            continue;
        g_ptr_array_remove_index(node->attributes, i - 1);
        n++;
    }
    for (guint i = 0; node->children && i < node->children->len; i++)
        n += strip_passwords(node->children->pdata[i]);
    return n;
}

char *
live_xml(const Domain *domain, const Observed *observed, guint *ret_n_passwords)
{
    g_autoptr(XmlNode) root = schema_format(&domain_schema, domain);
    XmlNode *devices = (XmlNode *) xml_node_child(root, "devices");
    guint n_passwords = 0;

    if (devices) {
        n_passwords = strip_passwords(devices);
        if (observed)
            put_memory(devices, domain, observed);
    }
    if (observed) {
        guint64 boot =
            observed->has_balloon ? observed->balloon_actual : domain_boot_memory(domain);

        set_kib(ensure_child(root, "currentMemory", "memory"), boot + current_of_devices(observed));
    }
    if (ret_n_passwords)
        *ret_n_passwords = n_passwords;
    return xml_format(root, NULL);
}
