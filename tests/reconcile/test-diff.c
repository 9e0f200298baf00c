/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Differences by example: an edit of the file is made, and the changes that come of it are listed
 * as text: which there are, what they take, and where in the file they stand. What was applied
 * comes out of its XML text, as it does from the state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/memory.h"
#include "reconcile/diff.h"
#include "tests/reconcile/resolve-document.h"

#define HEAD "<maxMemory unit='GiB'>4</maxMemory>"
#define MIB ((guint64) 1 << 20)
#define DISK(name, bus)                                                                            \
    "<disk type='file'><source file='/" name "'/><target dev='" name "' bus='" bus "'/></disk>\n"
#define RNG "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\n"
#define MEMORY(size, requested)                                                                    \
    "<memory model='virtio-mem'><target><size unit='MiB'>" size "</size>\n"                        \
    "<block unit='MiB'>2</block>\n"                                                                \
    "<requested unit='MiB'>" requested "</requested></target></memory>\n"

typedef struct Edit {
    Spec *spec;
    Domain *applied, *desired;
    GPtrArray *changes;
} Edit;

static void
edit_end(Edit *edit)
{
    spec_free(edit->spec);
    domain_free(edit->applied);
    domain_free(edit->desired);
    g_ptr_array_unref(edit->changes);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Edit, edit_end)

/* What editing the file from @before to @after changes; @applied comes out of the state, as text.
 */
static Edit
edit_devices(const char *head, const char *before, const char *new_head, const char *after)
{
    g_autoptr(Spec) old = document_parse("q35", head, before);
    g_autoptr(Domain) resolved = document_resolve(old, NULL);
    g_autofree char *text = domain_format(resolved);
    Edit edit = { 0 };

    edit.applied = domain_parse_own(text, NULL);
    assert_non_null(edit.applied);
    edit.spec = document_parse("q35", new_head, after);
    edit.desired = document_resolve(edit.spec, edit.applied);
    edit.changes = domain_diff(edit.applied, edit.desired, edit.spec->positions);
    return edit;
}

static char *
change_text(const Change *change)
{
    return g_strdup_printf("%u: %s %s: %s to %s", change->at.line,
                           change_class_name(change->class_), change->path,
                           change->from ? change->from : "-", change->to ? change->to : "-");
}

/* @expected: one line a change, as change_text() has it. */
static void
assert_changes(const Edit *edit, const char *expected)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < edit->changes->len; i++) {
        g_autofree char *line = change_text(edit->changes->pdata[i]);

        g_string_append_printf(text, "%s\n", line);
    }
    assert_string_equal(text->str, expected);
    g_string_free(text, TRUE);
}

static void
the_same_file_differs_in_nothing(void **unused)
{
    static const char devices[] = DISK("sda", "sata") DISK("vda", "virtio")
        RNG MEMORY("128", "64") "<console type='pty'/>\n"
                                "<graphics type='vnc'/>\n<interface type='user'/>\n<input "
                                "type='tablet' bus='usb'/>\n";
    g_auto(Edit) edit = edit_devices(HEAD, devices, HEAD, devices);

    assert_changes(&edit, "");
}

static void
saying_what_was_the_case_changes_nothing(void **unused)
{
    g_auto(Edit) edit = edit_devices(
        NULL, DISK("vda", "virtio"),
        "<vcpu>1</vcpu><currentMemory unit='GiB'>1</currentMemory><on_crash>destroy</on_crash>",
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/vda'/>"
        "<target dev='vda'/></disk>\n<memballoon model='virtio'/>\n");

    assert_changes(&edit, "");
}

static void
requested_is_live_and_has_its_line(void **unused)
{
    g_auto(Edit) edit = edit_devices(HEAD, MEMORY("128", "64"), HEAD, MEMORY("128", "32"));
    const Change *change = edit.changes->pdata[0];

    assert_changes(&edit, "8: live devices/memory[0]/target/requested: 64 MiB to 32 MiB\n");
    assert_ptr_equal(change->from_item, edit.applied->memories->pdata[0]);
    assert_ptr_equal(change->to_item, edit.desired->memories->pdata[0]);
    assert_true(diff_has(edit.changes, CHANGE_LIVE));
    assert_false(diff_has(edit.changes, CHANGE_RESTART));
}

static void
a_device_in_front_is_one_more_device(void **unused)
{
    g_auto(Edit) edit =
        edit_devices(HEAD, MEMORY("128", "64"), HEAD, MEMORY("256", "0") MEMORY("128", "32"));

    /* The automatic cell is smaller, and boots less memory: the total is what the file says. */
    assert_true(edit.changes->len >= 2);
    for (guint i = 0; i < edit.changes->len; i++) {
        const Change *change = edit.changes->pdata[i];
        g_autofree char *text = change_text(change);

        if (g_str_has_prefix(change->path, "devices/memory"))
            assert_true(
                g_str_equal(text, "6: live devices/memory[0]: - to memory virtiomem1") ||
                g_str_equal(text, "11: live devices/memory[1]/target/requested: 64 MiB to 32 MiB"));
    }
}

/* Of a DIMM that became a virtio-mem device, `requested` alone would be live. */
static void
memory_stays_of_its_sort(void **unused)
{
    static const char head[] = "<maxMemory slots='2' unit='GiB'>4</maxMemory>"
                               "<features><acpi/></features>";
    g_auto(Edit) edit =
        edit_devices(head,
                     "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node>"
                     "</target></memory>\n",
                     head, MEMORY("128", "64"));

    for (guint i = 0; i < edit.changes->len; i++) {
        const Change *change = edit.changes->pdata[i];

        assert_false(change->from_item && change->to_item);
    }
    assert_int_equal(edit.changes->len, 2);
}

static void
totals_follow_their_devices(void **unused)
{
#define CELL(memory)                                                                               \
    "<maxMemory unit='GiB'>4</maxMemory><cpu><numa><cell id='0' cpus='0' unit='MiB' "              \
    "memory='" memory "'/></numa></cpu>"
#define ON_NODE(size)                                                                              \
    "<memory model='virtio-mem'><target><size unit='MiB'>" size "</size><node>0</node>"            \
    "<block unit='MiB'>2</block><requested unit='MiB'>0</requested></target></memory>\n"
    g_auto(Edit) follows = edit_devices(CELL("512"), ON_NODE("128"), CELL("512"), ON_NODE("256"));
    g_auto(Edit) boots = edit_devices(CELL("512"), ON_NODE("128"), CELL("640"), ON_NODE("128"));

    assert_changes(&follows, "2: none memory: 640 MiB to 768 MiB\n"
                             "1: none currentMemory: 640 MiB to 768 MiB\n"
                             "6: restart devices/memory[0]/target/size: 128 MiB to 256 MiB\n");
    assert_true(diff_has(boots.changes, CHANGE_RESTART));
    assert_string_equal(((Change *) boots.changes->pdata[0])->path, "memory");
    assert_int_equal(((Change *) boots.changes->pdata[0])->class_, CHANGE_RESTART);
}

static void
devices_come_and_go_whole(void **unused)
{
    g_auto(Edit) edit =
        edit_devices(NULL, DISK("vda", "virtio") RNG, NULL, DISK("vdb", "virtio") RNG);

    assert_changes(&edit, "6: live devices/disk[0]: - to disk vdb\n"
                          "5: live devices/disk[0]: disk vda to -\n");
}

static void
lines_are_the_files_though_lists_are_sorted(void **unused)
{
    g_auto(Edit) edit =
        edit_devices(NULL, DISK("vdb", "virtio") DISK("vda", "virtio"), NULL,
                     DISK("vdb", "virtio") "<disk type='file'><source file='/new'/>"
                                           "<target dev='vda' bus='virtio'/></disk>\n");

    assert_changes(&edit, "7: restart devices/disk[0]/source/@file: /vda to /new\n");
}

static void
a_name_is_an_identity(void **unused)
{
    g_auto(Edit) edit =
        edit_devices(NULL, "", "<uuid>11111111-2222-4333-8444-555555555555</uuid>", "");

    assert_int_equal(edit.changes->len, 1);
    assert_true(diff_has(edit.changes, CHANGE_IDENTITY));
}

static void
titles_matter_to_nobody(void **unused)
{
    g_auto(Edit) edit = edit_devices("<title>a</title>", "", "<title>b</title>", "");

    assert_changes(&edit, "4: none title: a to b\n");
}

static void
what_assigns_an_address_is_no_change_and_what_gives_one_is(void **unused)
{
#define AT(slot)                                                                                   \
    "<rng model='virtio'><backend model='builtin'/>\n"                                             \
    "<address type='pci' bus='0' slot='" slot "'/></rng>\n"
#define ANYWHERE "<rng model='virtio'><backend model='builtin'/></rng>\n"
    g_auto(Edit) given = edit_devices(NULL, AT("9"), NULL, AT("10"));
    g_auto(Edit) freed = edit_devices(NULL, AT("9"), NULL, ANYWHERE);
    g_auto(Edit) displaced = edit_devices(NULL, ANYWHERE, NULL, ANYWHERE DISK("vda", "virtio"));

    assert_changes(&given, "7: restart devices/rng[0]/address/@slot: 0x09 to 0x0a\n");
    assert_changes(&freed, "");
    assert_changes(&displaced, "7: live devices/disk[0]: - to disk vda\n");
}

static void
an_edited_console_is_told_once(void **unused)
{
    g_auto(Edit) edit = edit_devices(NULL, "<console type='pty'/>\n", NULL,
                                     "<console type='file'><source path='/log'/></console>\n");

    assert_true(edit.changes->len > 0);
    for (guint i = 0; i < edit.changes->len; i++) {
        const Change *change = edit.changes->pdata[i];

        assert_true(g_str_has_prefix(change->path, "devices/serial[0]/"));
        assert_int_equal(change->at.line, 6);
    }
}

static void
live_fields_are_applied_and_no_others(void **unused)
{
    g_auto(Edit) edit = edit_devices(HEAD "<vcpu>1</vcpu><title>a</title>", MEMORY("128", "64"),
                                     HEAD "<vcpu>2</vcpu><title>b</title>", MEMORY("128", "32"));
    g_autoptr(Domain) applied = domain_apply_live(edit.applied, edit.desired);
    g_autoptr(GPtrArray) rest = domain_diff(applied, edit.desired, edit.spec->positions);

    assert_int_equal(list_at(applied->memories, 0, MemoryDevice)->requested.value, 32 * MIB);
    assert_string_equal(applied->title, "b");
    assert_int_equal(applied->vcpus.value, 1);
    assert_int_equal(list_at(edit.applied->memories, 0, MemoryDevice)->requested.value, 64 * MIB);
    assert_false(diff_has(rest, CHANGE_LIVE));
    assert_true(diff_has(rest, CHANGE_RESTART));
}

#define DRIVEN(driver, source, more)                                                               \
    "<disk type='file' device='disk'><driver name='qemu' type='raw' " driver                       \
    "/><source file='/" source "'/><target dev='vda'/>" more "</disk>"
#define CDROM(source)                                                                              \
    "<disk type='file' device='cdrom'>" source "<target dev='sda' bus='sata'/></disk>"

/* What of a disk takes a restart depends on the disk. */
static void
a_medium_changes_live_and_an_image_does_not(void **unused)
{
    g_auto(Edit) edit = edit_devices(NULL, DRIVEN("", "a", "") CDROM("<source file='/c'/>"), NULL,
                                     DRIVEN("", "b", "") CDROM("<source file='/d'/>"));
    g_auto(Edit) out = edit_devices(NULL, CDROM("<source file='/c'/>"), NULL, CDROM(""));

    assert_changes(&edit, "6: restart devices/disk[0]/source/@file: /a to /b\n"
                          "6: live devices/disk[1]/source/@file: /c to /d\n");
    assert_changes(&out, "6: live devices/disk[0]/source: source to -\n");
}

static void
a_cache_mode_changes_live_where_the_guest_does_not_see_it(void **unused)
{
    g_auto(Edit) same = edit_devices(NULL, DRIVEN("", "a", ""), NULL,
                                     DRIVEN("cache='none' discard='unmap'", "a", ""));
    g_auto(Edit) other =
        edit_devices(NULL, DRIVEN("", "a", ""), NULL, DRIVEN("cache='directsync'", "a", ""));

    assert_changes(&same, "6: live devices/disk[0]/driver/@cache: - to none\n"
                          "6: live devices/disk[0]/driver/@discard: - to unmap\n");
    assert_changes(&other, "6: restart devices/disk[0]/driver/@cache: - to directsync\n");
}

/* ---- devices without a key ---- */

#define RATE "<rate period='2000' bytes='1234'/>"
#define BUILTIN(rate) "<rng model='virtio'>" rate "<backend model='builtin'/></rng>\n"

/* Of two, one is removed and another one added: the one that stays is found by all that it is, in
 * whatever order they stand; it has no change, and keeps its id and address. The others are one
 * device less and one more. */
static void
keyless_pairs_equals_first(void **state)
{
    static const struct {
        const char *before, *after;
        guint stays_before, stays_after;
        guint n_changed; /* devices that have a change */
    } cases[] = {
        { BUILTIN(RATE) BUILTIN(""), BUILTIN(""), 1, 0, 1 },
        { BUILTIN("") BUILTIN(RATE), BUILTIN(""), 0, 0, 1 },
        { BUILTIN(RATE) BUILTIN(""), BUILTIN("") RNG, 1, 0, 2 },
        { BUILTIN(RATE) BUILTIN(""), RNG BUILTIN(""), 1, 1, 2 },
        { RNG BUILTIN(RATE), BUILTIN(RATE) BUILTIN(""), 1, 0, 2 },
        { RNG BUILTIN(RATE), BUILTIN("") BUILTIN(RATE), 1, 1, 2 },
        { BUILTIN(RATE) BUILTIN(""), BUILTIN("") BUILTIN(RATE), 1, 0, 0 },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Edit) edit = edit_devices(NULL, cases[i].before, NULL, cases[i].after);
        const DeviceInfo *was = edit.applied->rngs->pdata[cases[i].stays_before];
        const DeviceInfo *is = edit.desired->rngs->pdata[cases[i].stays_after];
        g_autoptr(GHashTable) changed = g_hash_table_new(NULL, NULL);

        assert_string_equal(was->alias, is->alias);
        assert_true(schema_equal(&address_schema, was->address, is->address));
        for (guint c = 0; c < edit.changes->len; c++) {
            const Change *change = edit.changes->pdata[c];

            assert_ptr_not_equal(change->to_item, is);
            assert_ptr_not_equal(change->from_item, was);
            assert_int_equal(change->class_, CHANGE_LIVE);
            if (change->item_schema)
                g_hash_table_add(
                    changed, (gpointer) (change->from_item ? change->from_item : change->to_item));
        }
        assert_int_equal(g_hash_table_size(changed), cases[i].n_changed);
    }
}

#define NAMED(backend)                                                                             \
    "<rng model='virtio'><backend model='" backend "'/><alias name='ua-dice'/></rng>\n"
#define FIXED(backend)                                                                             \
    "<rng model='virtio'><backend model='" backend "'/>"                                           \
    "<address type='pci' bus='0' slot='9'/></rng>\n"

/* Not so where the file has a name for it, where its bus doesn't let it go, and with what changes
 * live. */
static void
keyless_stays_where_it_can(void **state)
{
    g_auto(Edit) named = edit_devices(NULL, NAMED("builtin"), NULL, NAMED("random"));
    g_auto(Edit) fixed = edit_devices(NULL, FIXED("builtin"), NULL, FIXED("random"));
    g_auto(Edit) watchdog = edit_devices(NULL, "<watchdog model='i6300esb' action='reset'/>\n",
                                         NULL, "<watchdog model='i6300esb' action='pause'/>\n");

    assert_changes(&named, "6: restart devices/rng[0]/backend/@model: builtin to random\n");
    assert_changes(&fixed, "6: restart devices/rng[0]/backend/@model: builtin to random\n");
    assert_changes(&watchdog, "6: live devices/watchdog[0]/@action: reset to pause\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_medium_changes_live_and_an_image_does_not),
        cmocka_unit_test(a_cache_mode_changes_live_where_the_guest_does_not_see_it),
        cmocka_unit_test(the_same_file_differs_in_nothing),
        cmocka_unit_test(saying_what_was_the_case_changes_nothing),
        cmocka_unit_test(requested_is_live_and_has_its_line),
        cmocka_unit_test(a_device_in_front_is_one_more_device),
        cmocka_unit_test(memory_stays_of_its_sort),
        cmocka_unit_test(totals_follow_their_devices),
        cmocka_unit_test(devices_come_and_go_whole),
        cmocka_unit_test(lines_are_the_files_though_lists_are_sorted),
        cmocka_unit_test(a_name_is_an_identity),
        cmocka_unit_test(titles_matter_to_nobody),
        cmocka_unit_test(what_assigns_an_address_is_no_change_and_what_gives_one_is),
        cmocka_unit_test(an_edited_console_is_told_once),
        cmocka_unit_test(live_fields_are_applied_and_no_others),
        cmocka_unit_test(keyless_pairs_equals_first),
        cmocka_unit_test(keyless_stays_where_it_can),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
