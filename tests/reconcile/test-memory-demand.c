/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a domain takes of the host's memory, by example: documents, what QEMU says, and the claims,
 * one line each:
 *
 *     DEVICE PAGES NODES REQUESTED/CURRENT of WANTED, GUARANTEED
 *
 * in MiB, nodes as hex bits; pages 0 are ordinary.
 */
#include "reconcile/memory-demand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/reconcile/resolve-document.h"

#define MIB ((guint64) 1 << 20)

#define MAX_MEMORY                                                                                 \
    "<maxMemory slots='4' unit='GiB'>8</maxMemory><features><acpi/></features>"                    \
    "<cpu><numa><cell id='0' cpus='0' unit='MiB' memory='1024'/></numa></cpu>"
#define TWO_CELLS                                                                                  \
    "<maxMemory slots='4' unit='GiB'>8</maxMemory><features><acpi/></features><vcpu>2</vcpu>"      \
    "<cpu><numa><cell id='0' cpus='0' unit='MiB' memory='768'/>"                                   \
    "<cell id='1' cpus='1' unit='MiB' memory='512'/></numa></cpu>"
#define HUGE "<memoryBacking><hugepages/></memoryBacking>"
#define HUGE_OF(pages) "<memoryBacking><hugepages>" pages "</hugepages></memoryBacking>"
#define NODES(what) "<numatune>" what "</numatune>"
#define DIMM(inside)                                                                               \
    "<memory model='dimm'>" inside                                                                 \
    "<target><size unit='MiB'>256</size><node>0</node></target></memory>\n"
#define NVDIMM(inside)                                                                             \
    "<memory model='nvdimm'><source><path>/dev/null</path>" inside                                 \
    "</source><target><size unit='MiB'>128</size><node>0</node></target></memory>\n"
#define VIRTIO_MEM(requested)                                                                      \
    "<memory model='virtio-mem'><target><size unit='MiB'>512</size><node>0</node>"                 \
    "<block unit='MiB'>4</block><requested unit='MiB'>" requested "</requested></target></memory>" \
    "\n"

typedef struct Example {
    const char *what;
    const char *was_head, *was; /* applied; NULL: no QEMU */
    const char *is_head, *is;   /* desired; NULL: no file */
    const char *devices;        /* that QEMU lists; NULL: nothing is listed */
    guint64 requested, current; /* MiB; of virtiomem0, if there is one */
    guint64 actual, asked;      /* MiB; of the balloon; 0: none */
    guint64 guarantee;          /* MiB */
    MemoryBalloon balloon;
    const char *claims;
} Example;

static const Example examples[] = {
    { "a start", .is_head = NULL, .is = "",
      .claims = "qemu 0 0 0/0 of 64, 0\n"
                "boot 0 0 0/0 of 1024, 0\n" },
    { "a start with devices: a block device by blocks, from nothing", .is_head = MAX_MEMORY,
      .is = VIRTIO_MEM("128") DIMM(""),
      .claims = "qemu 0 0 0/0 of 64, 0\n"
                "boot 0 0 0/0 of 1024, 0\n"
                "dimm0 0 0 0/0 of 256, 0\n"
                "virtiomem0 0 0 0/0 of 128, 0\n" },
    { "a guarantee goes to boot memory, DIMMs, then blocks, as far as they go",
      .is_head = MAX_MEMORY, .is = VIRTIO_MEM("0") DIMM(""), .guarantee = 1024 + 256 + 130,
      .claims = "qemu 0 0 0/0 of 64, 0\n"
                "boot 0 0 0/0 of 1024, 1024\n"
                "dimm0 0 0 0/0 of 256, 256\n"
                "virtiomem0 0 0 0/0 of 0, 128\n" },
    { "more than all of it", .is_head = MAX_MEMORY, .is = VIRTIO_MEM("0"), .guarantee = 100000,
      .claims = "qemu 0 0 0/0 of 64, 0\n"
                "boot 0 0 0/0 of 1024, 1024\n"
                "virtiomem0 0 0 0/0 of 0, 512\n" },
    { "less than boot memory", .is = "", .guarantee = 100,
      .claims = "qemu 0 0 0/0 of 64, 0\n"
                "boot 0 0 0/0 of 1024, 100\n" },

    /* pages */
    { "huge pages of the default size", .is_head = HUGE, .is = "",
      .claims = "qemu 0 0 0/0 of 64, 0\n"
                "boot 2 0 0/0 of 1024, 0\n" },
    { "by guest node, and one cell alone; whole pages of the larger",
      .is_head = HUGE_OF("<page size='1' unit='GiB' nodeset='0'/>"
                         "<page size='2' unit='MiB'/>") TWO_CELLS,
      .is = DIMM("<source><pagesize unit='KiB'>4</pagesize></source>"),
      .claims = "qemu 0 0 0/0 of 64, 0\n"
                "boot-node0 1024 0 0/0 of 1024, 0\n"
                "boot-node1 2 0 0/0 of 512, 0\n"
                "dimm0 0 0 0/0 of 256, 0\n" },
    { "a device's own", .is_head = MAX_MEMORY,
      .is = DIMM("<source><pagesize unit='MiB'>2</pagesize></source>"),
      .claims = "qemu 0 0 0/0 of 64, 0\n"
                "boot 0 0 0/0 of 1024, 0\n"
                "dimm0 2 0 0/0 of 256, 0\n" },

    /* nodes */
    { "bound to a node, QEMU as well", .is_head = NODES("<memory mode='strict' nodeset='1'/>"),
      .is = "",
      .claims = "qemu 0 2 0/0 of 64, 0\n"
                "boot 0 2 0/0 of 1024, 0\n" },
    { "to several", .is_head = NODES("<memory nodeset='0-1,3'/>"), .is = "",
      .claims = "qemu 0 b 0/0 of 64, 0\n"
                "boot 0 b 0/0 of 1024, 0\n" },
    { "preferred, interleaved and restrictive bind nothing",
      .is_head = NODES("<memory mode='preferred' nodeset='1'/>"), .is = "",
      .claims = "qemu 0 0 0/0 of 64, 0\n"
                "boot 0 0 0/0 of 1024, 0\n" },
    { "", .is_head = NODES("<memory mode='interleave' nodeset='0-1'/>"), .is = "",
      .claims = "qemu 0 0 0/0 of 64, 0\n"
                "boot 0 0 0/0 of 1024, 0\n" },
    { "", .is_head = NODES("<memory mode='restrictive' nodeset='1'/>"), .is = "",
      .claims = "qemu 0 0 0/0 of 64, 0\n"
                "boot 0 0 0/0 of 1024, 0\n" },
    { "a node without a bit", .is_head = NODES("<memory mode='strict' nodeset='64'/>"), .is = "",
      .claims = "qemu 0 0 0/0 of 64, 0\n"
                "boot 0 0 0/0 of 1024, 0\n" },
    { "cells of their own, and a device's own",
      .is_head = NODES("<memory mode='strict' nodeset='0-2'/>"
                       "<memnode cellid='1' mode='strict' nodeset='1'/>") TWO_CELLS,
      .is = DIMM("<source><nodemask>2</nodemask></source>"),
      .claims = "qemu 0 7 0/0 of 64, 0\n"
                "boot-node0 0 7 0/0 of 768, 0\n"
                "boot-node1 0 2 0/0 of 512, 0\n"
                "dimm0 0 4 0/0 of 256, 0\n" },
    { "a cell that is only preferred",
      .is_head = NODES("<memory mode='strict' nodeset='0'/>"
                       "<memnode cellid='1' mode='preferred' nodeset='1'/>") TWO_CELLS,
      .is = "",
      .claims = "qemu 0 1 0/0 of 64, 0\n"
                "boot-node0 0 1 0/0 of 768, 0\n"
                "boot-node1 0 0 0/0 of 512, 0\n" },

    /* NVDIMMs: a file's content in memory counts, persistent memory is there already */
    { "NVDIMMs", .is_head = HUGE MAX_MEMORY, .is = NVDIMM("") NVDIMM("<pmem/>"),
      .claims = "qemu 0 0 0/0 of 64, 0\n"
                "boot 2 0 0/0 of 1024, 0\n"
                "nvdimm0 0 0 0/0 of 128, 0\n" },

    /* what runs */
    { "as the file says", .was_head = MAX_MEMORY, .was = VIRTIO_MEM("128") DIMM(""),
      .is_head = MAX_MEMORY, .is = VIRTIO_MEM("128") DIMM(""), .devices = "dimm0 virtiomem0",
      .requested = 128, .current = 128,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 1024/1024 of 1024, 0\n"
                "dimm0 0 0 256/256 of 256, 0\n"
                "virtiomem0 0 0 128/128 of 128, 0\n" },
    { "growing, and shrinking: the figures of the device",
      .was_head = MAX_MEMORY, .was = VIRTIO_MEM("128"), .is_head = MAX_MEMORY,
      .is = VIRTIO_MEM("500"), .requested = 132, .current = 64,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 1024/1024 of 1024, 0\n"
                "virtiomem0 0 0 132/64 of 500, 0\n" },
    { "boot memory is the next start's",
      .was_head = "<currentMemory unit='MiB'>1024</currentMemory>", .was = "", .is_head = TWO_CELLS,
      .is = "",
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 1024/1024 of 1024, 0\n" },
    { "a DIMM that is to come", .was_head = MAX_MEMORY, .was = "", .is_head = MAX_MEMORY,
      .is = DIMM(""), .devices = "balloon0",
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 1024/1024 of 1024, 0\n"
                "dimm0 0 0 0/0 of 256, 0\n" },
    { "one that came, of which nothing was recorded before a crash", .was_head = MAX_MEMORY,
      .was = "", .is_head = MAX_MEMORY, .is = DIMM(""), .devices = "balloon0 dimm0",
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 1024/1024 of 1024, 0\n"
                "dimm0 0 0 256/256 of 256, 0\n" },
    { "one that is to go is held until it has", .was_head = MAX_MEMORY, .was = DIMM(""),
      .is_head = MAX_MEMORY, .is = "", .devices = "dimm0", .guarantee = 2048,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 1024/1024 of 1024, 1024\n"
                "dimm0 0 0 256/256 of 0, 0\n" },
    { "and gone then", .was_head = MAX_MEMORY, .was = DIMM(""), .is_head = MAX_MEMORY, .is = "",
      .devices = "balloon0",
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 1024/1024 of 1024, 0\n" },
    { "a virtio-mem device that the file dropped stays until the restart", .was_head = MAX_MEMORY,
      .was = VIRTIO_MEM("128"), .is_head = MAX_MEMORY, .is = "", .requested = 128, .current = 132,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 1024/1024 of 1024, 0\n"
                "virtiomem0 0 0 128/132 of 128, 0\n" },
    { "no file: all of it stays as it is", .was_head = MAX_MEMORY,
      .was = VIRTIO_MEM("128") DIMM(""), .devices = "dimm0 virtiomem0", .requested = 64,
      .current = 128,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 1024/1024 of 1024, 0\n"
                "dimm0 0 0 256/256 of 256, 0\n"
                "virtiomem0 0 0 64/128 of 64, 0\n" },

    /* the balloon */
    { "counts in full unless told otherwise",
      .was_head = "<currentMemory unit='MiB'>512</currentMemory>", .was = "",
      .is_head = "<currentMemory unit='MiB'>512</currentMemory>", .is = "", .actual = 512,
      .balloon = BALLOON_WHOLE,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 1024/1024 of 1024, 0\n" },
    { "by what it leaves; a start takes all of it first",
      .is_head = "<currentMemory unit='MiB'>512</currentMemory>", .is = "",
      .balloon = BALLOON_CURRENT,
      .claims = "qemu 0 0 0/0 of 64, 0\n"
                "boot 0 0 0/0 of 1024, 0\n" },
    { "inflating: what it is asked for, and what it left so far",
      .was_head = "<currentMemory unit='MiB'>512</currentMemory>", .was = "",
      .is_head = "<currentMemory unit='MiB'>512</currentMemory>", .is = "", .actual = 800,
      .asked = 512, .balloon = BALLOON_CURRENT, .guarantee = 2048,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 512/800 of 512, 1024\n" },
    { "to deflate: wanted before it is asked",
      .was_head = "<currentMemory unit='MiB'>512</currentMemory>", .was = "", .is_head = "",
      .is = "", .actual = 512, .balloon = BALLOON_CURRENT,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 512/512 of 1024, 0\n" },
    { "QEMU counts DIMMs in it, and no virtio-mem",
      .was_head = MAX_MEMORY "<currentMemory unit='MiB'>1000</currentMemory>",
      .was = DIMM("") VIRTIO_MEM("128"),
      .is_head = MAX_MEMORY "<currentMemory unit='MiB'>1000</currentMemory>",
      .is = DIMM("") VIRTIO_MEM("128"), .devices = "dimm0 virtiomem0", .requested = 128,
      .current = 128, .actual = 1000, .balloon = BALLOON_CURRENT,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 744/744 of 744, 0\n"
                "dimm0 0 0 256/256 of 256, 0\n"
                "virtiomem0 0 0 128/128 of 128, 0\n" },
    { "cells of one pool: from the last on",
      .was_head = TWO_CELLS "<currentMemory unit='MiB'>700</currentMemory>", .was = "",
      .is_head = TWO_CELLS "<currentMemory unit='MiB'>700</currentMemory>", .is = "", .actual = 700,
      .balloon = BALLOON_CURRENT,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot-node0 0 0 700/700 of 700, 0\n"
                "boot-node1 0 0 0/0 of 0, 0\n" },
    { "of two pools: nobody knows which",
      .was_head = NODES("<memnode cellid='0' mode='strict' nodeset='0'/>"
                        "<memnode cellid='1' mode='strict' nodeset='1'/>") TWO_CELLS
      "<currentMemory unit='MiB'>700</currentMemory>",
      .was = "", .actual = 700, .balloon = BALLOON_CURRENT,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot-node0 0 1 768/768 of 768, 0\n"
                "boot-node1 0 2 512/512 of 512, 0\n" },
    { "QEMU frees no huge pages", .was_head = HUGE "<currentMemory unit='MiB'>700</currentMemory>",
      .was = "", .actual = 700, .balloon = BALLOON_CURRENT,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 2 0 1024/1024 of 1024, 0\n" },
    { "nor what is locked",
      .was_head = "<memoryBacking><locked/></memoryBacking>"
                  "<memtune><hard_limit unit='GiB'>2</hard_limit></memtune>",
      .was = "", .actual = 700, .balloon = BALLOON_CURRENT,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 1024/1024 of 1024, 0\n" },
    { "nor what a device of the host may reach",
      .was = "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='6' slot='2' "
             "function='0'/></source></hostdev>\n",
      .actual = 700, .balloon = BALLOON_CURRENT,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 1024/1024 of 1024, 0\n" },
    { "no file: as it is", .was_head = "<currentMemory unit='MiB'>512</currentMemory>", .was = "",
      .actual = 600, .balloon = BALLOON_CURRENT,
      .claims = "qemu 0 0 64/64 of 64, 0\n"
                "boot 0 0 600/600 of 600, 0\n" },
};

static char *
claims_text(const GPtrArray *claims)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];

        g_string_append_printf(
            text,
            "%s %" G_GUINT64_FORMAT " %" G_GINT64_MODIFIER "x %" G_GUINT64_FORMAT
            "/%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT "\n",
            claim->device, claim->page_size / MIB, claim->nodes, claim->requested / MIB,
            claim->current / MIB, claim->wanted / MIB, claim->guaranteed / MIB);
    }
    return g_string_free(text, FALSE);
}

static void
observe_virtio_mem(Observed *observed, const char *id, const Example *example)
{
    ObservedMemory *memory = g_new0(ObservedMemory, 1);

    memory->id = g_strdup(id);
    memory->block = 4 * MIB;
    memory->max = 512 * MIB;
    memory->requested = example->requested * MIB;
    memory->current = example->current * MIB;
    g_ptr_array_add(observed->memories, memory);
}

static Observed *
observe(const Example *example)
{
    Observed *observed = observed_new();
    g_auto(GStrv) devices = example->devices ? g_strsplit(example->devices, " ", -1) : NULL;

    observed->run_state = example->was ? RUN_STATE_RUNNING : RUN_STATE_OFF;
    observed->has_balloon = example->actual != 0;
    observed->balloon_actual = example->actual * MIB;
    for (guint i = 0; devices && devices[i]; i++)
        g_ptr_array_add(observed->device_ids, g_strdup(devices[i]));
    if (example->was && strstr(example->was, "virtio-mem"))
        observe_virtio_mem(observed, "virtiomem0", example);
    return observed;
}

static const MemoryDemandFacts facts = { .qemu_overhead = 64 * MIB,
                                         .page_size = 4096,
                                         .default_huge_page = 2 * MIB };

static void
check(const Example *example)
{
    g_autoptr(Spec) from =
        example->was ? document_parse("q35", example->was_head, example->was) : NULL;
    g_autoptr(Spec) to = example->is ? document_parse("q35", example->is_head, example->is) : NULL;
    g_autoptr(Domain) applied = from ? document_resolve(from, NULL) : NULL;
    g_autoptr(Domain) desired = to ? document_resolve(to, applied) : NULL;
    g_autoptr(Observed) observed = observe(example);
    PlanInput input = { .name = "web",
                        .desired = desired,
                        .applied = applied,
                        .observed = observed,
                        .policy = policy_default(),
                        .balloon_asked = example->asked * MIB };
    g_autoptr(GPtrArray) claims = NULL;
    g_autofree char *text = NULL;

    input.policy.memory_guarantee = example->guarantee * MIB;
    input.policy.memory_balloon = example->balloon ? example->balloon : BALLOON_WHOLE;
    input.policy.memory_priority = 7;
    claims = memory_demand(&input, &facts);
    text = claims_text(claims);
    if (strcmp(text, example->claims))
        fail_msg("%s:\n%snot\n%s", example->what, text, example->claims);
    for (guint i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];

        assert_string_equal(claim->domain, "web");
        assert_int_equal(claim->priority, 7);
        assert_int_equal(claim->is_running, example->was != NULL);
        assert_int_equal(claim->block, g_str_has_prefix(claim->device, "virtiomem") ? 4 * MIB : 0);
        assert_int_equal(claim->granted, 0);
    }
}

static void
test_examples(void **state)
{
    for (guint i = 0; i < G_N_ELEMENTS(examples); i++)
        check(&examples[i]);
}

/* Nothing is known of a QEMU that does not answer, and nothing of a domain without all. */
static void
test_nothing_to_count(void **state)
{
    g_autoptr(Observed) observed = observed_new();
    PlanInput input = { .name = "web", .observed = observed, .policy = policy_default() };
    g_autoptr(GPtrArray) claims = memory_demand(&input, &facts);

    assert_int_equal(claims->len, 0);
    observed->run_state = RUN_STATE_UNREACHABLE;
    assert_null(memory_demand(&input, &facts));
}

/* A QEMU whose record was lost: what it says itself. */
static void
test_unknown_qemu(void **state)
{
    const Example example = { .requested = 64, .current = 32 };
    g_autoptr(Observed) observed = observed_new();
    PlanInput input = { .name = "web", .observed = observed, .policy = policy_default() };
    g_autoptr(GPtrArray) claims = NULL;
    g_autofree char *text = NULL;

    observed->run_state = RUN_STATE_RUNNING;
    observed->has_balloon = true;
    observed->balloon_actual = 1024 * MIB;
    observe_virtio_mem(observed, "other", &example);
    claims = memory_demand(&input, &facts);
    text = claims_text(claims);
    assert_string_equal(text, "qemu 0 0 64/64 of 64, 0\n"
                              "boot 0 0 1024/1024 of 1024, 0\n"
                              "other 0 0 64/32 of 64, 0\n");
}

static void
test_no_overhead(void **state)
{
    const MemoryDemandFacts none = { .page_size = 4096 };
    g_autoptr(Spec) spec = document_parse("q35", NULL, "");
    g_autoptr(Domain) desired = document_resolve(spec, NULL);
    g_autoptr(Observed) observed = observed_new();
    PlanInput input = {
        .name = "web", .desired = desired, .observed = observed, .policy = policy_default()
    };
    g_autoptr(GPtrArray) claims = memory_demand(&input, &none);

    assert_int_equal(claims->len, 1);
    assert_string_equal(((MemoryClaim *) claims->pdata[0])->device, MEMORY_CLAIM_BOOT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_nothing_to_count),
        cmocka_unit_test(test_unknown_qemu),
        cmocka_unit_test(test_no_overhead),
    };

    return cmocka_run_group_tests_name("memory-demand", tests, NULL, NULL);
}
