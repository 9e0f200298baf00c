/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Placement against libvirt's own: each document of the corpus whose device kinds we all have is
 * resolved without a past, and every controller and address is compared with libvirt's
 * normalised XML, ids and USB ports with its command line. Documents that validation refuses for
 * other reasons (a network disk) take part too, since where a device sits does not depend on its
 * backend.
 *
 * Cases that can't agree are named with their reason; all others must.
 *
 *     test-resolve-corpus DIRECTORY [CASE]
 */
#include <stdio.h>
#include <string.h>

#include "model/controller.h"
#include "model/spec.h"
#include "reconcile/resolve.h"

#define EXPECTED_SUFFIX ".x86_64-latest.xml"

static const struct {
    const char *name, *why;
} exceptions[] = {
    { "net-virtio-teaming-network", "networks that are pools of devices are not done yet" },
    { "usb-controller-automatic-unavailable-q35", "its QEMU lacks every USB controller" },
    { "usb-hub-autoadd", "libvirt adds hubs when it starts the guest" },
    { "usb-hub-autoadd-deluxe", "libvirt adds hubs when it starts the guest" },
    { NULL, NULL },
};

static bool
has_our_kinds(const char *text)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("");
    g_autoptr(XmlNode) root = xml_parse(text, strlen(text), diagnostics);
    const XmlNode *devices = root ? xml_node_child(root, "devices") : NULL;

    for (guint i = 0; devices && i < list_length(devices->children); i++) {
        const char *name = ((const XmlNode *) devices->children->pdata[i])->name;

        if (!device_kind_find(name) && strcmp(name, "emulator") && strcmp(name, "audio"))
            return false;
    }
    return devices;
}

static char *
address_text(const Address *address)
{
    g_autoptr(XmlNode) node = NULL;
    g_autofree char *text = NULL;

    if (!address)
        return g_strdup("none");
    node = schema_format(&address_schema, address);
    text = xml_format(node, NULL);
    return g_strdup(g_strstrip(text));
}

static bool
is_same_address(const Address *ours, const Address *theirs)
{
    g_autofree char *a = address_text(ours);
    g_autofree char *b = address_text(theirs);

    /* libvirt gives USB ports only at start. */
    if (ours && ours->type == ADDRESS_USB && (!theirs || !theirs->port))
        return true;
    return g_str_equal(a, b);
}

static char *
device_label(const DeviceKind *kind, gconstpointer device, guint index)
{
    const Controller *controller = device;

    if (kind != &controller_kind)
        return g_strdup_printf("%s[%u]", kind->name, index);
    return g_strdup_printf("controller %s %u %s", controller_type_names[controller->type],
                           (guint) controller->index.value,
                           controller->model ? controller_model_names[controller->model] : "-");
}

static void
compare_lists(const DeviceKind *kind, const GPtrArray *ours, const GPtrArray *theirs,
              GString *report)
{
    if (list_length(ours) != list_length(theirs))
        g_string_append_printf(report, "  %u %s devices, libvirt has %u\n", list_length(ours),
                               kind->name, list_length(theirs));
    for (guint i = 0; i < MIN(list_length(ours), list_length(theirs)); i++) {
        const DeviceInfo *a = ours->pdata[i], *b = theirs->pdata[i];
        g_autofree char *label = device_label(kind, a, i);
        g_autofree char *their_label = device_label(kind, b, i);
        g_autofree char *a_text = address_text(a->address);
        g_autofree char *b_text = address_text(b->address);

        if (!g_str_equal(label, their_label))
            g_string_append_printf(report, "  %s, libvirt has %s\n", label, their_label);
        if (!is_same_address(a->address, b->address))
            g_string_append_printf(report, "  %s: %s, libvirt has %s\n", label, a_text, b_text);
    }
}

/* ---- ids and ports, which only the command line has ---- */

/* The text of "@name":"…" in @line, or NULL. */
static char *
json_string(const char *line, const char *name)
{
    g_autofree char *opening = g_strdup_printf("\"%s\":\"", name);
    const char *start = strstr(line, opening);
    const char *end = start ? strchr(start + strlen(opening), '"') : NULL;

    return end ? g_strndup(start + strlen(opening), end - start - strlen(opening)) : NULL;
}

static const DeviceInfo *
find_alias(const Domain *domain, const char *alias)
{
    for (guint k = 0; device_kinds[k]; k++) {
        const GPtrArray *list = domain_devices(domain, device_kinds[k]);

        for (guint i = 0; i < list_length(list); i++) {
            const DeviceInfo *info = list->pdata[i];

            if (!g_strcmp0(info->alias, alias))
                return info;
        }
    }
    return NULL;
}

static void
compare_ids(const Domain *domain, const char *command_line, GString *report)
{
    static const char *const no_kinds[] = { "watchdog0", "vmgenid0", NULL };
    g_auto(GStrv) lines = g_strsplit(command_line, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_autofree char *id = json_string(*line, "id");
        g_autofree char *port = json_string(*line, "port");
        const DeviceInfo *device;

        /* A codec is a part of its sound device, with an id made of that one's. */
        if (!g_str_has_prefix(*line, "-device") || !id || g_strv_contains(no_kinds, id) ||
            strstr(id, "-codec"))
            continue;
        device = find_alias(domain, id);
        if (!device)
            g_string_append_printf(report, "  no device has the id %s\n", id);
        else if (port && device->address && device->address->type == ADDRESS_USB &&
                 g_strcmp0(port, device->address->port))
            g_string_append_printf(report, "  %s: USB port %s, libvirt has %s\n", id,
                                   device->address->port, port);
    }
}

/* Resolving what is resolved changes nothing, and neither does a past that is the present. */
static void
check_fixed_point(const Spec *spec, const Domain *domain, GString *report)
{
    ResolveContext context = { .uuid_seed = "corpus" };
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("again");
    g_autoptr(Domain) again = resolve_domain(domain, NULL, &context, NULL, diagnostics);
    g_autoptr(Domain) kept = resolve_domain(spec->domain, domain, &context, NULL, diagnostics);
    g_autofree char *problems = diagnostics_format(diagnostics);

    if (!again || !schema_equal(&domain_schema, domain, again))
        g_string_append_printf(report, "  resolving it again gives something else\n%s", problems);
    if (!kept || !schema_equal(&domain_schema, domain, kept))
        g_string_append_printf(report, "  with itself as its past it is another\n%s", problems);
}

/* What differs, "" when nothing does. */
static char *
compare_case(const char *input, const char *expected, const char *command_line)
{
    g_autoptr(Spec) spec = spec_parse("input", input, strlen(input));
    g_autoptr(Spec) normalised = spec_parse("expected", expected, strlen(expected));
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("input");
    ResolveContext context = { .uuid_seed = "corpus" };
    g_autoptr(Domain) domain =
        resolve_domain(spec->domain, NULL, &context, spec->positions, diagnostics);
    GString *report = g_string_new(NULL);

    if (!domain) {
        g_autofree char *text = diagnostics_format(diagnostics);

        g_string_append_printf(report, "  %s", text);
        return g_string_free(report, FALSE);
    }
    for (guint k = 0; device_kinds[k]; k++)
        compare_lists(device_kinds[k], domain_devices(domain, device_kinds[k]),
                      domain_devices(normalised->domain, device_kinds[k]), report);
    compare_ids(domain, command_line, report);
    check_fixed_point(spec, domain, report);
    return g_string_free(report, FALSE);
}

/* ---- what libvirt refuses ---- */

static const struct {
    const char *name, *code;
} refusals[] = {
    { "440fx-ide-address-conflict", "address-conflict" },
    { "440fx-wrong-root", "controller-root" },
    { "memory-align-fail", "memory-total" },
    { "disk-ide-incompatible-address", "address-type" },
    { "disk-sata-incompatible-address", "address-type" },
    { "pci-bridge-duplicate-index", "controller-duplicate" },
    { "pci-expander-bus-bad-machine", "controller-root" },
    { "pci-root-address", "controller-root" },
    { "pcie-expander-bus-bad-bus", "address-invalid" },
    { "pcie-expander-bus-bad-machine", "address-full" },
    { "pcie-root-port-too-many", "address-full" },
    { "q35-dmi-bad-address1", "controller-duplicate" },
    { "q35-wrong-root", "controller-root" },
    { "usb-controller-qemu-xhci-limit", "out-of-range" },
    { "usb-none-other", "controller-usb-none" },
    { "usb-none-usbtablet", "usb-none" },
    { "usb-ports-out-of-range", "address-invalid" },
};

static bool
has_code(const Diagnostics *diagnostics, const char *code)
{
    for (guint i = 0; i < diagnostics->items->len; i++) {
        const Diagnostic *item = diagnostics->items->pdata[i];

        if (item->severity == SEVERITY_ERROR && g_str_equal(item->code, code))
            return true;
    }
    return false;
}

/* Refused by the file's own rules or by resolving it, with the code and a line. */
static bool
is_refused(const char *directory, const char *name, const char *code)
{
    g_autofree char *path = g_strdup_printf("%s/%s.xml", directory, name);
    g_autofree char *text = NULL, *said = NULL, *said_later = NULL;
    g_autoptr(Spec) spec = NULL;
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(name);
    g_autoptr(Domain) domain = NULL;
    ResolveContext context = { .uuid_seed = "corpus" };

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    spec = spec_parse(name, text, strlen(text));
    domain = resolve_domain(spec->domain, NULL, &context, spec->positions, diagnostics);
    if (has_code(spec->diagnostics, code) || (!domain && has_code(diagnostics, code)))
        return true;
    said = diagnostics_format(spec->diagnostics);
    said_later = diagnostics_format(diagnostics);
    printf("%s: not refused as %s, but:\n%s%s", name, code, said, said_later);
    return false;
}

static bool
run_refusals(const char *directory)
{
    guint n_refused = 0;

    for (guint i = 0; i < G_N_ELEMENTS(refusals); i++)
        n_refused += is_refused(directory, refusals[i].name, refusals[i].code);
    printf("%u of %u mistakes are refused as such\n", n_refused, (guint) G_N_ELEMENTS(refusals));
    return n_refused == G_N_ELEMENTS(refusals);
}

/* ---- all cases ---- */

static const char *
exception_of(const char *name)
{
    for (guint i = 0; exceptions[i].name; i++)
        if (g_str_equal(exceptions[i].name, name))
            return exceptions[i].why;
    return NULL;
}

typedef struct Tally {
    guint n_cases, n_compared, n_equal, n_excepted;
    bool is_failed;
} Tally;

static void
run_case(const char *directory, const char *file, Tally *tally)
{
    g_autofree char *name = g_strndup(file, strlen(file) - strlen(EXPECTED_SUFFIX));
    g_autofree char *input_path = g_strdup_printf("%s/%s.xml", directory, name);
    g_autofree char *expected_path = g_strdup_printf("%s/%s", directory, file);
    g_autofree char *args_path = g_strdup_printf("%s/%s.x86_64-latest.args", directory, name);
    g_autofree char *input = NULL, *expected = NULL, *command_line = NULL, *report = NULL;
    const char *why = exception_of(name);

    if (!g_file_get_contents(input_path, &input, NULL, NULL) ||
        !g_file_get_contents(expected_path, &expected, NULL, NULL) ||
        !g_file_get_contents(args_path, &command_line, NULL, NULL))
        return; /* what libvirt refuses at start has no command line */
    tally->n_cases++;
    if (!has_our_kinds(input))
        return;
    tally->n_compared++;
    report = compare_case(input, expected, command_line);
    tally->n_equal += !*report;
    tally->n_excepted += *report && why;
    if (*report)
        printf("%s%s%s:\n%s", name, why ? " - expected: " : "", why ? why : "", report);
    if (!*report && why)
        printf("%s: agrees, so it is no exception\n", name);
    tally->is_failed |= !*report == (why != NULL);
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

int
main(int argc, char **argv)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    GDir *directory = argc > 1 ? g_dir_open(argv[1], 0, NULL) : NULL;
    const char *file;
    Tally tally = { 0 };

    if (!directory) {
        printf("no corpus at %s\n", argc > 1 ? argv[1] : "(nowhere)");
        return 77;
    }
    while ((file = g_dir_read_name(directory)))
        if (g_str_has_suffix(file, EXPECTED_SUFFIX) &&
            (argc < 3 || (g_str_has_prefix(file, argv[2]) &&
                          strlen(file) == strlen(argv[2]) + strlen(EXPECTED_SUFFIX))))
            g_ptr_array_add(files, g_strdup(file));
    g_dir_close(directory);
    g_ptr_array_sort(files, compare_names);
    for (guint i = 0; i < files->len; i++)
        run_case(argv[1], files->pdata[i], &tally);
    printf("%u of %u compared cases agree (%u excepted, %u cases in all)\n", tally.n_equal,
           tally.n_compared, tally.n_excepted, tally.n_cases);
    if (argc < 3)
        tally.is_failed |= !run_refusals(argv[1]);
    return tally.is_failed || !tally.n_compared;
}
