/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plugging virtual CPUs.
 *
 * -smp makes the CPUs of which the file does not say that they can be taken out (qemu/cpu.c). The
 * others are added before the guest runs, and later in the very same way. (libvirt, formatdomain
 * "CPU Allocation": vCPUs that are hotpluggable are created differently.) Taken out can be either;
 * one of -smp has no id, but a path, and device_del takes that too (QEMU 7.2).
 *
 * QEMU says where CPUs may be: query-hotpluggable-cpus, each place with its topology and, where it
 * is taken, the object in it. It lists the places from last to first (7.2), which nothing promises;
 * their topology does, so they are sorted by it: on x86 that is the order of the CPUs' numbers.
 * Nothing is remembered: what is plugged is what QEMU says is there.
 */
#include "qemu/vcpu.h"

#include "model/tuning.h"

#include "qemu/hot-plug.h"

static void
slot_free(gpointer data)
{
    VcpuSlot *slot = data;

    g_free(slot->type);
    json_free(slot->properties);
    g_free(slot->path);
    g_free(slot);
}

/* Outermost first. */
static const char *const levels[] = { "socket-id", "die-id",  "cluster-id",
                                      "module-id", "core-id", "thread-id" };

static gint
compare_slots(gconstpointer a, gconstpointer b)
{
    const VcpuSlot *first = *(VcpuSlot *const *) a, *second = *(VcpuSlot *const *) b;

    for (guint i = 0; i < G_N_ELEMENTS(levels); i++) {
        gint64 x = json_get_int(first->properties, levels[i], 0);
        gint64 y = json_get_int(second->properties, levels[i], 0);

        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

GPtrArray *
vcpu_slots_query(Monitor *monitor, GError **error)
{
    g_autoptr(Json) reply = monitor_query(monitor, "query-hotpluggable-cpus", NULL, error);
    GPtrArray *slots;

    if (!reply)
        return NULL;
    slots = g_ptr_array_new_with_free_func(slot_free);
    for (guint i = 0; i < json_length(reply); i++) {
        const Json *item = json_at(reply, i);
        const Json *properties = json_get(item, "props");
        VcpuSlot *slot = g_new0(VcpuSlot, 1);

        slot->type = g_strdup(json_get_string(item, "type"));
        slot->properties =
            json_type(properties) == JSON_OBJECT ? json_copy(properties) : json_new_object();
        slot->path = g_strdup(json_get_string(item, "qom-path"));
        g_ptr_array_add(slots, slot);
    }
    g_ptr_array_sort(slots, compare_slots);
    return slots;
}

Json *
vcpu_tree(const VcpuSlot *slot, guint number)
{
    g_autofree char *id = g_strdup_printf("vcpu%u", number);
    Json *tree = json_new_object();

    json_set_string(tree, "driver", slot->type);
    json_set_string(tree, "id", id);
    for (guint i = 0; i < json_length(slot->properties); i++) {
        const char *name = json_name_at(slot->properties, i);

        json_set(tree, name, json_copy(json_get(slot->properties, name)));
    }
    return tree;
}

static gint
compare_orders(gconstpointer a, gconstpointer b)
{
    const Vcpu *first = *(const Vcpu *const *) a, *second = *(const Vcpu *const *) b;

    if (first->order.value != second->order.value)
        return first->order.value < second->order.value ? -1 : 1;
    return first->id.value < second->id.value ? -1 : first->id.value > second->id.value;
}

GArray *
domain_vcpus_plugged(const Domain *domain)
{
    g_autoptr(GPtrArray) plugged = g_ptr_array_new();
    GArray *numbers = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < list_length(domain->vcpu_list); i++) {
        const Vcpu *vcpu = list_at(domain->vcpu_list, i, Vcpu);

        if (vcpu->enabled == TRISTATE_ON && vcpu->hotpluggable == TRISTATE_ON)
            g_ptr_array_add(plugged, (gpointer) vcpu);
    }
    g_ptr_array_sort(plugged, compare_orders);
    for (guint i = 0; i < plugged->len; i++) {
        guint number = (guint) list_at(plugged, i, Vcpu)->id.value;

        g_array_append_val(numbers, number);
    }
    return numbers;
}

static bool
plug(Monitor *monitor, const GPtrArray *slots, guint number, GError **error)
{
    const VcpuSlot *slot = number < slots->len ? slots->pdata[number] : NULL;

    if (slot && slot->path)
        return true;
    if (!slot) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_GENERIC,
                    "virtual CPU %u: the machine has room for %u", number, slots->len);
        return false;
    }
    if (monitor_run(monitor, "device_add", vcpu_tree(slot, number), error))
        return true;
    g_prefix_error(error, "virtual CPU %u: ", number);
    return false;
}

bool
vcpu_plug(Monitor *monitor, guint number, GError **error)
{
    g_autoptr(GPtrArray) slots = vcpu_slots_query(monitor, error);

    return slots && plug(monitor, slots, number, error);
}

/* By its path, since one that -smp made has no id. */
bool
vcpu_ask(Monitor *monitor, guint number, bool *ret_is_gone, GError **error)
{
    g_autoptr(GPtrArray) slots = vcpu_slots_query(monitor, error);
    const VcpuSlot *slot = slots && number < slots->len ? slots->pdata[number] : NULL;

    if (!slots)
        return false;
    *ret_is_gone = !slot || !slot->path;
    return *ret_is_gone || hot_plug_ask(monitor, slot->path, ret_is_gone, error);
}

bool
vcpus_plug(Monitor *monitor, const Domain *domain, GError **error)
{
    g_autoptr(GArray) numbers = domain_vcpus_plugged(domain);
    g_autoptr(GPtrArray) slots = NULL;

    if (!numbers->len)
        return true;
    slots = vcpu_slots_query(monitor, error);
    if (!slots)
        return false;
    for (guint i = 0; i < numbers->len; i++)
        if (!plug(monitor, slots, g_array_index(numbers, guint, i), error))
            return false;
    return true;
}
