/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The schema walkers over the sample's tables: what is read, what is refused and where, what is
 * written, and what differs. Mistakes are compared with their whole line, position included,
 * since the position is half of what they are for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/model/sample-schema.h"

/* Reads a <sample> of @text; diagnostics, if wanted, to be freed by the caller. */
static Sample *
read_sample(const char *text, PositionMap *positions, char **ret_diagnostics)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("s");
    g_autoptr(XmlNode) node = xml_parse(text, strlen(text), diagnostics);
    Sample *sample = node ? schema_parse(&sample_schema, node, "", positions, diagnostics) : NULL;

    diagnostics_sort(diagnostics);
    if (ret_diagnostics)
        *ret_diagnostics = diagnostics_format(diagnostics);
    else if (diagnostics->items->len)
        fail_msg("%s", diagnostics_format(diagnostics));
    return sample;
}

static char *
write_sample(const Sample *sample)
{
    g_autoptr(XmlNode) node = schema_format(&sample_schema, sample);

    return xml_format(node, NULL);
}

static void
free_sample(Sample *sample)
{
    schema_free(&sample_schema, sample);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sample, free_sample)

static const char everything[] =
    "<sample id='3' type='large'>\n"
    "  <devices>\n"
    "    <note importance='high'>read &amp; keep</note>\n"
    "    <disk type='file'>\n"
    "      <address bus='0x1A' type='pci'/>\n"
    "      <target dev='vda'><block unit='b'>513</block></target>\n"
    "      <source file='/a b'/><readonly/>\n"
    "    </disk>\n"
    "    <disk type='network'><target dev='vdb'/>\n"
    "      <source><host name='one' port='1'/><host name='two'/></source>\n"
    "      <address type='drive' bus='7'/></disk>\n"
    "  </devices>\n"
    "  <cpu><cell id='0' memory='1' unit='MiB' cpus='3,0-1,^0'/>\n"
    "    <cell id='1' memory='2048' cache='100' unit='bytes'/></cpu>\n"
    "  <clock port='31' rate='0.500'><offset>-7</offset></clock>\n"
    "  <tune><limit>2048</limit></tune>\n"
    "  <memory unit='GiB' dumpCore='off'>2</memory>\n"
    "  <metadata><a xmlns='urn:a' k='&lt;'>x<b xmlns=''/></a>\n"
    "    <p:policy xmlns:p='urn:sample:policy' strategy='s'><p:timeout>5</p:timeout></p:policy>"
    "</metadata>\n"
    "  <title/>\n"
    "  <mac address='52:54:0:AB:cd:ef'/>\n"
    "  <uuid>C7A5FDBD-edaf-9455-926a-d65c16db1809</uuid>\n"
    "  <name> web </name>\n"
    "</sample>\n";

static const char everything_canonical[] =
    "<sample type='large'>\n"
    "  <name>web</name>\n"
    "  <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\n"
    "  <mac address='52:54:00:ab:cd:ef'/>\n"
    "  <metadata>\n"
    "    <a xmlns='urn:a' k='&lt;'>x\n"
    "      <b xmlns=''/>\n"
    "    </a>\n"
    "    <policy xmlns='urn:sample:policy' strategy='s'>\n"
    "      <timeout>5</timeout>\n"
    "    </policy>\n"
    "  </metadata>\n"
    "  <memory unit='KiB' dumpCore='off'>2097152</memory>\n"
    "  <tune>\n"
    "    <limit>2048</limit>\n"
    "  </tune>\n"
    "  <clock rate='0.5' port='0x1f'>\n"
    "    <offset>-7</offset>\n"
    "  </clock>\n"
    "  <cpu>\n"
    "    <cell id='0' unit='KiB' memory='1024' cpus='1,3'/>\n"
    "    <cell id='1' unit='bytes' memory='2048' cache='100'/>\n"
    "  </cpu>\n"
    "  <devices>\n"
    "    <disk type='file'>\n"
    "      <source file='/a b'/>\n"
    "      <target dev='vda'>\n"
    "        <block unit='bytes'>513</block>\n"
    "      </target>\n"
    "      <readonly/>\n"
    "      <address type='pci' bus='0x1a'/>\n"
    "    </disk>\n"
    "    <disk type='network'>\n"
    "      <source>\n"
    "        <host name='one' port='1'/>\n"
    "        <host name='two'/>\n"
    "      </source>\n"
    "      <target dev='vdb'/>\n"
    "      <address type='drive' bus='7'/>\n"
    "    </disk>\n"
    "    <note importance='high'>read &amp; keep</note>\n"
    "  </devices>\n"
    "</sample>\n";

static void
values_are_read(void **state)
{
    g_autoptr(Sample) sample = read_sample(everything, NULL, NULL);
    const SampleDisk *disk = sample->disks->pdata[0], *other = sample->disks->pdata[1];
    const SampleCell *cell = sample->cells->pdata[1];
    const SampleNote *note = sample->notes->pdata[0];

    assert_string_equal(sample->name, "web");
    assert_string_equal(sample->uuid, "c7a5fdbd-edaf-9455-926a-d65c16db1809");
    assert_string_equal(sample->mac, "52:54:00:ab:cd:ef");
    assert_null(sample->title);
    assert_int_equal(sample->type, 2);
    assert_int_equal(sample->memory.value, 2ull << 30);
    assert_int_equal(sample->dump_core, TRISTATE_OFF);
    assert_int_equal(sample->limit.value, 2048);
    assert_int_equal(sample->rate.value, 500000);
    assert_int_equal(sample->offset.value, -7);
    assert_int_equal(sample->port.value, 31);
    assert_string_equal(sample->policy->strategy, "s");
    assert_int_equal(sample->policy->timeout.value, 5);
    assert_int_equal(sample->disks->len, 2);
    assert_int_equal(disk->block.value, 513);
    assert_true(disk->is_read_only);
    assert_false(other->is_read_only);
    assert_int_equal(disk->address->bus.value, 0x1a);
    assert_int_equal(other->address->bus.value, 7);
    assert_int_equal(other->hosts->len, 2);
    assert_false(disk->address->type == other->address->type);
    assert_int_equal(cell->memory.value, 2048);
    assert_int_equal(cell->cache.value, 100);
    assert_false(((SampleCell *) sample->cells->pdata[0])->cache.is_set);
    assert_string_equal(note->text, "read & keep");
    assert_int_equal(note->importance, 2);
}

static void
format_is_canonical(void **state)
{
    g_autoptr(Sample) sample = read_sample(everything, NULL, NULL), again = NULL;
    g_autofree char *text = write_sample(sample), *second = NULL;

    assert_string_equal(text, everything_canonical);
    again = read_sample(text, NULL, NULL);
    assert_true(schema_equal(&sample_schema, sample, again));
    second = write_sample(again);
    assert_string_equal(second, text);
}

/* A member that two rows share stands where the row's condition holds, and only there. */
static void
shared_members_are_written_once(void **state)
{
    typedef struct Gate {
        int type;
        char *source;
    } Gate;
    static const char *const names[] = { NULL, "open", "shut", NULL };
    static const Field fields[] = {
        FIELD_ENUM(Gate, type, names, .path = "@type", .doc = "Kind."),
        FIELD_STRING(Gate, source, .path = "source/@dev", WHEN(Gate, type, "@type", WHEN_IS(1)),
                     .doc = "Device."),
        FIELD_STRING(Gate, source, .path = "@path", WHEN(Gate, type, "@type", WHEN_IS(2)),
                     .doc = "Path."),
        FIELD_END,
    };
    static const Schema schema = { .element = "gate", .size = sizeof(Gate), .fields = fields };
    char a[] = "a", b[] = "b";
    const Gate shut = { 2, a }, other = { 2, b };
    g_autoptr(GPtrArray) changes = g_ptr_array_new_with_free_func((GDestroyNotify) change_free);
    g_autoptr(XmlNode) node = schema_format(&schema, &shut);
    g_autofree char *text = xml_format(node, NULL);

    assert_string_equal(g_strstrip(text), "<gate type='shut' path='a'/>");
    schema_compare(&schema, &shut, &other, "", changes);
    assert_int_equal(changes->len, 1);
    assert_string_equal(((const Change *) changes->pdata[0])->path, "@path");
}

/* An element's place is its first row's, also when another row of it is what is set. */
static void
order_depends_on_rows_alone(void **state)
{
    SampleDisk disk = { .type = SAMPLE_FILE, .is_read_only = true, .block = { 1024, true } };
    GPtrArray *disks = g_ptr_array_new();
    Sample sample = { .disks = disks };
    g_autofree char *text = NULL;

    g_ptr_array_add(disks, &disk);
    text = write_sample(&sample);
    assert_string_equal(text, "<sample>\n"
                              "  <devices>\n"
                              "    <disk type='file'>\n"
                              "      <target>\n"
                              "        <block unit='KiB'>1</block>\n"
                              "      </target>\n"
                              "      <readonly/>\n"
                              "    </disk>\n"
                              "  </devices>\n"
                              "</sample>\n");
    g_ptr_array_unref(disks);
}

static void
copies_are_deep(void **state)
{
    g_autoptr(Sample) sample = read_sample(everything, NULL, NULL);
    g_autoptr(Sample) copy = schema_copy(&sample_schema, sample);
    g_autofree char *text = NULL;
    SampleDisk *disk = copy->disks->pdata[0];

    assert_true(schema_equal(&sample_schema, sample, copy));
    disk->address->bus.value = 2;
    assert_false(schema_equal(&sample_schema, sample, copy));
    g_free(copy->policy->strategy);
    copy->policy->strategy = g_strdup("t");
    text = write_sample(sample);
    assert_string_equal(text, everything_canonical);
    schema_clear(&sample_schema, copy);
    assert_null(copy->disks);
    assert_false(copy->memory.is_set);
    assert_null(schema_copy(&sample_schema, NULL));
}

/* ---- mistakes ---- */

typedef struct Mistake {
    const char *body; /* the whole document, or what stands in <sample><name>n</name>…</sample> */
    const char *diagnostics;
} Mistake;

static const Mistake mistakes[] = {
    { "<sample/>", "s:1:1: error: <sample> needs <name> [missing-element]\n" },
    { "<sample><name/></sample>", "s:1:9: error: <name> is empty [missing-element]\n" },
    { "<domain/>", "s:1:1: error: expected <sample>, not <domain> [unknown-element]\n" },
    { "<sample xmlns='urn:q'><name>n</name></sample>",
      "s:1:1: error: expected <sample>, not <sample> of namespace urn:q [unknown-element]\n" },
    { "<foo/>", "s:1:23: error: <sample> has no element <foo> [unknown-element]\n" },
    { "<clock>\n <foo\n bar=''/></clock>",
      "s:2:2: error: <clock> has no element <foo> [unknown-element]\n" },
    { "<clock\n  rate='1'\n   foo='2'/>",
      "s:3:4: error: <clock> has no attribute 'foo' [unknown-attribute]\n" },
    { "<name>m</name>", "s:1:23: error: <name> may stand only once in <sample>, and stands on "
                        "line 1 already [duplicate-element]\n" },
    { "<clock/><clock rate='1'/>",
      "s:1:31: error: <clock> may stand only once in <sample>, and stands on line 1 already "
      "[duplicate-element]\n" },
    { "<clock>noon</clock>",
      "s:1:23: error: <clock> takes no text, and has 'noon' [unexpected-text]\n" },
    { "stray", "s:1:1: error: <sample> takes no text, and has 'stray' [unexpected-text]\n" },
    { "äöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöü",
      "s:1:1: error: <sample> takes no text, and has "
      "'äöüäöüäöüäöüäöüäöüäöüäöüäöüäöü…' [unexpected-text]\n" },
    { "one\ntwo", "s:1:1: error: <sample> takes no text, and has 'one…' [unexpected-text]\n" },
    { "<name xmlns='urn:q'>m</name>",
      "s:1:23: error: <sample> has no element <name> of namespace urn:q [unknown-element]\n" },
    { "<vk:policy xmlns:vk='urn:sample:policy'/>",
      "s:1:23: error: <sample> has no element <policy> of namespace urn:sample:policy "
      "[unknown-element]\n" },
    { "<metadata><policy strategy='1'/><p:policy xmlns:p='urn:sample:policy' foo=''/></metadata>",
      "s:1:93: error: <policy> has no attribute 'foo' [unknown-attribute]\n" },
    /* Values. */
    { "<memory>-1</memory>", "s:1:23: error: <memory>-1</memory>: expected a size (a whole number, "
                             "its unit in the attribute 'unit') [bad-value]\n" },
    { "<memory>18014398509481984</memory>",
      "s:1:23: error: <memory>18014398509481984</memory>: expected a size (a whole number, its "
      "unit in the attribute 'unit') [bad-value]\n" },
    { "<memory unit='KiBi'>1</memory>",
      "s:1:31: error: <memory unit='KiBi'>: expected one of b, KB, KiB, MB, MiB, GB, GiB, TB, "
      "TiB, PB, PiB, EB, EiB [bad-value]\n" },
    { "<memory foo='1'>1</memory>",
      "s:1:31: error: <memory> has no attribute 'foo' [unknown-attribute]\n" },
    { "<tune><limit/></tune>",
      "s:1:29: error: <limit> is empty: expected a size (a whole number, its unit in the attribute "
      "'unit') [bad-value]\n" },
    { "<memory dumpCore='yes'>1</memory>",
      "s:1:31: error: <memory dumpCore='yes'>: expected one of on, off [bad-value]\n" },
    { "<clock rate='.5'/>", "s:1:30: error: <clock rate='.5'>: expected a number with at most six "
                            "decimals [bad-value]\n" },
    { "<clock rate='1.'/>", "s:1:30: error: <clock rate='1.'>: expected a number with at most six "
                            "decimals [bad-value]\n" },
    { "<clock rate='0.0000001'/>", "s:1:30: error: <clock rate='0.0000001'>: expected a number "
                                   "with at most six decimals [bad-value]\n" },
    { "<clock port='0xg'/>", "s:1:30: error: <clock port='0xg'>: expected a number such as 0x1f "
                             "[bad-value]\n" },
    { "<clock port=''/>",
      "s:1:30: error: <clock port=''>: expected a number such as 0x1f [bad-value]\n" },
    { "<clock><offset>11</offset></clock>",
      "s:1:30: error: <offset>11</offset>: expected a whole number, may be negative, from -10 to "
      "10 [out-of-range]\n" },
    { "<clock><offset>-11</offset></clock>",
      "s:1:30: error: <offset>-11</offset>: expected a whole number, may be negative, from -10 to "
      "10 [out-of-range]\n" },
    { "<uuid>c7a5fdbd-edaf-9455-926a-d65c16db180</uuid>",
      "s:1:23: error: <uuid>c7a5fdbd-edaf-9455-926a-d65c16db180</uuid>: expected a UUID (32 "
      "hexadecimal digits, with or without dashes) [bad-value]\n" },
    { "<mac address='01:00:5e:00:00:01'/>",
      "s:1:28: error: <mac address='01:00:5e:00:00:01'>: expected a MAC address such as "
      "52:54:00:12:34:56, not a multicast one [bad-value]\n" },
    { "<mac address='52:54:00:12:34'/>",
      "s:1:28: error: <mac address='52:54:00:12:34'>: expected a MAC address such as "
      "52:54:00:12:34:56, not a multicast one [bad-value]\n" },
    { "<cpu><cell cpus='3-1'/></cpu>", "s:1:34: error: <cell cpus='3-1'>: expected a set of "
                                       "numbers such as 0-3,^2,7 [bad-value]\n" },
    { "<cpu><cell id='1x'/></cpu>",
      "s:1:34: error: <cell id='1x'>: expected a whole number [bad-value]\n" },
    /* What belongs together. */
    { "<devices><disk type='file'><source dev='/d'/><target dev='a'/></disk></devices>",
      "s:1:58: error: <source dev=…> needs type='block' [not-here]\n" },
    { "<devices><disk type='file'><source><host name='h'/></source><target dev='a'/></disk>"
      "</devices>",
      "s:1:58: error: <host> needs type='network' [not-here]\n" },
    { "<devices><disk type='floppy'><source dev='/d'/><target dev='a'/></disk></devices>",
      "s:1:38: error: <disk type='floppy'>: expected one of file, block, network [bad-value]\n" },
    { "<devices><disk><source dev='/d'/><target dev='a'/></disk></devices>",
      "s:1:32: error: <disk> needs the attribute 'type' [missing-attribute]\n" },
    { "<devices><disk type='file'/></devices>",
      "s:1:32: error: <disk> needs <target dev=…> [missing-element]\n" },
    { "<devices><disk type='file'>\n<target/></disk></devices>",
      "s:2:1: error: <target> needs the attribute 'dev' [missing-attribute]\n" },
    { "<devices><disk type='file'><target dev='a'/><address bus='9' type='drive'/></disk>"
      "</devices>",
      "s:1:76: error: <address bus='9'>: expected a whole number, at most 7 [out-of-range]\n" },
    { "<devices><note/></devices>", "s:1:32: error: <note> is empty [missing-element]\n" },
    /* Flags, and rows that refuse or do nothing. */
    { "<devices><disk type='file'><target dev='a'/><readonly x='1'>y</readonly></disk></devices>",
      "s:1:67: error: <readonly> takes no text, and has 'y' [unexpected-text]\n"
      "s:1:77: error: <readonly> has no attribute 'x' [unknown-attribute]\n" },
    { "<devices><shmem><deep x='1'/></shmem>\n<shmem/></devices>",
      "s:1:32: error: devices/shmem: no shared memory here [not-supported]\n"
      "s:2:1: error: devices/shmem: no shared memory here [not-supported]\n" },
    { "<e:extension xmlns:e='urn:sample:extension'><e:any/></e:extension>",
      "s:1:23: error: x:extension: extensions are not known [not-supported]\n" },
    { "<devices><slot/></devices>", "" },
    { "<devices><slot>t</slot></devices>",
      "s:1:32: error: <slot> takes no text, and has 't' [unexpected-text]\n" },
    { "<devices><label/><label>t</label></devices>",
      "s:1:40: error: devices/label[1]: labels are not printed [not-supported]\n" },
    { "<extension/>", "s:1:23: error: <sample> has no element <extension> [unknown-element]\n" },
    { "<seclabel a='1'><b/></seclabel><seclabel/>",
      "s:1:23: note: seclabel has no effect: labels are the host's affair, not <sample>'s "
      "[no-effect]\n" },
    { "<ignored>kept</ignored>",
      "s:1:23: note: ignored has no effect: nobody reads it [no-effect]\n" },
    /* All of them at once. */
    { "<a/>\n<memory>x</memory>\n<b/>",
      "s:1:23: error: <sample> has no element <a> [unknown-element]\n"
      "s:2:1: error: <memory>x</memory>: expected a size (a whole number, its unit in the "
      "attribute 'unit') [bad-value]\n"
      "s:3:1: error: <sample> has no element <b> [unknown-element]\n" },
};

static bool
is_whole_document(const char *body)
{
    return g_str_has_prefix(body, "<sample") || g_str_has_prefix(body, "<domain");
}

static void
mistakes_are_reported_where_they_stand(void **state)
{
    for (guint i = 0; i < G_N_ELEMENTS(mistakes); i++) {
        const char *body = mistakes[i].body;
        g_autofree char *text = is_whole_document(body)
                                    ? g_strdup(body)
                                    : g_strdup_printf("<sample><name>n</name>%s</sample>", body);
        g_autofree char *diagnostics = NULL;
        g_autoptr(Sample) sample = read_sample(text, NULL, &diagnostics);

        if (!g_str_equal(diagnostics, mistakes[i].diagnostics))
            fail_msg("%s\n--- expected\n%s--- found\n%s", text, mistakes[i].diagnostics,
                     diagnostics);
        assert_non_null(sample);
    }
}

static void
garbage_ends_early(void **state)
{
    GString *text = g_string_new("<sample><name>n</name>");
    g_autofree char *diagnostics = NULL;
    g_autoptr(Sample) sample = NULL;

    for (guint i = 0; i < 90000; i++)
        g_string_append(text, "<x/>");
    g_string_append(text, "</sample>");
    sample = read_sample(text->str, NULL, &diagnostics);
    assert_non_null(sample);
    assert_non_null(strstr(diagnostics, "[too-many-diagnostics]"));
    g_string_free(text, TRUE);
}

static void
said_once(void **state)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("f");
    const struct {
        Severity severity;
        Position at;
        const char *code, *text;
    } rows[] = {
        { SEVERITY_ERROR, { 1, 2 }, "c", "t" },   { SEVERITY_ERROR, { 1, 3 }, "c", "t" },
        { SEVERITY_WARNING, { 1, 2 }, "c", "t" }, { SEVERITY_ERROR, { 1, 2 }, "d", "t" },
        { SEVERITY_ERROR, { 1, 2 }, "c", "u" },
    };

    for (guint twice = 0; twice < 2; twice++)
        for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
            diagnostics_add(diagnostics, rows[i].severity, rows[i].at, rows[i].code, "%s",
                            rows[i].text);
    assert_int_equal(diagnostics->items->len, G_N_ELEMENTS(rows));
}

/* ---- positions ---- */

static void
positions_are_known(void **state)
{
    static const struct {
        const char *path;
        guint line, column;
    } expected[] = {
        { "", 1, 1 },
        { "@type", 1, 16 },
        { "@id", 1, 9 },
        { "devices", 2, 3 },
        { "devices/note[0]/@importance", 3, 11 },
        { "devices/disk[0]", 4, 5 },
        { "devices/disk[0]/@type", 4, 11 },
        { "devices/disk[0]/address/@bus", 5, 16 },
        { "devices/disk[0]/target", 6, 7 },
        { "devices/disk[0]/target/@dev", 6, 15 },
        { "devices/disk[0]/target/block", 6, 25 },
        { "devices/disk[0]/target/block/@unit", 6, 32 },
        { "devices/disk[0]/readonly", 7, 28 },
        { "devices/disk[1]/source/host[1]/@name", 10, 48 },
        { "metadata/vk:policy/@strategy", 19, 43 },
        { "name", 23, 3 },
        /* Not there: what is around it. */
        { "devices/disk[0]/target/@bus", 6, 7 },
        { "devices/disk[7]/target/@dev", 2, 3 },
        { "devices/disk[1]/source/host[2]", 10, 7 },
        { "vcpu", 1, 1 },
    };
    g_autoptr(PositionMap) positions = position_map_new();
    g_autoptr(Sample) sample = read_sample(everything, positions, NULL);

    assert_non_null(sample);
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        Position at = position_map_get(positions, expected[i].path);

        if (at.line != expected[i].line || at.column != expected[i].column)
            fail_msg("%s at %u:%u, not %u:%u", expected[i].path, at.line, at.column,
                     expected[i].line, expected[i].column);
    }
}

static void
unknown_positions_are_zero(void **state)
{
    g_autoptr(PositionMap) positions = position_map_new();

    assert_int_equal(position_map_get(positions, "a/b").line, 0);
}

/* ---- comparing ---- */

static char *
changes_text(const char *before, const char *after)
{
    g_autoptr(Sample) a = read_sample(before, NULL, NULL), b = read_sample(after, NULL, NULL);
    g_autoptr(GPtrArray) changes = g_ptr_array_new_with_free_func((GDestroyNotify) change_free);
    GString *out = g_string_new(NULL);

    schema_compare(&sample_schema, a, b, "", changes);
    for (guint i = 0; i < changes->len; i++) {
        const Change *change = changes->pdata[i];
        g_autofree char *from_key = change->from_item && change->item_schema->key
                                        ? change->item_schema->key(change->from_item)
                                        : NULL;
        g_autofree char *to_key = change->to_item && change->item_schema->key
                                      ? change->item_schema->key(change->to_item)
                                      : NULL;

        g_string_append_printf(out, "%s: %s > %s %s", change->path, change->from ?: "-",
                               change->to ?: "-", change_class_name(change->class_));
        if (change->item_schema)
            g_string_append_printf(out, " (%s %s %s)", change->item_schema->element,
                                   from_key ?: "-", to_key ?: "-");
        g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}

#define DISK(target, more) "<disk type='network'><target dev='" target "'/>" more "</disk>"

static void
changes_are_found(void **state)
{
    static const struct {
        const char *before, *after, *changes;
    } cases[] = {
        { "", "", "" },
        { "<memory unit='MiB'>1</memory>", "<memory>1024</memory>", "" },
        { "<memory unit='MiB'>1</memory>", "<memory dumpCore='on'>1025</memory>",
          "memory: 1 MiB > 1025 KiB live\nmemory/@dumpCore: - > on restart\n" },
        { "<title>a</title>", "", "title: a > - none\n" },
        { "<clock rate='1.5' port='1'><offset>-1</offset></clock>", "<clock port='0x2'/>",
          "clock/@rate: 1.5 > - restart\nclock/offset: -1 > - restart\n"
          "clock/@port: 0x01 > 0x02 restart\n" },
        /* A struct that is on one side only is one change. */
        { "", "<metadata><policy xmlns='urn:sample:policy' strategy='s'/></metadata>",
          "metadata/vk:policy: - > policy restart\n" },
        /* By key, wherever they stand. */
        { "<devices>" DISK("a", "") DISK("b", "") "</devices>",
          "<devices>" DISK("b", "") DISK("a", "") "</devices>", "" },
        { "<devices>" DISK("a", "") DISK("b", "") "</devices>",
          "<devices>" DISK("b", "<readonly/>") DISK("c", "") "</devices>",
          "devices/disk[0]: disk a > - restart (disk a -)\n"
          "devices/disk[0]/readonly: - > yes restart (disk b b)\n"
          "devices/disk[1]: - > disk c restart (disk - c)\n" },
        { "<devices>" DISK("a", "") DISK("a", "") "</devices>",
          "<devices>" DISK("a", "") DISK("a", "<readonly/>") DISK("a", "") "</devices>",
          "devices/disk[1]/readonly: - > yes restart (disk a a)\n"
          "devices/disk[2]: - > disk a restart (disk - a)\n" },
        /* A list within an item: the item is the outer one. */
        { "<devices>" DISK("a", "<source><host name='h'/></source>") "</devices>",
          "<devices>" DISK(
              "a", "<source><host name='h' port='2'/><host name='i'/></source>") "</devices>",
          "devices/disk[0]/source/host[0]/@port: - > 2 live (disk a a)\n"
          "devices/disk[0]/source/host[1]: - > host #1 restart (disk a a)\n" },
        { "<devices>" DISK("a", "<address type='pci' bus='1'/>") "</devices>",
          "<devices>" DISK("a", "<address type='drive' bus='1'/>") "</devices>",
          "devices/disk[0]/address/@type: pci > drive restart (disk a a)\n"
          "devices/disk[0]/address/@bus: 0x01 > - restart (disk a a)\n"
          "devices/disk[0]/address/@bus: - > 1 restart (disk a a)\n" },
        /* Without a key, by position. */
        { "<devices><note>x</note></devices>", "<devices><note>y</note><note>x</note></devices>",
          "devices/note[0]: x > y restart (note - -)\n"
          "devices/note[1]: - > note #1 restart (note - -)\n" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *before =
            g_strdup_printf("<sample><name>n</name>%s</sample>", cases[i].before);
        g_autofree char *after =
            g_strdup_printf("<sample><name>n</name>%s</sample>", cases[i].after);
        g_autofree char *changes = changes_text(before, after);

        if (!g_str_equal(changes, cases[i].changes))
            fail_msg("%s\n%s\n--- expected\n%s--- found\n%s", before, after, cases[i].changes,
                     changes);
    }
}

/* A member without effect is kept and written, and is no difference. */
static void
no_effect_does_not_count(void **state)
{
    g_autofree char *diagnostics = NULL, *text = NULL;
    g_autoptr(Sample) sample =
        read_sample("<sample><name>n</name><ignored>i</ignored></sample>", NULL, &diagnostics);
    g_autoptr(Sample) other = read_sample("<sample><name>n</name></sample>", NULL, NULL);
    g_autoptr(GPtrArray) changes = g_ptr_array_new_with_free_func((GDestroyNotify) change_free);

    schema_compare(&sample_schema, sample, other, "", changes);
    assert_int_equal(changes->len, 0);
    assert_false(schema_equal(&sample_schema, sample, other));
    text = write_sample(sample);
    assert_string_equal(text, "<sample>\n  <name>n</name>\n  <ignored>i</ignored>\n</sample>\n");
}

static void
values_have_texts(void **state)
{
    g_autoptr(Sample) sample = read_sample(everything, NULL, NULL);
    static const struct {
        const char *path, *text;
    } expected[] = {
        { "memory", "2 GiB" },        { "tune/limit", "2 KiB" }, { "clock/@rate", "0.5" },
        { "clock/@port", "0x1f" },    { "clock/offset", "-7" },  { "memory/@dumpCore", "off" },
        { "devices/disk", "2 disk" }, { "title", NULL },         { "metadata/vk:policy", "policy" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        const Field *field = sample_schema.fields;
        g_autofree char *text = NULL;

        while (!g_str_equal(field->path, expected[i].path))
            field++;
        text = field_value_text(field, sample);
        if (g_strcmp0(text, expected[i].text))
            fail_msg("%s is %s", expected[i].path, text);
    }
}

static void
the_page_lists_every_row(void **state)
{
    g_autoptr(GString) page = g_string_new(NULL);
    static const char *const lines[] = {
        "## sample\n\nA sample.\n\n| path | value | unit, range | change | meaning |\n",
        "| `@id` | passed over |  |  | Number of the running one. |\n",
        "| `name` | text |  | identity | **Required.** Name. |\n",
        "| `title` | text |  | none | A \\| title. |\n",
        "| `memory` | size | KiB | live | Memory. |\n",
        "| `tune/limit` | size | bytes | restart | Bytes a second. |\n",
        "| `memory/@dumpCore` | `on`, `off` |  | restart | In core dumps. |\n",
        "| `clock/offset` | integer | from -10 to 10 | restart | Offset. |\n",
        "| `devices/disk` | any number: [devices/disk](#devicesdisk) |  | restart | Disks. |\n",
        "| `devices/shmem` | refused |  |  | Shared memory. Refused: no shared memory here. |\n",
        "| `seclabel` | no effect |  |  | Label. No effect: labels are the host's affair, not "
        "&lt;sample>'s. |\n",
        "| `ignored` | text |  |  | Ignored. No effect: nobody reads it. |\n",
        "\n## devices/disk\n\nA disk.\n\n",
        "| `source/@dev` | text |  | restart | Device. Only where `@type` is `block`. |\n",
        "| `@bus` | hexadecimal | at most 0xff | restart | Bus. Only where `@type` is `pci`. |\n",
        "| (its text) | text |  | restart | **Required.** The note. |\n",
        "## metadata/vk:policy\n\nPolicy.\n\nNamespace: `urn:sample:policy`.\n\n",
    };

    schema_document(&sample_schema, "", page);
    for (guint i = 0; i < G_N_ELEMENTS(lines); i++)
        if (!strstr(page->str, lines[i]))
            fail_msg("no line: %s\nin\n%s", lines[i], page->str);
}

static void
enum_values(void **state)
{
    assert_int_equal(enum_value(yes_no_names, "yes"), TRISTATE_ON);
    assert_int_equal(enum_value(yes_no_names, "no"), TRISTATE_OFF);
    assert_int_equal(enum_value(on_off_names, "off"), TRISTATE_OFF);
    assert_int_equal(enum_value(yes_no_names, "maybe"), 0);
    assert_int_equal(enum_value(yes_no_names, NULL), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(format_is_canonical),
        cmocka_unit_test(shared_members_are_written_once),
        cmocka_unit_test(order_depends_on_rows_alone),
        cmocka_unit_test(copies_are_deep),
        cmocka_unit_test(mistakes_are_reported_where_they_stand),
        cmocka_unit_test(garbage_ends_early),
        cmocka_unit_test(said_once),
        cmocka_unit_test(positions_are_known),
        cmocka_unit_test(unknown_positions_are_zero),
        cmocka_unit_test(changes_are_found),
        cmocka_unit_test(no_effect_does_not_count),
        cmocka_unit_test(values_have_texts),
        cmocka_unit_test(the_page_lists_every_row),
        cmocka_unit_test(enum_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
