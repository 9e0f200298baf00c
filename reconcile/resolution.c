/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the steps of resolve share: the domain under construction, and the way back from a
 * device to the place in the file that spoke of it.
 *
 * The steps reorder and extend the lists, so an index in the domain soon differs from the index
 * in the file. Devices are therefore known by their address in memory: a table made before the
 * first step says where in the file each stood. What is not in the table was not in the file,
 * and a complaint about it is reported at <devices>.
 */
#include "reconcile/resolution.h"

#include "model/controller.h"

Resolution *
resolution_new(Domain *domain, const PositionMap *positions, Diagnostics *diagnostics)
{
    Resolution *resolution = g_new0(Resolution, 1);
    g_autoptr(GArray) refs = domain_device_refs(domain);

    resolution->domain = domain;
    resolution->positions = positions;
    resolution->diagnostics = diagnostics;
    resolution->paths = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    resolution->ancestors = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < refs->len; i++) {
        const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);

        g_hash_table_insert(resolution->paths, ref->device,
                            g_strdup_printf("devices/%s[%u]", ref->kind->name, ref->index));
        device_info(ref->device)->file_place = ref->index + 1;
        device_info(ref->device)->is_address_assigned = !device_info(ref->device)->address;
    }
    return resolution;
}

void
resolution_free(Resolution *resolution)
{
    if (!resolution)
        return;
    g_hash_table_unref(resolution->paths);
    g_hash_table_unref(resolution->ancestors);
    g_free(resolution);
}

static void
report(const Resolution *resolution, Severity severity, gconstpointer device, const char *field,
       const char *code, const char *format, va_list args)
{
    const char *base = device ? g_hash_table_lookup(resolution->paths, device) : NULL;
    g_autofree char *path =
        base && field ? g_strdup_printf("%s/%s", base, field) : g_strdup(base ? base : "devices");
    g_autofree char *subject =
        base || !device ? g_strdup(path) : resolution_describe(resolution, device);
    g_autofree char *text = g_strdup_vprintf(format, args);
    Position at = { 0, 0 };

    if (resolution->positions)
        at = position_map_get(resolution->positions, path);
    diagnostics_add(resolution->diagnostics, severity, at, code, "%s: %s", subject, text);
}

void
resolution_error(const Resolution *resolution, gconstpointer device, const char *field,
                 const char *code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report(resolution, SEVERITY_ERROR, device, field, code, format, args);
    va_end(args);
}

void
resolution_warning(const Resolution *resolution, gconstpointer device, const char *field,
                   const char *code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report(resolution, SEVERITY_WARNING, device, field, code, format, args);
    va_end(args);
}

gconstpointer
resolution_ancestor(const Resolution *resolution, gconstpointer device)
{
    return g_hash_table_lookup(resolution->ancestors, device);
}

char *
resolution_describe(const Resolution *resolution, gconstpointer device)
{
    const char *path = g_hash_table_lookup(resolution->paths, device);
    g_autoptr(GArray) refs = NULL;

    if (path)
        return g_strdup(path);
    refs = domain_device_refs(resolution->domain);
    for (guint i = 0; i < refs->len; i++) {
        const DeviceRef *ref = &g_array_index(refs, DeviceRef, i);
        const Controller *controller = device;

        if (ref->device != device)
            continue;
        if (ref->kind == &controller_kind)
            return g_strdup_printf("the implied %s controller %u",
                                   controller_type_names[controller->type],
                                   (guint) controller->index.value);
        return g_strdup_printf("the implied %s", ref->kind->name);
    }
    return g_strdup("a device");
}

GArray *
domain_device_refs(const Domain *domain)
{
    GArray *refs = g_array_new(FALSE, FALSE, sizeof(DeviceRef));

    for (guint k = 0; device_kinds[k]; k++) {
        const GPtrArray *list = domain_devices(domain, device_kinds[k]);

        for (guint i = 0; i < list_length(list); i++) {
            DeviceRef ref = { device_kinds[k], list->pdata[i], i };

            g_array_append_val(refs, ref);
        }
    }
    return refs;
}

DeviceBus
device_bus(const Domain *domain, const DeviceKind *kind, gconstpointer device)
{
    return kind->bus ? kind->bus(domain, device) : BUS_NONE;
}

void
device_insert(GPtrArray **list, guint index, gpointer device)
{
    if (!*list)
        *list = g_ptr_array_new();
    g_ptr_array_insert(*list, MIN(index, (*list)->len), device);
}
