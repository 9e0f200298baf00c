/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How QEMU is told about a domain: the cases of spellings.txt, which read as "this XML adds these
 * options". VIRTKEEP_UPDATE=1 writes the file anew from what the code says now; review it like
 * code. "(beside)" are processes that run beside QEMU. What a QEMU lacks is refused, told by a
 * Capabilities value that lacks it.
 */
#include "qemu/command-line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "model/disk.h"
#include "model/memory.h"
#include "qemu/chardev.h"
#include "qemu/companion.h"
#include "qemu/device.h"

static const HugePageMount mounts[] = { { 2u << 20, "/dev/hugepages" } };
static SysinfoEntry bios[] = { { (char *) "vendor", NULL, (char *) "EDK" } };
static SysinfoEntry system_[] = { { (char *) "sku", NULL, (char *) "7" } };
static gpointer bios_items[] = { &bios[0] }, system_items[] = { &system_[0] };
static GPtrArray bios_list = { bios_items, 1 }, system_list = { system_items, 1 };
static const Sysinfo sysinfo = { .bios = &bios_list, .system = &system_list };

static const HostLink links[] = {
    { .alias = "ua-one", .first = 10, .n_queues = 1 },
    { .alias = "ua-two", .first = 11, .n_queues = 2, .has_vhost = true },
};
static const HostFacts facts = {
    .links = links,
    .n_links = G_N_ELEMENTS(links),
    .huge_pages = mounts,
    .n_huge_pages = 1,
    .default_huge_page = 2u << 20,
    .page_size = 4096,
    .memory_directory = "/mem",
    .socket_directory = "/run/t",
    .spice_tls_directory = "/pki",
    .secret_directory = "/secrets",
    .tpm_directory = "/tpm",
    .user = 1000,
    .sysinfo = &sysinfo,
    .now = G_GINT64_CONSTANT(1700000000) * G_USEC_PER_SEC,
};

/* Buses for the cases' devices: PCI 11 to 14, and controller 7 of the other types. */
static const char ports[] =
    "<devices>"
    "<controller type='pci' index='11' model='pcie-root-port'><alias name='pci.11'/></controller>"
    "<controller type='pci' index='12' model='pcie-root-port'><alias name='pci.12'/></controller>"
    "<controller type='pci' index='13' model='pcie-root-port'><alias name='pci.13'/></controller>"
    "<controller type='pci' index='14' model='pcie-root-port'><alias name='pci.14'/></controller>";

static void
put(GString *text, const char *element, const char *more)
{
    g_autofree char *start = g_strdup_printf("<%s>", element);

    if (!g_string_replace(text, start, more, 1))
        g_string_append_printf(text, "%s</%s>", more, element);
}

/* @kind: "q35", "pc", "q35/kvm". @xml: elements of <domain>; what it doesn't say is added. */
static Domain *
domain_of(const char *kind, const char *xml)
{
    g_auto(GStrv) words = g_strsplit(kind, "/", 2);
    g_autofree char *type =
        g_strdup_printf("<os><type arch='x86_64' machine='%s'>hvm</type>", words[0]);
    g_autoptr(GString) text = g_string_new(xml);
    g_autoptr(GError) error = NULL;
    Domain *domain;

    put(text, "os", type);
    put(text, "devices", strcmp(words[0], "q35") ? "<devices>" : ports);
    if (!strstr(xml, "<memory unit=") && !strstr(xml, "<memory>"))
        g_string_append(text, "<memory unit='MiB'>64</memory>");
    if (!strstr(xml, "<name>"))
        g_string_append(text, "<name>t</name>");
    g_string_prepend(text, words[1] ? "<domain type='kvm'>" : "<domain type='qemu'>");
    g_string_append(text, "</domain>");
    domain = domain_parse_own(text->str, &error);
    if (!domain)
        fail_msg("%s\n%s", error->message, text->str);
    return domain;
}

static GPtrArray *
lines_of(const CommandLine *line)
{
    g_auto(GStrv) argv = command_line_argv(line, "qemu");
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 1; argv[i]; i++) {
        bool has_value = argv[i + 1] && argv[i + 1][0] != '-';

        g_ptr_array_add(lines, g_strjoin(" ", argv[i], has_value ? argv[i + 1] : NULL, NULL));
        i += has_value;
    }
    return lines;
}

/* The processes that run beside this QEMU, as "(beside) swtpm socket …". */
static void
add_companions(const Domain *domain, Diagnostics *diagnostics, GPtrArray *lines)
{
    g_autoptr(GPtrArray) companions = companions_new();
    DeviceContext context = {
        .at = { .domain = domain, .diagnostics = diagnostics, .path = (char *) "" }, .facts = &facts
    };

    device_companions_all(&context, companions);
    for (guint i = 0; i < companions->len; i++) {
        const Companion *companion = companions->pdata[i];
        GString *text = g_string_new("(beside) ");

        g_string_append(text, companion->program);
        for (guint j = 0; j < companion->arguments->len; j++)
            g_string_append_printf(text, " %s", (char *) companion->arguments->pdata[j]);
        g_ptr_array_add(lines, g_string_free(text, FALSE));
    }
}

static GPtrArray *
spell_lines(const Domain *domain, const Capabilities *capabilities)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("t.xml");
    g_autoptr(CommandLine) line =
        command_line_build(domain, capabilities, &facts, NULL, diagnostics);
    GPtrArray *lines;

    /* Refused exactly when there is an error. */
    assert_int_equal(line == NULL, diagnostics_has_errors(diagnostics));
    lines = line ? lines_of(line) : g_ptr_array_new_with_free_func(g_free);
    if (line)
        add_companions(domain, diagnostics, lines);
    for (guint i = 0; i < diagnostics->items->len; i++) {
        const Diagnostic *item = diagnostics->items->pdata[i];

        g_ptr_array_add(lines, g_strdup_printf("%s: %s [%s]", severity_name(item->severity),
                                               item->text, item->code));
    }
    return lines;
}

static void
add_missing(GString *text, const GPtrArray *from, const GPtrArray *in, const char *prefix)
{
    for (guint i = 0; i < from->len; i++)
        if (!g_ptr_array_find_with_equal_func((GPtrArray *) in, from->pdata[i], g_str_equal, NULL))
            g_string_append_printf(text, "%s%s\n", prefix, (char *) from->pdata[i]);
}

/* The options that @xml adds to a domain that says nothing, and those that it takes away. */
static char *
spell(const char *kind, const char *xml)
{
    g_autoptr(Domain) empty = domain_of(kind, ""), domain = domain_of(kind, xml);
    g_autoptr(GPtrArray) before = spell_lines(empty, capabilities_builtin());
    g_autoptr(GPtrArray) after = spell_lines(domain, capabilities_builtin());
    GString *text = g_string_new(NULL);

    if (after->len && !g_str_has_prefix(after->pdata[0], "error"))
        add_missing(text, before, after, "(gone) ");
    add_missing(text, after, before, "");
    return g_string_free(text, FALSE);
}

/* Sections "=== KIND: what", the XML, "---", the options. */
static void
test_spellings(void **state)
{
    g_autofree char *file = NULL;
    g_auto(GStrv) sections = NULL;
    g_autoptr(GString) now = g_string_new(NULL);
    bool is_update = g_getenv("VIRTKEEP_UPDATE") != NULL;

    assert_true(g_file_get_contents(SPELLINGS, &file, NULL, NULL));
    sections = g_strsplit(file, "\n=== ", -1);
    assert_true(g_strv_length(sections) > 40);
    g_string_append(now, sections[0]);
    for (guint i = 1; sections[i]; i++) {
        g_auto(GStrv) halves = g_strsplit(sections[i], "---\n", 2);
        char *end_of_title = strchr(halves[0], '\n');
        g_autofree char *kind = g_strndup(halves[0], strcspn(halves[0], ":"));
        g_autofree char *expected = g_strdup(halves[1] ? halves[1] : "");
        g_autofree char *spelled = spell(kind, end_of_title + 1);

        if (!is_update && strcmp(g_strchomp(expected), g_strchomp(spelled)))
            fail_msg("%.*s\nexpected:\n%s\n\nspelled:\n%s\n", (int) (end_of_title - halves[0]),
                     halves[0], expected, spelled);
        g_string_append_printf(now, "\n=== %s---\n%s\n", halves[0], g_strchomp(spelled));
    }
    if (is_update)
        assert_true(g_file_set_contents(SPELLINGS, now->str, -1, NULL));
}

/* A QEMU that knows the machine and nothing else. */
static Capabilities *
poor_qemu(void)
{
    static const char text[] =
        "{\"format_version\":1,\"version\":{\"major\":1,\"minor\":2,\"micro\":3,\"package\":\"\"},"
        "\"target\":\"x86_64\",\"has_kvm\":false,\"machines\":[{\"name\":\"q35\","
        "\"properties\":[]}],\"devices\":{\"virtio-mem-pci\":[\"memdev\"]},\"objects\":"
        "{\"memory-backend-ram\":[\"size\"]},\"commands\":[],\"netdevs\":[],\"block_drivers\":"
        "{\"rbd\":[\"encrypt\"],\"raw\":[]},"
        "\"cpus\":[]}";
    g_autoptr(Json) json = json_parse(text, -1, NULL);
    g_autoptr(GError) error = NULL;
    Capabilities *capabilities = capabilities_from_json(json, &error);

    if (!capabilities)
        fail_msg("%s", error->message);
    return capabilities;
}

static void
assert_refused(const char *kind, const char *xml, const char *refusal)
{
    g_autoptr(Domain) domain = domain_of(kind, xml);
    g_autoptr(Capabilities) capabilities = poor_qemu();
    g_autoptr(GPtrArray) lines = spell_lines(domain, capabilities);

    if (!g_ptr_array_find_with_equal_func(lines, refusal, g_str_equal, NULL))
        fail_msg("not refused with '%s' but '%s'", refusal,
                 lines->len ? (char *) lines->pdata[lines->len - 1] : "nothing");
}

static void
test_refusals(void **state)
{
    assert_refused("pc", "",
                   "error: os/type/@machine: this QEMU has no machine type 'pc' [not-in-qemu]");
    assert_refused("q35/kvm", "", "error: @type: this QEMU was built without KVM [not-in-qemu]");
    assert_refused("q35", "<features><vmport state='off'/></features>",
                   "error: features/vmport: machine 'q35' of this QEMU has no 'vmport' switch "
                   "[not-in-qemu]");
    assert_refused("q35", "<cpu mode='custom'><model>EPYC</model></cpu>",
                   "error: cpu/model: this QEMU has no CPU model 'EPYC' [not-in-qemu]");
    assert_refused("q35", "<devices><memballoon model='virtio'/></devices>",
                   "error: devices/memballoon[0]: this QEMU has no device 'virtio-balloon-pci' "
                   "[not-in-qemu]");
    assert_refused("q35",
                   "<devices><memory model='virtio-mem'><target dynamicMemslots='yes'>"
                   "<size unit='MiB'>64</size><block unit='MiB'>2</block><requested>0</requested>"
                   "</target></memory></devices>",
                   "error: devices/memory[0]/target/@dynamicMemslots: this QEMU's device "
                   "'virtio-mem-pci' has no property 'dynamic-memslots' [not-in-qemu]");
    assert_refused("q35", "<memoryBacking><source type='memfd'/></memoryBacking>",
                   "error: this QEMU has no object 'memory-backend-memfd' [not-in-qemu]");
    assert_refused("q35", "<os><kernel>/vmlinuz</kernel><shim>/shim</shim></os>",
                   "error: os/shim: this QEMU knows no shim [not-in-qemu]");
    assert_refused("q35",
                   "<devices><disk type='network'><source protocol='rbd' name='pool/image'>"
                   "<encryption format='luks-any' engine='librbd'>"
                   "<secret type='passphrase' uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/>"
                   "</encryption></source><target dev='vdb' bus='virtio'/></disk></devices>",
                   "error: devices/disk[0]/source/encryption/@format: this QEMU's block driver "
                   "'rbd' has no 'encrypt.format=luks-any' [not-in-qemu]");
}

/* The same trees at boot and for hot plug, but for what of the boot order is no device's own. */
static void
test_hot_plug_trees(void **state)
{
    static const char xml[] =
        "<devices><disk type='file'><driver type='qcow2'/><source file='/a,b'/>"
        "<target dev='vdb' bus='virtio'/><boot order='1'/><alias name='virtio-disk1'/>"
        "<address type='pci' bus='11' slot='0'/></disk></devices>";
    g_autoptr(Domain) domain = domain_of("q35", xml);
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("t.xml");
    g_autoptr(DeviceTrees) trees =
        device_trees_build(domain, &disk_kind, domain->disks->pdata[0], "devices/disk[0]",
                           capabilities_builtin(), &facts, NULL, diagnostics);
    g_autoptr(CommandLine) line =
        command_line_build(domain, capabilities_builtin(), &facts, NULL, diagnostics);
    guint n_found = 0;

    assert_non_null(trees);
    assert_int_equal(trees->backends->len, 2);
    assert_string_equal(backend_command(((Backend *) trees->backends->pdata[1])->kind),
                        "blockdev-add");
    assert_string_equal(backend_id(trees->backends->pdata[1]), "vdb-format");
    for (guint i = 0; i < command_line_length(line); i++) {
        const Option *option = command_line_at(line, i);

        if (!option->tree)
            continue;
        if (!strcmp(option->name, "-blockdev"))
            assert_true(json_equal(option->tree,
                                   ((Backend *) trees->backends->pdata[n_found++])->properties));
        if (!g_strcmp0(json_get_string(option->tree, "driver"), "virtio-blk-pci"))
            assert_true(json_equal(option->tree, trees->device));
    }
    assert_int_equal(n_found, 2);
}

static void
test_commas(void **state)
{
    g_autoptr(GString) text = g_string_new("x");

    option_text_add(text, "path", "/a,b,,c");
    option_text_add(text, "none", NULL);
    option_text_add(text, "empty", "");
    assert_string_equal(text->str, "x,path=/a,,b,,,,c,empty=");
}

static void
test_odd_name(void **state)
{
    g_autoptr(Domain) domain = domain_of("q35", "<name>a,b=c d</name>");
    g_autoptr(GPtrArray) lines = spell_lines(domain, capabilities_builtin());

    assert_string_equal(lines->pdata[0], "-name guest=a,,b=c d,debug-threads=on");
}

/* Every kind of the model is spelled by somebody. */
static void
test_all_kinds(void **state)
{
    for (guint i = 0; device_kinds[i]; i++)
        if (!device_spelling_find(device_kinds[i]))
            fail_msg("no spelling for <%s>", device_kinds[i]->name);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings),      cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_hot_plug_trees), cmocka_unit_test(test_commas),
        cmocka_unit_test(test_odd_name),       cmocka_unit_test(test_all_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
