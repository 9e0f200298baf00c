/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Adding a device never moves another, and neither does removing one, at random.
 *
 * A history is a domain whose file is edited again and again: devices come at random places of
 * the document and go, values change. After each edit every device that was there before must
 * have its address, alias and MAC, and resolving the same file once more must change nothing.
 * Devices are told apart by a value that only the test looks at (an MTU, a rate), never by what
 * resolve itself goes by alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/chardev.h"
#include "model/controller.h"
#include "model/disk.h"
#include "model/interface.h"
#include "model/memory.h"
#include "model/rng.h"
#include "reconcile/resolve.h"
#include "tests/reconcile/resolve-document.h"

#define N_HISTORIES 60
#define N_EDITS 25
#define MOST_DEVICES 45

static guint64 seed_of_failure;

/* ---- documents ---- */

static char *
make_disk(GRand *random, guint n)
{
    static const char *const buses[] = { "virtio", "virtio", "scsi", "sata" };
    guint bus = g_rand_int_range(random, 0, G_N_ELEMENTS(buses));
    g_autofree char *letters = n < 26 ? g_strdup_printf("%c", 'a' + n)
                                      : g_strdup_printf("%c%c", 'a' + n / 26 - 1, 'a' + n % 26);

    return g_strdup_printf("<disk type='file'><source file='/d%u'/><target dev='%s%s' bus='%s'/>"
                           "</disk>\n",
                           n, bus < 2 ? "vd" : "sd", letters, buses[bus]);
}

static char *
make_interface(GRand *random, guint n)
{
    static const char *const models[] = { "virtio", "e1000", "e1000e" };

    return g_strdup_printf("<interface type='user'>%s<model type='%s'/><mtu size='%u'/>"
                           "</interface>\n",
                           g_rand_boolean(random) ? "" : "<link state='up'/>",
                           models[g_rand_int_range(random, 0, G_N_ELEMENTS(models))], 1000 + n);
}

static char *
make_rng(GRand *random, guint n)
{
    return g_strdup_printf(
        "<rng model='virtio'><rate bytes='%u'/><backend model='builtin'/></rng>\n", 1 + n);
}

static char *
make_channel(GRand *random, guint n)
{
    return g_strdup_printf("<channel type='unix'><target type='virtio' name='c%u'/></channel>\n",
                           n);
}

/* requested is a placeholder that edits of other devices fill anew each time. */
static char *
make_memory(GRand *random, guint n)
{
    return g_strdup_printf("<memory model='virtio-mem'><target><size unit='MiB'>%u</size>"
                           "<block unit='MiB'>2</block><requested unit='MiB'>@</requested>"
                           "</target></memory>\n",
                           2 + 2 * n);
}

static char *
make_controller(GRand *random, guint n)
{
    static const char *const controllers[] = {
        "<controller type='scsi' model='virtio-scsi'/>\n",
        "<controller type='usb' model='qemu-xhci' ports='15'/>\n",
        "<controller type='virtio-serial'/>\n",
    };

    return g_strdup(controllers[g_rand_int_range(random, 0, G_N_ELEMENTS(controllers))]);
}

static char *
make_serial(GRand *random, guint n)
{
    return g_strdup_printf("<serial type='file'><source path='/s%u'/>"
                           "<target type='pci-serial'/></serial>\n",
                           n);
}

static char *(*const makers[])(GRand *, guint) = {
    make_disk,    make_disk,   make_interface,  make_interface, make_rng,
    make_channel, make_memory, make_controller, make_serial,
};

/* The document, with new values where devices leave one to be changed live. */
static char *
join(GPtrArray *devices, GRand *random)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < devices->len; i++) {
        g_auto(GStrv) parts = g_strsplit(devices->pdata[i], "@", 2);

        g_string_append(text, parts[0]);
        if (parts[1])
            g_string_append_printf(text, "%d%s", 2 * g_rand_int_range(random, 0, 2), parts[1]);
    }
    return g_string_free(text, FALSE);
}

static void
edit(GPtrArray *devices, GRand *random, guint *n)
{
    guint n_new = g_rand_int_range(random, 0, 4);
    guint victim = devices->len ? g_rand_int_range(random, 0, devices->len) : 0;

    /* Without its controller a disk is rightly elsewhere: controllers stay. */
    if (devices->len && g_rand_int_range(random, 0, 3) == 0 &&
        !g_str_has_prefix(devices->pdata[victim], "<controller"))
        g_ptr_array_remove_index(devices, victim);
    for (guint i = 0; i < n_new && devices->len < MOST_DEVICES; i++) {
        char *device = makers[g_rand_int_range(random, 0, G_N_ELEMENTS(makers))](random, (*n)++);

        g_ptr_array_insert(devices, g_rand_int_range(random, 0, devices->len + 1), device);
    }
}

/* ---- what must not move ---- */

/* What tells a device from all others of its kind; NULL for kinds that are not compared. */
static char *
mark(const DeviceKind *kind, gconstpointer device)
{
    if (kind == &disk_kind)
        return g_strdup(((const Disk *) device)->target_dev);
    if (kind == &interface_kind)
        return g_strdup_printf("%u", (guint) ((const Interface *) device)->mtu.value);
    if (kind == &rng_kind)
        return g_strdup_printf("%u", (guint) ((const Rng *) device)->rate_bytes.value);
    if (kind == &channel_kind)
        return g_strdup(((const Chardev *) device)->target_name);
    if (kind == &serial_kind)
        return g_strdup(chardev_source(device)->path);
    if (kind == &memory_kind)
        return g_strdup_printf("%u", (guint) ((const MemoryDevice *) device)->size.value);
    if (kind == &controller_kind) {
        const Controller *controller = device;

        return g_strdup_printf("%s %u %d", controller_type_names[controller->type],
                               (guint) controller->index.value, controller->model);
    }
    return NULL;
}

/* Where a device is and what it is called. */
static char *
identity(const Domain *domain, const DeviceKind *kind, guint index)
{
    g_autofree char *address = address_of(domain, kind->name, index);
    const Interface *interface =
        kind == &interface_kind ? list_at(domain->interfaces, index, Interface) : NULL;

    return g_strdup_printf("%s at %s%s%s", alias_of(domain, kind->name, index), address,
                           interface ? ", " : "", interface ? interface->mac : "");
}

/* mark: identity, of all devices of @kind. */
static GHashTable *
identities(const Domain *domain, const DeviceKind *kind)
{
    GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    const GPtrArray *list = domain_devices(domain, kind);

    for (guint i = 0; i < list_length(list); i++) {
        char *key = mark(kind, list->pdata[i]);

        if (key)
            g_hash_table_insert(table, key, identity(domain, kind, i));
    }
    return table;
}

static void
assert_nothing_moved(const Domain *before, const Domain *after, guint edit_number)
{
    for (guint k = 0; device_kinds[k]; k++) {
        g_autoptr(GHashTable) old = identities(before, device_kinds[k]);
        g_autoptr(GHashTable) new_ = identities(after, device_kinds[k]);
        GHashTableIter iter;
        gpointer key, was;

        g_hash_table_iter_init(&iter, old);
        while (g_hash_table_iter_next(&iter, &key, &was)) {
            const char *is = g_hash_table_lookup(new_, key);

            if (is && !g_str_equal(is, was)) {
                g_autofree char *old_text = domain_format(before);

                print_error("history %" G_GUINT64_FORMAT ", edit %u: %s %s was %s and is %s\n%s",
                            seed_of_failure, edit_number, device_kinds[k]->name, (char *) key,
                            (char *) was, is, old_text);
                fail();
            }
        }
    }
}

/* Two devices in one place would be as bad. */
static void
assert_places_differ(const Domain *domain)
{
    g_autoptr(GHashTable) places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint k = 0; device_kinds[k]; k++) {
        const GPtrArray *list = domain_devices(domain, device_kinds[k]);

        for (guint i = 0; i < list_length(list); i++) {
            g_autofree char *place = address_of(domain, device_kinds[k]->name, i);
            bool is_disk = device_kinds[k] == &disk_kind;

            if (g_str_equal(place, "none"))
                continue;
            assert_true(
                g_hash_table_add(
                    places, g_strdup_printf("%s %d", place,
                                            is_disk ? list_at(domain->disks, i, Disk)->bus : 0)) ||
                (is_disk && !g_str_has_prefix(place, "drive")));
        }
    }
}

static void
live_through(const char *machine, guint64 seed)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    g_autoptr(GPtrArray) devices = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(Domain) before = NULL;
    guint n = 0;

    seed_of_failure = seed;
    for (guint i = 0; i < N_EDITS; i++) {
        g_autofree char *text = NULL;
        g_autoptr(Spec) spec = NULL;
        g_autoptr(Domain) after = NULL, again = NULL;

        edit(devices, random, &n);
        text = join(devices, random);
        spec = document_parse(machine, "<maxMemory unit='GiB'>16</maxMemory>", text);
        after = document_resolve(spec, before);
        again = document_resolve(spec, after);
        if (before)
            assert_nothing_moved(before, after, i);
        assert_places_differ(after);
        assert_true(schema_equal(&domain_schema, after, again));
        domain_free(before);
        before = g_steal_pointer(&after);
    }
}

static void
nothing_moves_on_q35(void **unused)
{
    for (guint seed = 1; seed <= N_HISTORIES; seed++)
        live_through("q35", seed);
}

static void
nothing_moves_on_pc(void **unused)
{
    for (guint seed = 1; seed <= N_HISTORIES; seed++)
        live_through("pc", seed);
}

/* "q35" of a domain that ran as pc-q35-7.2 stays that; another family or a named version does not
 * inherit. */
static void
machine_version_stays(void **unused)
{
    static const struct {
        const char *file, *ran_with, *expected;
    } rows[] = {
        { "q35", "pc-q35-7.2", "pc-q35-7.2" },
        { "pc", "pc-i440fx-7.2", "pc-i440fx-7.2" },
        { "q35", "pc-i440fx-7.2", "q35" },
        { "q35", "q35", "q35" },
        { "pc-q35-6.2", "pc-q35-7.2", "pc-q35-6.2" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Spec) spec = document_parse(rows[i].file, NULL, "");
        g_autoptr(Spec) ran = document_parse(rows[i].ran_with, NULL, "");
        g_autoptr(Domain) previous = document_resolve(ran, NULL);
        g_autoptr(Domain) domain = document_resolve(spec, previous);

        assert_string_equal(domain->machine, rows[i].expected);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machine_version_stays),
        cmocka_unit_test(nothing_moves_on_q35),
        cmocka_unit_test(nothing_moves_on_pc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
