/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whatever JSON stands where virtkeep reads it: what a QEMU answers (`plan --observed`, which runs
 * what live answers run), saved plans, the records of a run directory, what the state keeps of a
 * memory move or of an emulator, a firmware's descriptor. One document is given to all of them.
 *
 * No crash, no leak, no overflow, and what is read is written as the same text again.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <unistd.h>

#include "model/capabilities.h"
#include "model/firmware.h"
#include "model/spec.h"
#include "qemu/companion-process.h"
#include "qemu/link-state.h"
#include "qemu/observe.h"
#include "qemu/threads.h"
#include "qemu/vcpu.h"
#include "reconcile/actual.h"
#include "reconcile/memory-step.h"
#include "reconcile/plan.h"
#include "reconcile/resolve.h"

#define NOW G_GINT64_CONSTANT(1782907200000000)
#define MIB ((guint64) 1 << 20)

/* A device of each kind that answers are read about. */
static const char document[] =
    "<domain type='qemu'><name>web-1</name>"
    "<uuid>1d2f5a60-0000-4000-8000-000000000001</uuid>"
    "<maxMemory slots='4' unit='GiB'>8</maxMemory><memory unit='GiB'>2</memory>"
    "<currentMemory unit='MiB'>512</currentMemory>"
    "<vcpu current='2'>4</vcpu><iothreads>2</iothreads>"
    "<os><type arch='x86_64' machine='q35'>hvm</type></os>"
    "<cpu><numa><cell id='0' cpus='0-3' memory='1' unit='GiB'/></numa></cpu>"
    "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>"
    "<disk type='file' device='cdrom'><source file='/media/a.iso'/>"
    "<target dev='sda' bus='sata'/><readonly/></disk>"
    "<disk type='file'><source file='/images/a.img'/><target dev='vda' bus='virtio'/></disk>"
    "<interface type='user'><mac address='52:54:00:12:34:56'/><model type='e1000'/></interface>"
    "<interface type='user'><mac address='52:54:00:12:34:57'/><model type='virtio'/></interface>"
    "<memory model='virtio-mem'><target><size unit='GiB'>1</size><node>0</node>"
    "<block unit='MiB'>2</block><requested unit='MiB'>%s</requested></target></memory>"
    "<memballoon model='virtio'/></devices></domain>";

static Domain *
make_domain(const char *requested_mib)
{
    g_auto(GStrv) parts = g_strsplit(document, "%s", 2);
    g_autofree char *xml = g_strjoinv(requested_mib, parts);
    g_autoptr(Spec) spec = spec_parse("web-1.xml", xml, strlen(xml));
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("web-1.xml");
    ResolveContext context = { .uuid_seed = "" };
    Domain *domain = spec_is_valid(spec)
                         ? resolve_domain(spec->domain, NULL, &context, NULL, diagnostics)
                         : NULL;

    g_assert_nonnull(domain);
    return domain;
}

static const Domain *
applied_domain(void)
{
    static Domain *domain;

    return domain ? domain : (domain = make_domain("128"));
}

static const Domain *
desired_domain(void)
{
    static Domain *domain;

    return domain ? domain : (domain = make_domain("512"));
}

/* ---- the value itself ---- */

static void
check_text(const Json *json)
{
    for (int is_pretty = 0; is_pretty < 2; is_pretty++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = json_format(json, is_pretty), *second = NULL;
        g_autoptr(Json) again = json_parse(text, -1, &error), copy = json_copy(json);

        if (!again)
            g_error("%s: %s", error->message, text);
        second = json_format(again, is_pretty);
        g_assert_cmpstr(text, ==, second);
        g_assert_true(json_equal(again, again) && json_equal(json, copy));
    }
}

/* ---- what a QEMU answers ---- */

static Plan *
make_plan(const Observed *observed)
{
    g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(Domain) actual = domain_actual(applied_domain(), observed, gone);
    Plan *plan = plan_new(NOW, PLAN_KEEP_BASES);
    PlanInput input = {
        .name = "web-1",
        .file = "web-1.xml",
        .desired = desired_domain(),
        .applied = actual ? actual : applied_domain(),
        .told = applied_domain(),
        .observed = observed,
        .policy = policy_default(),
        .now = NOW,
    };

    plan_add(plan, plan_domain(&input), &input, "digest");
    plan_finish(plan);
    return plan;
}

/* What else is asked, and of a QEMU whose process is this one. */
static void
check_other_answers(Monitor *monitor)
{
    g_autoptr(GPtrArray) slots = vcpu_slots_query(monitor, NULL), links = NULL;
    g_autoptr(GArray) threads = threads_query(monitor, getpid(), NULL);

    for (guint i = 0; slots && i < slots->len; i++) {
        g_autoptr(Json) tree = vcpu_tree(slots->pdata[i], i);
        g_autofree char *text = json_format(tree, false);
    }
    links = link_states_query(monitor, NULL);
}

/* A look, and the next one by what was seen. */
static void
check_answers(const Json *replies)
{
    g_autoptr(Monitor) monitor = monitor_new_recorded(replies, NULL);
    g_autoptr(Observed) observed = NULL, later = NULL, statistics = NULL;
    g_autoptr(Plan) plan = NULL;
    g_autoptr(Json) written = NULL;
    g_autofree char *uuid = NULL, *text = NULL;

    if (!monitor)
        return;
    uuid = monitor_query_uuid(monitor, NULL);
    check_other_answers(monitor);
    observed = observe(monitor, NOW, NULL);
    if (!observed)
        return;
    later = observe_memory(monitor, observed, NOW, NULL);
    statistics = observe_statistics(monitor, observed, "balloon0", NOW, NULL);
    for (guint i = 0; i < observed->memories->len; i++)
        g_assert_cmpuint(((ObservedMemory *) observed->memories->pdata[i])->block, >, 0);
    plan = make_plan(observed);
    written = plan_to_json(plan);
    text = json_format(written, true);
}

/* ---- what was kept ---- */

static void
check_saved_plan(const Json *json)
{
    g_autoptr(Plan) plan = plan_from_json(json, NULL), now = NULL;
    g_autoptr(Observed) off = observe_off(NOW);
    g_autoptr(Json) written = NULL;
    g_autofree char *staleness = NULL, *none = NULL;

    if (!plan)
        return;
    now = make_plan(off);
    staleness = plan_staleness(plan, now);
    none = plan_staleness(plan, plan);
    g_assert_null(none);
    written = plan_to_json(plan);
}

static void
check_process_record(const Json *json)
{
    g_autoptr(ProcessRecord) record = process_record_from_json(json);
    g_autoptr(Json) written = record ? process_record_to_json(record) : NULL;
    g_autoptr(ProcessRecord) again = written ? process_record_from_json(written) : NULL;

    g_assert_true(!record == !again);
}

static void
check_companion_record(const Json *json)
{
    g_autoptr(CompanionRecord) record = companion_record_from_json(json);
    g_autoptr(Json) written = record ? companion_record_to_json(record) : NULL;
    g_autoptr(CompanionRecord) again = written ? companion_record_from_json(written) : NULL;

    g_assert_true(!record == !again);
    g_assert_true(!record || record->argv[0]);
}

/* A guest that does as it is told, from where the state says the move is. */
static void
check_memory_step(const Json *json)
{
    MemoryStepState state = memory_step_state_from_json(json);
    Policy policy = policy_default();
    MemoryStepInput input = { .now = 50000000,
                              .generation = state.generation,
                              .target = 512 * MIB,
                              .block = 2 * MIB,
                              .max = 1024 * MIB,
                              .requested = state.requested % (1024 * MIB) / (2 * MIB) * (2 * MIB),
                              .current = state.current % (1024 * MIB) / (2 * MIB) * (2 * MIB),
                              .grant = MEMORY_STEP_UNLIMITED,
                              .is_running = true,
                              .guest_total = 2048 * MIB,
                              .has_balloon = true,
                              .statistics_at = 49500000,
                              .available = 800 * MIB };

    if (!state.is_begun)
        return;
    for (guint i = 0; i < 50; i++) {
        MemoryStepDecision decision = memory_step(&state, &input, &policy);
        g_autoptr(Json) written = memory_step_state_to_json(&decision.state);

        g_assert_cmpuint(decision.requested, <=, input.max);
        state = memory_step_state_from_json(written);
        g_assert_true(state.is_begun);
        if (decision.verb == MEMORY_STEP_VERB_SET)
            input.requested = input.current = decision.requested;
        input.now += 100000;
        input.statistics_at += 100000;
    }
}

static void
check_capabilities(const Json *json)
{
    g_autoptr(Capabilities) capabilities = capabilities_from_json(json, NULL);
    g_autoptr(Json) written = capabilities ? capabilities_to_json(capabilities) : NULL;
    g_autoptr(Capabilities) again = written ? capabilities_from_json(written, NULL) : NULL;

    g_assert_true(!capabilities == !again);
}

static void
check_all(const Json *json)
{
    g_autoptr(FirmwareImage) image = firmware_image_from_json(json);

    check_answers(json);
    check_saved_plan(json);
    check_process_record(json);
    check_companion_record(json);
    check_memory_step(json);
    check_capabilities(json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(Json) json = json_parse((const char *) data, (gssize) size, NULL);

    if (!json)
        return 0;
    check_text(json);
    check_all(json);
    /* A recording: the answers of its first domain. */
    check_answers(json_get(json_at(json_get(json, "domains"), 0), "qmp"));
    return 0;
}
