/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A random walk: one file is edited again and again, each time to some other set of devices and
 * live fields, and a pass is made after each, over a real QEMU that runs no system. Whatever the
 * edits, the next plan is empty, the QEMU is the same, and once everything that came has gone
 * QEMU has nothing that it had not at first: no block node, chardev, netdev, object, descriptor.
 *
 *     edit ── passes ──> asked to leave? ── reset, for the guest that would let go ──> … ──> plan:
 * none
 *
 * The seed is printed; VIRTKEEP_WALK_SEED repeats a walk. CI walks the same share of the way each
 * time; VIRTKEEP_WALK=2000 walks as long a way as that, from a seed of its own each time.
 */
#include "controller/pass.h"
#include "controller/site.h"
#include "tests/qemu/walk-slots.h"
#include "tests/support/deadline.h"
#include "tests/support/programs.h"
#include "tests/support/qemus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define N_EDITS 120 /* on each machine */
#define FIXED_SEED 20261124
#define PATIENCE 240 /* seconds, for one edit */
#define MOST_FLIPS 4

/* ---- the walk ---- */

typedef struct Walk {
    Scratch *scratch;
    SiteSetup *setup;
    DirectoryCache *cache;
    GRand *rand;
    const char *machine;
    guint32 seed;
    guint *chosen; /* of each slot */
    char *identity;
    char *left;   /* what QEMU had at first, as text */
    char *opened; /* and what it had open */
    guint n_descriptors;
} Walk;

static void
write_file(const Walk *walk)
{
    g_autofree char *xml = walk_file_text(walk->machine, walk->chosen, scratch_dir(walk->scratch));

    g_free(scratch_write(walk->scratch, "domains/walk.xml", xml));
}

/* The walk stops here, and says where it was. */
static void G_GNUC_NORETURN
lose(const Walk *walk, guint step, const char *what, const char *detail)
{
    g_autofree char *xml = scratch_read(walk->scratch, "domains/walk.xml");

    fprintf(stderr, "%s, seed %u, edit %u: %s: %s\n%s\n", walk->machine, walk->seed, step, what,
            detail ? detail : "", xml);
    fail();
    abort();
}

static void
rescan(Walk *walk, guint step)
{
    SiteSetup *setup = walk->setup;
    g_autoptr(GError) error = NULL;
    DirectoryScan *scan = site_scan(setup->config, setup->store, walk->cache, &error);

    if (!scan)
        lose(walk, step, "scan", error->message);
    directory_scan_unref(setup->scan);
    setup->scan = scan;
    setup->site.scan = scan;
}

static Plan *
make_plan(const Walk *walk, guint step)
{
    static const char *const names[] = { "walk", NULL };
    g_autoptr(GError) error = NULL;
    Plan *plan = site_plan(&walk->setup->site, names, PLAN_KEEP_NOTHING, NULL, &error);

    if (!plan)
        lose(walk, step, "plan", error->message);
    return plan;
}

/* What is left, a line each. Caller frees. */
static char *
plan_text(const DomainPlan *plan)
{
    GString *text = g_string_new(plan->reason);

    for (guint i = 0; i < plan->changes->len; i++) {
        const Change *change = plan->changes->pdata[i];

        g_string_append_printf(text, "\n%s (%s)", change->path, change_class_name(change->class_));
    }
    for (guint i = 0; i < plan->actions->len; i++) {
        const PlanAction *action = plan->actions->pdata[i];

        g_string_append_printf(text, "\n> %s %s", plan_action_name(action->kind),
                               action->device ? action->device : "");
    }
    return g_string_free(text, FALSE);
}

/* ---- what a guest would do ---- */

static void
do_as_guest(const Walk *walk, const char *command)
{
    Json *arguments = json_new_object();

    json_set_string(arguments, "command-line", command);
    json_free(qemu_ask(walk->scratch, "walk", "human-monitor-command", arguments));
}

/* By ACPI: the selector of the memory hotplug ports, then its eject bit (QEMU,
 * docs/specs/acpi_mem_hotplug). */
static void
eject_dimms(const Walk *walk, const DomainPlan *plan)
{
    for (guint i = 0; i < plan->leaving->len; i++) {
        const char *id = plan->leaving->pdata[i];
        g_autofree char *select = NULL;

        if (!g_str_has_prefix(id, "dimm"))
            continue;
        select = g_strdup_printf("o /w 0xa00 %s", id + strlen("dimm"));
        do_as_guest(walk, select);
        do_as_guest(walk, "o /b 0xa14 8");
    }
}

/* Whether it was asked to. A reset is enough for all PCI devices that were asked for. */
static bool
let_go(const Walk *walk, const DomainPlan *plan)
{
    if (plan->next_unplug == G_MAXINT64)
        return false;
    eject_dimms(walk, plan);
    json_free(qemu_ask(walk->scratch, "walk", "system_reset", NULL));
    return true;
}

/* Blocks and pages are moved by drivers, and there are none: what is asked for is all there can be.
 */
static bool
is_asked_only(const DomainPlan *plan)
{
    for (guint i = 0; i < plan->changes->len; i++) {
        const Change *change = plan->changes->pdata[i];

        if (change->class_ != CHANGE_NONE && !g_str_equal(change->path, "currentMemory"))
            return false;
    }
    for (guint i = 0; i < plan->actions->len; i++) {
        PlanActionKind kind = ((const PlanAction *) plan->actions->pdata[i])->kind;

        if (kind != PLAN_ACTION_SET_MEMORY && kind != PLAN_ACTION_SET_BALLOON)
            return false;
    }
    return plan->actions->len > 0;
}

/* A reset closes trays, also one that was opened a moment before: the next pass opens it again. */
static bool
is_tray_closed(const PassResult *result)
{
    return strstr(result->reason, "Tray of device") && strstr(result->reason, "is not open");
}

/* Passes until there is nothing left to do. */
static void
settle(Walk *walk, guint step)
{
    gint64 end = g_get_monotonic_time() + PATIENCE * G_USEC_PER_SEC;
    gint64 next_reset = 0;

    rescan(walk, step);
    for (;;) {
        g_autoptr(PassResult) result = pass_run(&walk->setup->site, "walk");
        g_autoptr(Plan) plan = NULL;
        const DomainPlan *left;

        if (result->is_failed && is_tray_closed(result) && g_get_monotonic_time() < end)
            continue;
        if (result->is_failed || result->sync == SYNC_INVALID)
            lose(walk, step, "a pass failed", result->reason);
        if (result->is_converged)
            return;
        plan = make_plan(walk, step);
        left = plan->domains->pdata[0];
        if (left->is_restart_required)
            lose(walk, step, "not live", plan_text(left));
        if (is_asked_only(left))
            return;
        if (g_get_monotonic_time() > end)
            lose(walk, step, "does not settle", plan_text(left));
        /* What was asked only then needs another one. */
        if (g_get_monotonic_time() >= next_reset && let_go(walk, left))
            next_reset = g_get_monotonic_time() + G_USEC_PER_SEC;
    }
}

static void
check_plan(const Walk *walk, guint step)
{
    g_autoptr(Plan) plan = make_plan(walk, step);
    const DomainPlan *left = plan->domains->pdata[0];

    if (is_asked_only(left))
        return;
    if (left->verdict != PLAN_NONE)
        lose(walk, step, "the next plan is not empty", plan_text(left));
    for (guint i = 0; i < left->changes->len; i++) {
        const Change *change = left->changes->pdata[i];

        if (change->class_ != CHANGE_NONE)
            lose(walk, step, "still differs", change->path);
    }
}

static void
flip(Walk *walk)
{
    for (gint n = g_rand_int_range(walk->rand, 1, MOST_FLIPS + 1); n > 0; n--) {
        guint i = g_rand_int_range(walk->rand, 0, (gint) walk_n_slots);
        const Slot *slot = &walk_slots[i];
        guint least = slot->ascends ? walk->chosen[i] : slot->stays && walk->chosen[i] ? 1 : 0;

        if (!slot->program || program_is_usable(slot->program))
            walk->chosen[i] =
                g_rand_int_range(walk->rand, (gint) least, (gint) slot_n_variants(slot));
    }
}

/* ---- what is left over ---- */

static gint
compare_lines(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(char *const *) a, *(char *const *) b);
}

/* What came and can't go: the parts of virtio-mem and of virtual CPUs. */
static bool
is_to_stay(const char *name)
{
    return strstr(name, "virtiomem") || g_str_has_prefix(name, "vcpu");
}

/* The names of what a query lists, sorted: order says nothing. */
static void
append_names(const Walk *walk, GString *text, const char *command, const char *path,
             const char *member)
{
    Json *arguments = path ? json_new_object() : NULL;
    g_autoptr(Json) list = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (path)
        json_set_string(arguments, "path", path);
    list = qemu_ask(walk->scratch, "walk", command, arguments);
    for (guint i = 0; i < json_length(list); i++)
        if (!is_to_stay(json_get_string(json_at(list, i), member)))
            g_ptr_array_add(names, (gpointer) json_get_string(json_at(list, i), member));
    g_ptr_array_sort(names, compare_lines);
    g_string_append_printf(text, "%s %s:", command, path ? path : "");
    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(text, " %s", (const char *) names->pdata[i]);
    g_string_append_c(text, '\n');
}

static char *
everything(const Walk *walk)
{
    GString *text = g_string_new(NULL);
    Json *arguments = json_new_object();
    g_autoptr(Json) network = NULL;

    append_names(walk, text, "qom-list", "/objects", "name");
    append_names(walk, text, "qom-list", "/machine/peripheral", "name");
    append_names(walk, text, "query-named-block-nodes", NULL, "node-name");
    append_names(walk, text, "query-chardev", NULL, "label");
    json_set_string(arguments, "command-line", "info network");
    network = qemu_ask(walk->scratch, "walk", "human-monitor-command", arguments);
    g_string_append(text, json_string(network));
    return g_string_free(text, FALSE);
}

/* What QEMU has open, by what it is. The memory of what stays is a memfd. */
static char *
descriptors(const Walk *walk, guint *ret_n)
{
    g_autofree char *path =
        g_strdup_printf("/proc/%" G_GINT64_FORMAT "/fd", g_ascii_strtoll(walk->identity, NULL, 10));
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    GString *text = g_string_new(NULL);
    const char *name;

    assert_non_null(directory);
    *ret_n = 0;
    while ((name = g_dir_read_name(directory))) {
        g_autofree char *link = g_build_filename(path, name, NULL);
        g_autofree char *target = g_file_read_link(link, NULL);

        if (target && g_str_has_prefix(target, "/memfd:"))
            continue;
        g_string_append_printf(text, " %s", target ? target : "");
        ++*ret_n;
    }
    return g_string_free(text, FALSE);
}

/* A device finalised by RCU closes what it had a moment later. */
static void
check_leftovers(const Walk *walk, guint step)
{
    gint64 end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    g_autofree char *now = NULL, *open_now = NULL, *detail = NULL;
    guint n;

    do {
        g_free(now);
        now = everything(walk);
        g_free(open_now);
        open_now = descriptors(walk, &n);
    } while ((g_strcmp0(now, walk->left) || n > walk->n_descriptors) &&
             g_get_monotonic_time() < end);
    if (g_strcmp0(now, walk->left)) {
        fprintf(stderr, "at first:\n%s\nnow:\n%s\n", walk->left, now);
        lose(walk, step, "left over", "see above");
    }
    detail = g_strdup_printf("%u at first, %u now:\n%s\n%s", walk->n_descriptors, n, walk->opened,
                             open_now);
    if (n > walk->n_descriptors)
        lose(walk, step, "descriptors", detail);
}

/* ---- the tests ---- */

static guint
n_edits(void)
{
    const char *all = g_getenv("VIRTKEEP_WALK");

    return all ? g_ascii_strtoull(all, NULL, 10) / 2 : N_EDITS;
}

static void
begin_walk(Walk *walk, const char *machine)
{
    const char *seed = g_getenv("VIRTKEEP_WALK_SEED");
    static const char *const images[] = { "vda.img", "vdb.img", "sda.img", "sdb.img",
                                          "sdc.img", "one.iso", "two.iso" };
    g_autofree char *content = g_malloc0(1 << 16);
    Invocation invocation = { 0 };

    walk->machine = machine;
    walk->chosen = g_new0(guint, walk_n_slots);
    walk->seed = seed                        ? g_ascii_strtoull(seed, NULL, 10)
                 : g_getenv("VIRTKEEP_WALK") ? g_random_int()
                                             : FIXED_SEED;
    walk->rand = g_rand_new_with_seed(walk->seed);
    walk->scratch = scratch_new();
    walk->cache = directory_cache_new();
    printf("%s: %u edits from seed %u\n", machine, n_edits(), walk->seed);
    for (guint i = 0; i < G_N_ELEMENTS(images); i++) {
        g_autofree char *path = scratch_path(walk->scratch, images[i]);

        assert_true(g_file_set_contents(path, content, 1 << 16, NULL));
    }
    g_free(scratch_mkdir(walk->scratch, "share"));
    write_file(walk);
    invocation.global = (GlobalOptions){
        .config = scratch_write(walk->scratch, "virtkeep.yaml", "{}\n"),
        .domains = scratch_path(walk->scratch, "domains"),
        .state = scratch_path(walk->scratch, "state.db"),
        .run = scratch_path(walk->scratch, "run"),
        .log = scratch_path(walk->scratch, "log"),
    };
    walk->setup = site_open(&invocation, SITE_ACT);
    assert_non_null(walk->setup);
    walk->setup->site.trigger = "file";
    settle(walk, 0);
    walk->identity = qemu_identity(walk->scratch, "walk");
    assert_non_null(walk->identity);
    walk->left = everything(walk);
    walk->opened = descriptors(walk, &walk->n_descriptors);
    g_free(invocation.global.config);
    g_free(invocation.global.domains);
    g_free(invocation.global.state);
    g_free(invocation.global.run);
    g_free(invocation.global.log);
}

static void
end_walk(Walk *walk)
{
    site_close(walk->setup);
    directory_cache_free(walk->cache);
    g_rand_free(walk->rand);
    g_free(walk->chosen);
    g_free(walk->identity);
    g_free(walk->left);
    g_free(walk->opened);
    (void) scratch_end(walk->scratch); /* the QEMU is meant to be left running */
}

static void
go(const char *machine)
{
    Walk walk = { 0 };
    guint step;

    begin_walk(&walk, machine);
    for (step = 1; step <= n_edits(); step++) {
        flip(&walk);
        write_file(&walk);
        settle(&walk, step);
        check_plan(&walk, step);
        if (!qemu_is(walk.scratch, "walk", walk.identity))
            lose(&walk, step, "another QEMU", "live changes only");
    }
    for (guint i = 0; i < walk_n_slots; i++)
        walk.chosen[i] = walk_slots[i].stays ? walk.chosen[i] : 0;
    write_file(&walk);
    settle(&walk, step);
    check_plan(&walk, step);
    check_leftovers(&walk, step);
    end_walk(&walk);
}

static void
test_q35(void **state)
{
    go("q35");
}

static void
test_pc(void **state)
{
    go("pc");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q35),
        cmocka_unit_test(test_pc),
    };

    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
