/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a balloon is to leave its guest, by example: a table of documents and what QEMU says, and
 * the action or its absence.
 */
#include "reconcile/plan-balloon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/memory.h"
#include "reconcile/actual.h"
#include "reconcile/diff.h"
#include "reconcile/resolution.h"
#include "tests/reconcile/resolve-document.h"

#define MIB ((guint64) 1 << 20)
#define CURRENT(mib) "<currentMemory unit='MiB'>" mib "</currentMemory>"
#define SIZED(boot)                                                                                \
    "<maxMemory slots='4' unit='GiB'>8</maxMemory><features><acpi/></features>"                    \
    "<cpu><numa><cell id='0' cpus='0' unit='MiB' memory='" boot "'/></numa></cpu>"
#define DIMM                                                                                       \
    "<memory model='dimm'><target><size unit='MiB'>256</size><node>0</node></target></memory>\n"
#define VIRTIO_MEM                                                                                 \
    "<memory model='virtio-mem'><target><size unit='MiB'>512</size><node>0</node>"                 \
    "<block unit='MiB'>2</block><requested unit='MiB'>128</requested></target></memory>\n"
#define NONE "<memballoon model='none'/>\n"
#define PLAIN SIZED("1024"), ""
#define TOTAL(mib) "<memory unit='MiB'>" mib "</memory>"
#define DIMMED(head) head TOTAL("1280") SIZED("1024"), DIMM

typedef struct Example {
    const char *was_head, *was, *is_head, *is;
    guint64 actual;      /* MiB */
    const char *devices; /* that QEMU lists; NULL: nothing */
    guint64 asked;       /* MiB; by an open row */
    const char *plan;    /* "1024 to 768", with the drift's words behind it; "": no action */
    ChangeClass change;  /* of currentMemory; CHANGE_NONE also where it did not change */
} Example;

static const Example examples[] = {
    { PLAIN, PLAIN, 1024, NULL, 0, "", CHANGE_NONE },
    { PLAIN, CURRENT("768") PLAIN, 1024, NULL, 0, "1024 to 768", CHANGE_LIVE },
    { PLAIN, CURRENT("768") PLAIN, 900, NULL, 768, "900 to 768", CHANGE_LIVE },
    { PLAIN, CURRENT("768") PLAIN, 768, NULL, 768, "", CHANGE_LIVE },
    { CURRENT("768") PLAIN, CURRENT("896") PLAIN, 768, NULL, 0, "768 to 896", CHANGE_LIVE },
    { CURRENT("768") PLAIN, PLAIN, 768, NULL, 0, "768 to 1024", CHANGE_LIVE },
    /* at a start, on the way */
    { CURRENT("768") PLAIN, CURRENT("768") PLAIN, 1024, NULL, 768, "1024 to 768", CHANGE_NONE },
    /* somebody else's */
    { PLAIN, PLAIN, 512, NULL, 0, "512 to 1024 balloon0: currentMemory: is 512 MiB, not 1 GiB",
      CHANGE_NONE },
    /* a DIMM counts, once it is there, and until it has left */
    { PLAIN, DIMMED(""), 1024, "balloon0", 0, "", CHANGE_NONE },
    { DIMMED(""), DIMMED(CURRENT("1024")), 1280, "dimm0", 0, "1280 to 1024", CHANGE_LIVE },
    { CURRENT("768") PLAIN, DIMMED(CURRENT("1024")), 768, "balloon0", 0, "", CHANGE_NONE },
    { DIMMED(CURRENT("1024")), DIMMED(CURRENT("1024")), 1024, "dimm0", 0, "", CHANGE_NONE },
    { DIMMED(""), PLAIN, 1280, "dimm0", 0, "", CHANGE_NONE },
    { DIMMED(CURRENT("1024")), CURRENT("768") PLAIN, 1024, "dimm0", 0, "", CHANGE_NONE },
    /* one that is yet to come takes nothing from the guest's other memory */
    { PLAIN, DIMMED(CURRENT("1024")), 1024, "balloon0", 0, "", CHANGE_NONE },
    /* virtio-mem does not */
    { PLAIN, SIZED("1024"), VIRTIO_MEM, 1024, NULL, 0, "", CHANGE_NONE },
    { PLAIN, CURRENT("896") SIZED("1024"), VIRTIO_MEM, 1024, NULL, 0, "1024 to 896", CHANGE_LIVE },
    /* boot memory is the next start's */
    { PLAIN, SIZED("2048"), "", 1024, NULL, 0, "", CHANGE_RESTART },
    { PLAIN, CURRENT("1536") SIZED("2048"), "", 1024, NULL, 0, "", CHANGE_RESTART },
    { PLAIN, CURRENT("512") SIZED("2048"), "", 1024, NULL, 0, "1024 to 512", CHANGE_LIVE },
    /* no balloon, nothing to ask; one that goes with the next start stays as it is */
    { SIZED("1024"), NONE, CURRENT("512") SIZED("1024"), NONE, 0, NULL, 0, "", CHANGE_NONE },
    { CURRENT("768") PLAIN, CURRENT("512") SIZED("1024"), NONE, 768, NULL, 0, "", CHANGE_NONE },
};

static ChangeClass
class_of_current(const DomainPlan *plan)
{
    for (guint i = 0; i < plan->changes->len; i++) {
        const Change *change = plan->changes->pdata[i];

        if (g_str_equal(change->path, "currentMemory"))
            return change->class_;
    }
    return CHANGE_NONE;
}

static char *
balloon_text(const DomainPlan *plan)
{
    for (guint i = 0; i < plan->actions->len; i++) {
        const PlanAction *action = plan->actions->pdata[i];

        if (action->kind == PLAN_ACTION_SET_BALLOON)
            return g_strdup_printf("%" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT "%s%s",
                                   action->from / MIB, action->to / MIB, action->drift ? " " : "",
                                   action->drift ? action->drift : "");
    }
    return g_strdup("");
}

static void
check(const Example *example, guint number)
{
    g_autoptr(Spec) from = document_parse("q35", example->was_head, example->was);
    g_autoptr(Spec) to = document_parse("q35", example->is_head, example->is);
    g_autoptr(Domain) applied = document_resolve(from, NULL);
    g_autoptr(Domain) desired = document_resolve(to, applied);
    g_autoptr(Observed) observed = observed_new();
    PlanInput input = { .name = "web",
                        .desired = desired,
                        .applied = applied,
                        .observed = observed,
                        .balloon_asked = example->asked * MIB };
    g_autoptr(DomainPlan) plan = NULL;
    g_autofree char *text = NULL;

    observed->run_state = RUN_STATE_RUNNING;
    observed->has_balloon = example->actual > 0;
    observed->balloon_actual = example->actual * MIB;
    if (example->devices)
        g_ptr_array_add(observed->device_ids, g_strdup(example->devices));
    plan = plan_domain(&input);
    text = balloon_text(plan);
    if (strcmp(text, example->plan))
        fail_msg("example %u: '%s', not '%s'", number, text, example->plan);
    if (class_of_current(plan) != example->change)
        fail_msg("example %u: currentMemory is of class %s", number,
                 change_class_name(class_of_current(plan)));
    if (plan_balloon_is_done(plan, &input) && *text)
        fail_msg("example %u: done, and to be done", number);
}

static void
by_example(void **state)
{
    for (guint i = 0; i < G_N_ELEMENTS(examples); i++)
        check(&examples[i], i);
}

/* Pages of the balloon are of 4 KiB, those of a guest may be larger. */
static void
pages_are_whole(void **state)
{
    assert_true(plan_balloon_agrees(768 * MIB, 768 * MIB));
    assert_true(plan_balloon_agrees(768 * MIB + 4096, 768 * MIB));
    assert_true(plan_balloon_agrees(768 * MIB - 61440, 768 * MIB));
    assert_false(plan_balloon_agrees(768 * MIB + 65536, 768 * MIB));
}

/* Once the DIMM is there, its size is what <currentMemory> of the file leaves out: no drift. */
static void
a_dimm_is_left_out(void **state)
{
    g_autoptr(Spec) from = document_parse("q35", SIZED("1024"), "");
    g_autoptr(Spec) to = document_parse("q35", TOTAL("1280") CURRENT("1024") SIZED("1024"), DIMM);
    g_autoptr(Domain) applied = document_resolve(from, NULL);
    g_autoptr(Domain) desired = document_resolve(to, applied);
    g_autoptr(GPtrArray) changes = NULL;

    domain_take_device(applied, &memory_kind, desired->memories->pdata[0]);
    assert_int_equal(applied->current_memory.value, 1280 * MIB);
    changes = domain_diff(applied, desired, NULL);
    assert_true(diff_has(changes, CHANGE_LIVE));
    domain_drop_device(applied, "dimm0");
    assert_int_equal(applied->current_memory.value, 1024 * MIB);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_example),
        cmocka_unit_test(pages_are_whole),
        cmocka_unit_test(a_dimm_is_left_out),
    };

    return cmocka_run_group_tests_name("plan-balloon", tests, NULL, NULL);
}
