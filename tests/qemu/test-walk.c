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
 * The seed is printed; VIRTKEEP_WALK_SEED repeats a walk. CI walks a share of the way from a seed
 * of its own each time; VIRTKEEP_WALK=2000 walks all of it.
 */
#include "controller/pass.h"
#include "controller/site.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define N_EDITS 120 /* on each machine */
#define PATIENCE 60 /* seconds, for one edit */
#define MOST_FLIPS 4

/* ---- what there may be ---- */

/* One place in the file: nothing, or one of the variants; from one variant to another is a live
 * change. What has no key of its own (two RNGs) is the same in all places: told apart by what they
 * say, one that comes as another goes would be the other one changed. '@' stands for the scratch
 * directory. */
typedef struct Slot {
    const char *variants[4]; /* "" is nothing */
    bool is_on_pc_only;
} Slot;

#define DISK(target, bus)                                                                          \
    "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"                             \
    "<source file='@/" target ".img'/><target dev='" target "' bus='" bus "'/></disk>"
#define RNG(backend) "<rng model='virtio'>" backend "</rng>"
#define NET(last, model)                                                                           \
    "<interface type='user'><mac address='52:54:00:00:00:" last "'/><model type='" model "'/>"     \
    "</interface>"
#define CHANNEL(source, name) "<channel " source "<target type='virtio' name='" name "'/></channel>"

static const Slot slots[] = {
    { { "", DISK("vda", "virtio") } },
    { { "", DISK("vdb", "virtio") } },
    { { "", DISK("sda", "scsi") } },
    { { "", DISK("sdb", "scsi") } },
    { { "", DISK("sdc", "usb") } },
    { { "", RNG("<backend model='random'>/dev/urandom</backend>") } },
    { { "", RNG("<backend model='random'>/dev/urandom</backend>") } },
    { { "", "<input type='tablet' bus='usb'/>" } },
    { { "", "<input type='tablet' bus='usb'/>" } },
    { { "", NET("01", "virtio") } },
    { { "", NET("02", "virtio") } },
    { { "", NET("03", "e1000") }, true },
    { { "", CHANNEL("type='unix'><source mode='bind' path='@/channel'/>", "org.walk.0") } },
    { { "", CHANNEL("type='null'>", "org.walk.1") } },
    { { "", "<redirdev bus='usb' type='unix'><source mode='bind' path='@/redir'/></redirdev>" } },
    { { "", "<crypto model='virtio' type='qemu'><backend model='builtin' queues='1'/></crypto>" },
      true },
    { { "", "<controller type='scsi' index='1' model='virtio-scsi'/>" } },
    { { "", "<controller type='virtio-serial' index='1'/>" } },
    { { "", "<watchdog model='i6300esb' action='none'/>" }, true },
    { { "<memballoon model='virtio'/>",
        "<memballoon model='virtio'><stats period='5'/></memballoon>",
        "<memballoon model='virtio'><stats period='9'/></memballoon>" } },
};
#define N_SLOTS G_N_ELEMENTS(slots)
#define N_PORTS 16

/* ---- the walk ---- */

typedef struct Walk {
    Scratch *scratch;
    SiteSetup *setup;
    DirectoryCache *cache;
    GRand *rand;
    const char *machine;
    guint32 seed;
    guint chosen[N_SLOTS];
    char *identity;
    char *left; /* what QEMU had at first, as text */
    guint n_descriptors;
} Walk;

static guint
n_variants(const Slot *slot)
{
    guint n = 0;

    while (n < G_N_ELEMENTS(slot->variants) && slot->variants[n])
        n++;
    return n;
}

static bool
is_q35(const Walk *walk)
{
    return g_str_equal(walk->machine, "q35");
}

static char *
devices_text(const Walk *walk)
{
    GString *text = g_string_new("<controller type='usb' model='qemu-xhci'/>"
                                 "<controller type='scsi' index='0' model='virtio-scsi'/>"
                                 "<controller type='virtio-serial' index='0'/>");

    for (guint i = 1; is_q35(walk) && i <= N_PORTS; i++)
        g_string_append_printf(text, "<controller type='pci' index='%u' model='pcie-root-port'/>",
                               i);
    for (guint i = 0; i < N_SLOTS; i++)
        g_string_append_printf(text, "%s\n", slots[i].variants[walk->chosen[i]]);
    g_string_replace(text, "@", scratch_dir(walk->scratch), 0);
    return g_string_free(text, FALSE);
}

static void
write_file(const Walk *walk)
{
    g_autofree char *devices = devices_text(walk);
    g_autofree char *xml = g_strdup_printf(
        "<domain type='qemu'><name>walk</name>"
        "<metadata><vk:policy xmlns:vk='urn:virtkeep:policy:1' shutdown-timeout='1s'/></metadata>"
        "<memory unit='MiB'>64</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64' machine='%s'>hvm</type></os><features><acpi/></features>"
        "<devices>\n%s</devices></domain>\n",
        walk->machine, devices);

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

/* Passes until there is nothing left to do. */
static void
settle(Walk *walk, guint step)
{
    gint64 end = g_get_monotonic_time() + PATIENCE * G_USEC_PER_SEC;
    bool is_reset = false;

    rescan(walk, step);
    for (;;) {
        g_autoptr(PassResult) result = pass_run(&walk->setup->site, "walk");

        if (result->is_failed)
            lose(walk, step, "a pass failed", result->reason);
        if (result->is_converged)
            return;
        if (!g_strcmp0(result->reason_word, "RestartRequired"))
            lose(walk, step, "not live", result->reason);
        if (g_get_monotonic_time() > end)
            lose(walk, step, "does not settle", result->reason);
        if (!is_reset && !g_strcmp0(result->reason_word, "DeviceLeaving")) {
            json_free(qemu_ask(walk->scratch, "walk", "system_reset", NULL));
            is_reset = true; /* one reset is enough for all that was asked for */
        }
    }
}

static void
check_plan(const Walk *walk, guint step)
{
    static const char *const names[] = { "walk", NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(Plan) plan = site_plan(&walk->setup->site, names, &error);
    const DomainPlan *domain;

    if (!plan)
        lose(walk, step, "plan", error->message);
    domain = plan->domains->pdata[0];
    if (domain->verdict != PLAN_NONE)
        lose(walk, step, "the next plan is not empty", domain->reason);
    if (domain->changes->len)
        lose(walk, step, "still differs", ((const Change *) domain->changes->pdata[0])->path);
}

static void
flip(Walk *walk)
{
    for (gint n = g_rand_int_range(walk->rand, 1, MOST_FLIPS + 1); n > 0; n--) {
        guint i = g_rand_int_range(walk->rand, 0, N_SLOTS);

        if (!slots[i].is_on_pc_only || !is_q35(walk))
            walk->chosen[i] = g_rand_int_range(walk->rand, 0, n_variants(&slots[i]));
    }
}

/* ---- what is left over ---- */

static gint
compare_lines(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(char *const *) a, *(char *const *) b);
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

static guint
n_descriptors(const Walk *walk)
{
    g_autofree char *path =
        g_strdup_printf("/proc/%" G_GINT64_FORMAT "/fd", g_ascii_strtoll(walk->identity, NULL, 10));
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    guint n = 0;

    assert_non_null(directory);
    while (g_dir_read_name(directory))
        n++;
    return n;
}

/* A device finalised by RCU closes what it had a moment later. */
static void
check_leftovers(const Walk *walk, guint step)
{
    gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
    g_autofree char *now = NULL, *counts = NULL;
    guint n;

    do {
        g_free(now);
        now = everything(walk);
        n = n_descriptors(walk);
    } while ((g_strcmp0(now, walk->left) || n > walk->n_descriptors) &&
             g_get_monotonic_time() < end);
    if (g_strcmp0(now, walk->left)) {
        fprintf(stderr, "at first:\n%s\nnow:\n%s\n", walk->left, now);
        lose(walk, step, "left over", "see above");
    }
    counts = g_strdup_printf("%u descriptors at first, %u now", walk->n_descriptors, n);
    if (n > walk->n_descriptors)
        lose(walk, step, "descriptors", counts);
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
    static const char *const images[] = { "vda", "vdb", "sda", "sdb", "sdc" };
    g_autofree char *content = g_malloc0(1 << 16);
    Invocation invocation = { 0 };

    walk->machine = machine;
    walk->seed = seed ? g_ascii_strtoull(seed, NULL, 10) : g_random_int();
    walk->rand = g_rand_new_with_seed(walk->seed);
    walk->scratch = scratch_new();
    walk->cache = directory_cache_new();
    printf("%s: %u edits from seed %u\n", machine, n_edits(), walk->seed);
    for (guint i = 0; i < G_N_ELEMENTS(images); i++) {
        g_autofree char *name = g_strconcat(images[i], ".img", NULL);
        g_autofree char *path = scratch_path(walk->scratch, name);

        assert_true(g_file_set_contents(path, content, 1 << 16, NULL));
    }
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
    walk->n_descriptors = n_descriptors(walk);
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
    g_free(walk->identity);
    g_free(walk->left);
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
    memset(walk.chosen, 0, sizeof(walk.chosen));
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
