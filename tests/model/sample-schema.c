/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables of the sample. Each row is here for something that a test asks: a row is
 * mentioned late (target/block after alias) so that order can go wrong, two rows share a path,
 * a member without effect, a namespace within a raw element.
 */
#include "tests/model/sample-schema.h"

static const char *const disk_type_names[] = { NULL, "file", "block", "network", NULL };
static const char *const address_type_names[] = { NULL, "pci", "drive", NULL };
static const char *const importance_names[] = { NULL, "low", "high", NULL };
static const char *const sample_type_names[] = { NULL, "small", "large", NULL };

#define ADDRESS(value) WHEN(SampleAddress, type, "@type", WHEN_IS(value))
static const Field address_fields[] = {
    FIELD_ENUM(SampleAddress, type, address_type_names, .path = "@type", .is_required = true,
               .doc = "Kind of address."),
    FIELD_HEX(SampleAddress, bus, .path = "@bus", .max = 0xff, ADDRESS(SAMPLE_PCI), .doc = "Bus."),
    FIELD_UINT(SampleAddress, bus, .path = "@bus", .max = 7, ADDRESS(SAMPLE_DRIVE), .doc = "Bus."),
    FIELD_END,
};
static const Schema address_schema_ = { .element = "address",
                                        .size = sizeof(SampleAddress),
                                        .fields = address_fields,
                                        .doc = "An address." };

static const Field host_fields[] = {
    FIELD_STRING(SampleHost, name, .path = "@name", .is_required = true, .doc = "Its name."),
    FIELD_UINT(SampleHost, port, .path = "@port", .min = 1, .max = 65535, .change = CHANGE_LIVE,
               .doc = "Its port."),
    FIELD_END,
};
static const Schema host_schema = {
    .element = "host", .size = sizeof(SampleHost), .fields = host_fields, .doc = "A host."
};

#define ONLY(value) WHEN(SampleDisk, type, "@type", WHEN_IS(value))
static const Field disk_fields[] = {
    FIELD_ENUM(SampleDisk, type, disk_type_names, .path = "@type", .is_required = true,
               .doc = "What the source is."),
    FIELD_STRING(SampleDisk, file, .path = "source/@file", ONLY(SAMPLE_FILE), .doc = "Path."),
    FIELD_STRING(SampleDisk, dev, .path = "source/@dev", ONLY(SAMPLE_BLOCK), .doc = "Device."),
    FIELD_LIST(SampleDisk, hosts, &host_schema, .path = "source/host", ONLY(SAMPLE_NETWORK),
               .doc = "Servers."),
    FIELD_STRING(SampleDisk, target, .path = "target/@dev", .is_required = true,
                 .change = CHANGE_IDENTITY, .doc = "Name."),
    FIELD_FLAG(SampleDisk, is_read_only, .path = "readonly", .doc = "No writes."),
    FIELD_SIZE(SampleDisk, block, .path = "target/block", .min = 512, .doc = "Block size."),
    FIELD_STRUCT(SampleDisk, address, &address_schema_, .path = "address", .doc = "Address."),
    FIELD_END,
};

static char *
disk_key(gconstpointer item)
{
    return g_strdup(((const SampleDisk *) item)->target);
}

static const Schema disk_schema_ = { .element = "disk",
                                     .size = sizeof(SampleDisk),
                                     .fields = disk_fields,
                                     .doc = "A disk.",
                                     .key = disk_key };

static const Field cell_fields[] = {
    FIELD_UINT(SampleCell, id, .path = "@id", .doc = "Number."),
    FIELD_SIZE(SampleCell, memory, .path = "@memory", .doc = "Memory."),
    FIELD_SIZE(SampleCell, cache, .path = "@cache", .doc = "Cache."),
    FIELD_CPUSET(SampleCell, cpus, .path = "@cpus", .doc = "CPUs."),
    FIELD_END,
};
static const Schema cell_schema = {
    .element = "cell", .size = sizeof(SampleCell), .fields = cell_fields, .doc = "A cell."
};

static const Field note_fields[] = {
    FIELD_STRING(SampleNote, text, .path = ".", .is_required = true, .doc = "The note."),
    FIELD_ENUM(SampleNote, importance, importance_names, .path = "@importance", .doc = "How much."),
    FIELD_END,
};
static const Field label_fields[] = {
    FIELD_REFUSED("labels are not printed", .path = ".", .doc = "The label."),
    FIELD_END,
};
static const Schema label_schema = { .element = "label", .size = 1, .fields = label_fields };
static const Schema note_schema = {
    .element = "note", .size = sizeof(SampleNote), .fields = note_fields, .doc = "A note."
};

static const Field policy_fields[] = {
    FIELD_STRING(SamplePolicy, strategy, .path = "@strategy", .doc = "Strategy."),
    FIELD_UINT(SamplePolicy, timeout, .path = "timeout", .doc = "Seconds."),
    FIELD_END,
};
static const Schema policy_schema = { .element = "policy",
                                      .namespace_ = "urn:sample:policy",
                                      .size = sizeof(SamplePolicy),
                                      .fields = policy_fields,
                                      .doc = "Policy." };
/* For a refused row in a namespace: it only says which. */
static const Field no_fields[] = { FIELD_END };
static const Schema extension_schema = {
    .element = "extension", .namespace_ = "urn:sample:extension", .size = 1, .fields = no_fields
};

static const Field sample_fields[] = {
    FIELD_ENUM(Sample, type, sample_type_names, .path = "@type", .doc = "Type."),
    { .path = "@id", .type = TYPE_NONE, .is_output = true, .doc = "Number of the running one." },
    FIELD_STRING(Sample, name, .path = "name", .is_required = true, .change = CHANGE_IDENTITY,
                 .doc = "Name."),
    FIELD_UUID(Sample, uuid, .path = "uuid", .doc = "UUID."),
    FIELD_MAC(Sample, mac, .path = "mac/@address", .doc = "MAC."),
    FIELD_STRING(Sample, title, .path = "title", .change = CHANGE_NONE, .doc = "A | title."),
    FIELD_STRING(Sample, ignored, .path = "ignored", .no_effect = "nobody reads it",
                 .doc = "Ignored."),
    FIELD_RAW(Sample, metadata, .path = "metadata", .change = CHANGE_NONE, .doc = "Anything."),
    FIELD_STRUCT(Sample, policy, &policy_schema, .path = "metadata/vk:policy", .doc = "Policy."),
    FIELD_SIZE(Sample, memory, .path = "memory", .change = CHANGE_LIVE, .doc = "Memory."),
    FIELD_ON_OFF(Sample, dump_core, .path = "memory/@dumpCore", .doc = "In core dumps."),
    FIELD_SIZE(Sample, limit, .path = "tune/limit", .unit = 1, .doc = "Bytes a second."),
    FIELD_FRACTION(Sample, rate, .path = "clock/@rate", .doc = "Rate."),
    FIELD_INT(Sample, offset, .path = "clock/offset", .min = (guint64) -10, .max = 10,
              .doc = "Offset."),
    FIELD_HEX(Sample, port, .path = "clock/@port", .doc = "Port."),
    FIELD_LIST(Sample, cells, &cell_schema, .path = "cpu/cell", .doc = "Cells."),
    FIELD_LIST(Sample, disks, &disk_schema_, .path = "devices/disk", .doc = "Disks."),
    FIELD_LIST(Sample, labels, &label_schema, .path = "devices/label", .doc = "Labels."),
    FIELD_LIST(Sample, notes, &note_schema, .path = "devices/note", .doc = "Notes."),
    { .path = "devices/slot", .type = TYPE_NONE, .doc = "Only named." },
    FIELD_REFUSED("no shared memory here", .path = "devices/shmem", .doc = "Shared memory."),
    FIELD_NO_EFFECT("labels are the host's affair, not <sample>'s", .path = "seclabel",
                    .doc = "Label."),
    FIELD_REFUSED("extensions are not known", .path = "x:extension", .schema = &extension_schema,
                  .doc = "Extension."),
    FIELD_END,
};

const Schema sample_schema = {
    .element = "sample",
    .size = sizeof(Sample),
    .fields = sample_fields,
    .doc = "A sample.",
};
