/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nothing that is accepted is silently dropped: every row of the schema tables that is read, and
 * does not say why it has no effect, has one.
 *
 * Documents are read (tests/qemu/spellings.txt, tests/qemu/domains, and the corpus where it is),
 * and in each one every member that is set is taken out or made another value, one at a time; the
 * text that this gives leads to another outcome (tests/corpus/outcome), or the row had no effect
 * here. A row is proven by one document in which it matters. A change that is refused proves
 * nothing.
 *
 *     row ── no document has it ──────────────────► unseen  ┐ a fault, unless exceptions[]
 *      └──── in none of them anything else came of it ► idle ┘ names the row and why
 *
 * An exception that has become untrue is a fault as well.
 *
 *     test-effects SPELLINGS DIRECTORY...
 */
#include <stdio.h>
#include <string.h>

#include "model/schema-value.h"
#include "model/spec.h"
#include "tests/corpus/outcome.h"

#define SKIPPED 77

/* Documents in which a row is changed, and to which it is given, before it is called idle. */
#define MAX_TRIES 400
#define MAX_GIVEN 150

typedef struct Row {
    const Schema *schema;
    const Field *field;
    char *path;    /* the first one */
    guint n_tried; /* documents in which it was changed */
    guint n_given; /* documents to which it was given */
    guint n_held;  /* rules were there to refuse a change */
    guint n_same;  /* changes that no rule refused, and of which nothing came */
    bool is_proven;
    char *where;   /* a document that has it */
    char *refusal; /* what was said to one that was given it */
} Row;

static GHashTable *rows; /* Field* to Row */
static GPtrArray *order; /* Row*, as the tables have them */

static struct {
    const char *path, *why; /* '*' stands for anything */
    bool is_used;
} exceptions[] = {
    { "description", "nobody's business but the file's" },
    { "metadata", "other programs'" },
    { "*/acpi/@index", "refused where it isn't a PCI device's" },
    { "title", "nobody's business but the file's" },
    { "devices/vsock/cid/@auto", "what is chosen at first sight is written beside it and kept" },
    { "os/nvram/@templateFormat", "of what controller/nvram copies, which refuses another format" },
    { "devices/interface/route", "refused: routes in the guest are its own affair" },
    { "devices/graphics/address", "refused: there is no such device" },
    { "devices/*/address", "refused on what sits on no bus" },
    { "devices/video/model/acceleration/@rendernode", "of vhost-user-gpu, refused at the start" },
    { "devices/shmem/msi", "QEMU's doorbell always has them" },
    { "os/loader/@stateless",
      "what reconcile/firmware chooses by; no image here is without a store" },
    { "os/firmware/feature/@name", "the same; there is none with Secure Boot alone" },
    { "features/apic", "every machine of QEMU has one, as has one without the element" },
    { "features/pae", "every CPU of QEMU that can run x86_64 has it" },
    { "cpu/model/@fallback", "a permission that is never made use of" },
    { "os/nvram/source/cookies/*", "refused at the start" },
    { "devices/lease/*", "no guest with leases is started" },
    { "devices/disk/@sgio", "takes nothing but what holds in any case" },
    { "devices/hostdev/@sgio", "takes nothing but what holds in any case" },
    { "devices/graphics/alias/@name", "QEMU has no ids of displays" },
    { "devices/graphics/@username", "of type rdp, which is shown and not started" },
    { "devices/graphics/@multiUser", "of type rdp" },
    { "devices/graphics/@replaceUser", "of type rdp" },
    { "devices/interface/vlan/*", "a port's VLANs: qemu/link, test-host-link" },
    { "devices/interface/source/ip", "an address of the host's end: qemu/link, test-host-link" },
    { "devices/interface/source/ip/*", "as above" },
    { "devices/interface/source/route", "a route of the host's end: qemu/link, test-host-link" },
    { "devices/interface/source/route/*", "as above" },
};

/* --- the tables --- */

static bool
is_read(const Field *field)
{
    return field->type != TYPE_NONE && !field->refuse && !field->no_effect && !field->is_output;
}

static void
collect(const Schema *schema, const char *path)
{
    for (const Field *field = schema->fields; field->path; field++) {
        Row *row;

        if (!is_read(field) || g_hash_table_contains(rows, field))
            continue;
        row = g_new0(Row, 1);
        row->schema = schema;
        row->field = field;
        row->path = g_strconcat(path, *path ? "/" : "", field->path, NULL);
        g_hash_table_insert(rows, (gpointer) field, row);
        g_ptr_array_add(order, row);
        if (field->schema)
            collect(field->schema, row->path);
    }
}

/* --- one document --- */

typedef struct Document {
    const char *name;
    Domain *domain;
    bool is_raw;
    char *text, *outcome;
    guint n_same;  /* changes that were accepted and led to the same */
    char *refusal; /* the last one */
} Document;

/* Whether the document, as it is now, leads elsewhere. */
static bool
differs(Document *document)
{
    g_autofree char *text = domain_format(document->domain);
    g_autofree char *outcome = NULL;

    if (g_str_equal(text, document->text))
        return false; /* another row says it too */
    if (outcome_of(text, document->is_raw, &outcome) == OUTCOME_REFUSED) {
        g_free(document->refusal);
        document->refusal = g_steal_pointer(&outcome);
        return false;
    }
    document->n_same += !strcmp(outcome, document->outcome);
    return strcmp(outcome, document->outcome) != 0;
}

static bool
differs_by_number(Document *document, guint64 *value)
{
    const guint64 before = *value;
    const guint64 others[] = { before + 1,         before - 1,         before * 2, before / 2, 0,
                               before + (1 << 20), before + (2 << 20), 4096,       65536 };
    bool is_other = false;

    for (guint i = 0; i < G_N_ELEMENTS(others) && !is_other; i++) {
        *value = others[i];
        is_other = others[i] != before && differs(document);
    }
    *value = before;
    return is_other;
}

static bool
differs_by_name(Document *document, const Field *field, int *value)
{
    const int before = *value;
    bool is_other = false;

    for (int i = 1; field->names[i] && !is_other; i++) {
        *value = i;
        is_other = i != before && differs(document);
    }
    *value = before;
    return is_other;
}

/* The text with its last character another one, or with more, or another one altogether. */
static bool
differs_by_text(Document *document, char **value)
{
    char *before = *value;
    gsize length = strlen(before);
    bool is_other = false;

    for (guint i = 0; i < 4 && !is_other; i++) {
        g_autofree char *other = i == 0   ? g_strconcat(before, "1", NULL)
                                 : i == 1 ? g_strdup(before)
                                 : i == 2 ? g_strdup("1")
                                          : g_strdup("0");

        if (i == 1 && length)
            other[length - 1] = other[length - 1] == '1' ? '2' : '1';
        *value = other;
        is_other = strcmp(other, before) && differs(document);
    }
    *value = before;
    return is_other;
}

static bool
differs_without(Document *document, const Field *field, gpointer member)
{
    gsize size = field_kind(field)->size;
    g_autofree gpointer before = g_memdup2(member, size);
    bool is_other;

    memset(member, 0, size);
    is_other = differs(document);
    memcpy(member, before, size);
    return is_other;
}

static bool matters_within(Document *document, const Schema *schema, gpointer item);

static bool
matters(Document *document, const Field *field, gpointer member)
{
    if (differs_without(document, field, member))
        return true;
    /* To leave out a value may be to say it: what counts is whether another one is taken. */
    if (field->type != TYPE_FLAG && field->type != TYPE_RAW)
        document->n_same = 0;
    switch (field->type) {
    case TYPE_STRING:
    case TYPE_PATH:
    case TYPE_CPUSET:
    case TYPE_UUID:
    case TYPE_MAC:
        return differs_by_text(document, member);
    case TYPE_UINT:
    case TYPE_HEX:
    case TYPE_SIZE:
    case TYPE_FRACTION:
        return differs_by_number(document, &((OptUint *) member)->value);
    case TYPE_INT:
        return differs_by_number(document, (guint64 *) &((OptInt *) member)->value);
    case TYPE_ENUM:
        return differs_by_name(document, field, member);
    case TYPE_STRUCT:
        return matters_within(document, field->schema, *(gpointer *) member);
    case TYPE_LIST:
        return matters_within(document, field->schema, (*(GPtrArray **) member)->pdata[0]);
    case TYPE_FLAG:
    case TYPE_RAW:
    case TYPE_NONE:
        return false;
    }
    return false;
}

static bool
matters_within(Document *document, const Schema *schema, gpointer item)
{
    for (const Field *field = schema->fields; field->path; field++)
        if (is_read(field) && field_applies(schema, field, item) && field_is_set(field, item) &&
            matters(document, field, field_member(field, item)))
            return true;
    return false;
}

static void
try_changed(Document *document, Row *row, gpointer member)
{
    if (row->n_tried >= MAX_TRIES)
        return;
    row->n_tried++;
    document->n_same = 0;
    row->is_proven = matters(document, row->field, member);
    if (document->is_raw)
        return;
    row->n_held++;
    row->n_same += document->n_same;
    if (document->n_same && !row->where)
        row->where = g_strdup(document->name);
}

/* Values that a member of the type may have; texts for those that have none of their own. */
static bool
differs_with(Document *document, const Field *field, gpointer member)
{
    static char *const texts[] = { (char *) "/x", (char *) "ua-x", (char *) "1" };
    OptUint *number = member;
    bool is_other = false;

    switch (field->type) {
    case TYPE_STRING:
    case TYPE_PATH:
        for (guint i = 0; i < G_N_ELEMENTS(texts) && !is_other; i++) {
            *(char **) member = texts[i];
            is_other = differs(document);
        }
        break;
    case TYPE_UINT:
    case TYPE_HEX:
    case TYPE_SIZE:
    case TYPE_FRACTION:
    case TYPE_INT:
        number->is_set = true;
        number->value = MAX(field->min, field->type == TYPE_SIZE ? 1 << 20 : 1);
        is_other = differs(document);
        number->value = field->max ? field->max : 4096;
        is_other = is_other || differs(document);
        break;
    case TYPE_ENUM:
        is_other = differs_by_name(document, field, member);
        break;
    case TYPE_FLAG:
        *(bool *) member = true;
        is_other = differs(document);
        break;
    case TYPE_CPUSET:
    case TYPE_UUID:
    case TYPE_MAC:
    case TYPE_STRUCT:
    case TYPE_LIST:
    case TYPE_RAW:
    case TYPE_NONE:
        break;
    }
    memset(member, 0, field_kind(field)->size);
    return is_other;
}

static void
try_given(Document *document, Row *row, gpointer member)
{
    if (row->n_given >= (document->is_raw ? MAX_GIVEN / 3 : MAX_GIVEN))
        return;
    document->n_same = 0;
    row->is_proven = differs_with(document, row->field, member);
    row->n_given++;
    /* One value of a name's may be what holds without it. */
    if (row->field->type == TYPE_ENUM && document->n_same)
        document->n_same--;
    if (!document->is_raw)
        row->n_same += document->n_same;
    if (document->n_same && !row->where && !document->is_raw)
        row->where = g_strdup(document->name);
    if (document->refusal && !row->refusal)
        row->refusal = g_steal_pointer(&document->refusal);
    g_clear_pointer(&document->refusal, g_free);
}

static void
walk(Document *document, const Schema *schema, gpointer item)
{
    for (const Field *field = schema->fields; field->path; field++) {
        gpointer member = field_member(field, item);
        Row *row = g_hash_table_lookup(rows, field);

        if (!row || !field_condition_holds(field, item))
            continue;
        if (!field_is_set(field, item)) {
            if (!row->is_proven)
                try_given(document, row, member);
            continue;
        }
        if (!row->is_proven)
            try_changed(document, row, member);
        if (field->type == TYPE_STRUCT)
            walk(document, field->schema, *(gpointer *) member);
        for (guint i = 0; field->type == TYPE_LIST && i < (*(GPtrArray **) member)->len; i++)
            walk(document, field->schema, (*(GPtrArray **) member)->pdata[i]);
    }
}

static void
try_document(const char *name, const char *text, bool is_raw)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Domain) domain = NULL;
    Document document = { .name = name, .is_raw = is_raw };

    if (is_raw) {
        domain = domain_parse_own(text, &error);
    } else {
        g_autoptr(Spec) spec = spec_parse(name, text, strlen(text));

        domain = spec_is_valid(spec) ? domain_copy(spec->domain) : NULL;
    }
    if (!domain)
        return;
    document.domain = domain;
    document.text = domain_format(domain);
    if (outcome_of(document.text, is_raw, &document.outcome) == OUTCOME_MADE)
        walk(&document, &domain_schema, domain);
    g_free(document.text);
    g_free(document.outcome);
    g_free(document.refusal);
}

/* --- where documents come from --- */

static void
put(GString *text, const char *element, const char *more)
{
    g_autofree char *start = g_strdup_printf("<%s>", element);

    if (!g_string_replace(text, start, more, 1))
        g_string_append_printf(text, "%s</%s>", more, element);
}

static const char ports[] =
    "<devices>"
    "<controller type='pci' index='11' model='pcie-root-port'><alias name='pci.11'/></controller>"
    "<controller type='pci' index='12' model='pcie-root-port'><alias name='pci.12'/></controller>"
    "<controller type='pci' index='13' model='pcie-root-port'><alias name='pci.13'/></controller>"
    "<controller type='pci' index='14' model='pcie-root-port'><alias name='pci.14'/></controller>";

/* As test-command-line has them: "MACHINE[/TYPE]", and elements of <domain>. */
static void
try_spelling(const char *kind, const char *xml)
{
    g_auto(GStrv) words = g_strsplit(kind, "/", 2);
    g_autofree char *os =
        g_strdup_printf("<os><type arch='x86_64' machine='%s'>hvm</type>", words[0]);
    g_autoptr(GString) text = g_string_new(xml);
    g_autofree char *outcome = NULL;
    bool is_valid;

    put(text, "os", os);
    put(text, "devices", strcmp(words[0], "q35") ? "<devices>" : ports);
    if (!strstr(xml, "<memory unit=") && !strstr(xml, "<memory>"))
        g_string_append(text, "<memory unit='MiB'>64</memory>");
    if (!strstr(xml, "<vcpu"))
        g_string_append(text, "<vcpu>1</vcpu>");
    if (!strstr(xml, "<name>"))
        g_string_append(text, "<name>t</name>");
    g_string_prepend(text, words[1] ? "<domain type='kvm'>" : "<domain type='qemu'>");
    g_string_append(text, "</domain>");
    is_valid = outcome_of(text->str, false, &outcome) == OUTCOME_MADE;
    try_document(kind, text->str, !is_valid);
}

static void
try_spellings(const char *path)
{
    g_autofree char *file = NULL;
    g_auto(GStrv) sections = NULL;

    if (!g_file_get_contents(path, &file, NULL, NULL))
        g_error("%s can't be read", path);
    sections = g_strsplit(file, "\n=== ", -1);
    for (guint i = 1; sections[i]; i++) {
        g_auto(GStrv) halves = g_strsplit(sections[i], "---\n", 2);
        g_autofree char *kind = g_strndup(halves[0], strcspn(halves[0], ":"));

        try_spelling(kind, strchr(halves[0], '\n') + 1);
    }
}

/* False: it is not there. */
static bool
try_directory(const char *path)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    const char *name;

    while (directory && (name = g_dir_read_name(directory))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_autofree char *text = NULL;

        if (g_str_has_suffix(name, ".xml") && g_file_get_contents(file, &text, NULL, NULL))
            try_document(name, text, false);
    }
    return directory != NULL;
}

/* --- the verdict --- */

/* Nothing else can be said there: whatever was tried in its place is refused, or
 * its type has no other. */
static bool
is_only_value(const Row *row)
{
    return (row->n_held && !row->n_same) ||
           (row->field->type == TYPE_ENUM && !row->field->names[2]);
}

static bool
is_excepted(const Row *row)
{
    for (guint i = 0; i < G_N_ELEMENTS(exceptions); i++)
        if (g_pattern_match_simple(exceptions[i].path, row->path)) {
            exceptions[i].is_used = true;
            return true;
        }
    return false;
}

static bool
is_fault(const Row *row)
{
    if (row->is_proven || is_only_value(row) || is_excepted(row))
        return false;
    printf("%s: %s%s%s (%s)\n", row->path, row->n_same ? "idle" : "unseen",
           row->where ? ", as in " : "", row->where ? row->where : "",
           row->refusal ? row->refusal : "");
    return true;
}

int
main(int argc, char **argv)
{
    guint n_faults = 0, n_proven = 0;

    g_setenv("TZ", "Asia/Tokyo", true); /* where local time is not UTC */
    rows = g_hash_table_new(NULL, NULL);
    order = g_ptr_array_new();
    collect(&domain_schema, "");
    try_spellings(argv[1]);
    for (int i = 2; i < argc; i++)
        if (!try_directory(argv[i])) {
            printf("no corpus at %s\n", argv[i]);
            return SKIPPED;
        }
    for (guint i = 0; i < order->len; i++) {
        const Row *row = order->pdata[i];

        n_proven += row->is_proven;
        n_faults += is_fault(row);
    }
    for (guint i = 0; i < G_N_ELEMENTS(exceptions); i++)
        if (!exceptions[i].is_used) {
            printf("%s: is no exception: %s\n", exceptions[i].path, exceptions[i].why);
            n_faults++;
        }
    printf("%u rows, %u of them proven, %u faults\n", order->len, n_proven, n_faults);
    return n_faults != 0;
}
