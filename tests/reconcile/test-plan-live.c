/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Live changes as plans: which devices can come and go on which bus, in which order they do, what
 * waits for what has not left yet, and when a guest is asked again.
 */
#include "reconcile/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "reconcile/actual.h"
#include "reconcile/resolution.h"
#include "tests/reconcile/resolve-document.h"

#define NOW ((gint64) 1000 * G_USEC_PER_SEC)
#define DISK(target, bus)                                                                          \
    "<disk type='file'><source file='/" target "'/><target dev='" target "' bus='" bus "'/>"       \
    "</disk>\n"
#define RNG "<rng model='virtio'><backend model='builtin'/></rng>\n"
#define NET(last, model)                                                                           \
    "<interface type='user'><mac address='52:54:00:00:00:" last "'/><model type='" model "'/>"     \
    "</interface>\n"
#define TABLET "<input type='tablet' bus='usb'/>\n"
#define SCSI "<controller type='scsi' model='virtio-scsi'/>\n"
#define PORTS                                                                                      \
    "<controller type='pci' index='1' model='pcie-root-port'/>"                                    \
    "<controller type='pci' index='2' model='pcie-root-port'/>"                                    \
    "<controller type='pci' index='3' model='pcie-root-port'/>"                                    \
    "<controller type='pci' index='4' model='pcie-root-port'/>"                                    \
    "<controller type='pci' index='5' model='pcie-root-port'/>"                                    \
    "<controller type='pci' index='6' model='pcie-root-port'/>"                                    \
    "<controller type='usb' model='qemu-xhci'/>"

typedef struct Stage {
    Spec *from, *to;
    Domain *applied, *desired;
    Domain *actual; /* NULL: as applied */
    Observed *observed;
    GPtrArray *unplugs;
    PlanInput input;
    DomainPlan *plan;
} Stage;

#define ACPI "<features><acpi/></features>"

/* A running QEMU with @from, and a file with @to. */
static Stage
stage_with(const char *machine, const char *features, const char *from, const char *to)
{
    Stage stage = { 0 };

    stage.from = document_parse(machine, features, from);
    stage.to = document_parse(machine, features, to);
    stage.applied = document_resolve(stage.from, NULL);
    stage.desired = document_resolve(stage.to, stage.applied);
    stage.observed = observed_new();
    stage.observed->run_state = RUN_STATE_RUNNING;
    stage.unplugs = g_ptr_array_new_with_free_func(g_free);
    stage.input = (PlanInput){ .name = "web",
                               .file = "web.xml",
                               .desired = stage.desired,
                               .applied = stage.applied,
                               .observed = stage.observed,
                               .unplugs = stage.unplugs,
                               .policy = { .stall_timeout = 60 * G_USEC_PER_SEC },
                               .now = NOW };
    return stage;
}

static Stage
stage_new(const char *machine, const char *from, const char *to)
{
    return stage_with(machine, ACPI, from, to);
}

static void
stage_clear(Stage *stage)
{
    if (stage->plan)
        domain_plan_free(stage->plan);
    g_ptr_array_unref(stage->unplugs);
    observed_free(stage->observed);
    domain_free(stage->actual);
    domain_free(stage->applied);
    domain_free(stage->desired);
    spec_free(stage->from);
    spec_free(stage->to);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Stage, stage_clear)

static void
add_unplug(Stage *stage, const char *device, gint64 asked_ago, gint64 last_ago, guint n)
{
    PlanUnplug *unplug = g_new0(PlanUnplug, 1);

    *unplug = (PlanUnplug){ (char *) device, NOW - asked_ago * G_USEC_PER_SEC,
                            NOW - last_ago * G_USEC_PER_SEC, n, NULL };
    g_ptr_array_add(stage->unplugs, unplug);
}

/* "add-device rng0, remove-device net1: Changing" */
static void
assert_actions(Stage *stage, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_clear_pointer(&stage->plan, domain_plan_free);
    stage->plan = plan_domain(&stage->input);
    for (guint i = 0; i < stage->plan->actions->len; i++) {
        const PlanAction *action = stage->plan->actions->pdata[i];

        g_string_append_printf(text, "%s%s %s", i ? ", " : "", plan_action_name(action->kind),
                               action->device ? action->device : "");
        assert_true(action->because->len > 0 || action->drift);
    }
    g_string_append_printf(text, ": %s", stage->plan->reason_word);
    if (strcmp(text->str, expected))
        fail_msg("\"%s\" != \"%s\"", text->str, expected);
}

/* The same, where files alone are the cause. */
static void
assert_plan(Stage *stage, const char *expected)
{
    assert_actions(stage, expected);
    for (guint i = 0; i < stage->plan->actions->len; i++)
        assert_null(((const PlanAction *) stage->plan->actions->pdata[i])->drift);
}

/* ---- virtual CPUs, I/O threads ---- */

/* Numbers below 10, as text. */
static void
set_vcpus(Stage *stage, const char *numbers)
{
    stage->observed->has_vcpus = true;
    g_array_set_size(stage->observed->vcpus, 0);
    for (; *numbers; numbers++) {
        guint number = (guint) (*numbers - '0');

        g_array_append_val(stage->observed->vcpus, number);
    }
}

static void
vcpus_by_number(void **state)
{
    static const struct {
        int type;
        guint applied, desired; /* current, of 4 */
        const char *there, *plan;
    } cases[] = {
        { DOMAIN_TYPE_KVM, 2, 2, "01", ": Synced" },
        { DOMAIN_TYPE_KVM, 2, 4, "01", "add-vcpu vcpu2, add-vcpu vcpu3: Changing" },
        { DOMAIN_TYPE_KVM, 4, 2, "0123", "remove-vcpu vcpu3, remove-vcpu vcpu2: Changing" },
        { DOMAIN_TYPE_KVM, 3, 2, "013", "remove-vcpu vcpu3: Changing" },
        /* Somebody else's doing. */
        { DOMAIN_TYPE_KVM, 2, 2, "0", "add-vcpu vcpu1: Changing" },
        { DOMAIN_TYPE_KVM, 2, 2, "012", "remove-vcpu vcpu2: Changing" },
        /* Beyond what this QEMU has room for. */
        { DOMAIN_TYPE_KVM, 2, 9, "01", "add-vcpu vcpu2, add-vcpu vcpu3: Changing" },
        { DOMAIN_TYPE_QEMU, 2, 3, "01", "add-vcpu vcpu2: Changing" },
        { DOMAIN_TYPE_QEMU, 4, 2, "0123", ": RestartRequired" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Stage) stage = stage_new("q35", "", "");

        stage.applied->acpi = stage.desired->acpi = true;
        stage.applied->type = stage.desired->type = cases[i].type;
        stage.applied->vcpus = stage.desired->vcpus = opt_uint(4);
        stage.applied->vcpus_current = opt_uint(cases[i].applied);
        stage.desired->vcpus_current = opt_uint(cases[i].desired);
        set_vcpus(&stage, cases[i].there);
        assert_actions(&stage, cases[i].plan);
    }
}

static void
vcpus_without_acpi(void **state)
{
    g_auto(Stage) stage = stage_new("q35", "", "");

    stage.applied->acpi = stage.desired->acpi = false;
    stage.applied->vcpus = stage.desired->vcpus = opt_uint(4);
    stage.applied->vcpus_current = opt_uint(2);
    stage.desired->vcpus_current = opt_uint(3);
    set_vcpus(&stage, "01");
    assert_actions(&stage, ": RestartRequired");
}

/* One that was asked to leave is waited for, and asked again. */
static void
vcpu_is_waited_for(void **state)
{
    g_auto(Stage) stage = stage_new("q35", "", "");

    stage.applied->acpi = stage.desired->acpi = true;
    stage.applied->type = stage.desired->type = DOMAIN_TYPE_KVM;
    stage.applied->vcpus = stage.desired->vcpus = opt_uint(2);
    stage.applied->vcpus_current = stage.desired->vcpus_current = opt_uint(1);
    set_vcpus(&stage, "01");
    add_unplug(&stage, "vcpu1", 2, 2, 1);
    assert_actions(&stage, ": DeviceLeaving");
    assert_non_null(strstr(stage.plan->reason, "vcpu1 (asked 1 time in 2s)"));
    ((PlanUnplug *) stage.unplugs->pdata[0])->last_asked_at = NOW - 6 * G_USEC_PER_SEC;
    assert_actions(&stage, "remove-vcpu vcpu1: Changing");
}

static void
iothreads_by_number(void **state)
{
    static const ObservedIoThread there[] = { { .number = 1 }, { .number = 7 } };
    g_auto(Stage) stage = stage_new("q35", "", "");

    stage.applied->iothreads = opt_uint(1);
    stage.desired->iothreads = opt_uint(2);
    assert_actions(&stage, ": Synced"); /* nothing is known */
    stage.observed->has_iothreads = true;
    g_array_append_vals(stage.observed->iothreads, there, G_N_ELEMENTS(there));
    assert_actions(&stage, "add-iothread iothread2, remove-iothread iothread7: Changing");
}

static void
buses_decide(void **state)
{
    static const struct {
        const char *machine, *from, *to, *plan;
    } cases[] = {
        { "q35", PORTS, PORTS RNG, "add-device rng0: Changing" },
        { "q35", PORTS, PORTS TABLET, "add-device input2: Changing" },
        { "q35", PORTS SCSI, PORTS SCSI DISK("sda", "scsi"), "add-device scsi0-0-0-0: Changing" },
        { "q35", PORTS, PORTS DISK("sda", "sata"), ": RestartRequired" },
        /* One port is spare; the others must be added, and a port is not plugged into pcie.0. */
        { "q35", "", RNG RNG RNG, "add-device rng0: Changing" },
        { "q35", RNG, RNG RNG RNG, "add-device rng1: Changing" },
        { "q35", PORTS RNG, PORTS, "remove-device rng0: Changing" },
        { "q35", PORTS, PORTS "<sound model='ich9'/>\n", ": RestartRequired" },
        /* On the root complex by the file's own word. */
        { "q35", PORTS,
          PORTS "<rng model='virtio'><backend model='builtin'/>"
                "<address type='pci' bus='0' slot='9'/></rng>\n",
          ": RestartRequired" },
        /* A pc's bus 0 plugs. */
        { "pc", "", RNG, "add-device rng0: Changing" },
        { "pc", "", DISK("hda", "ide"), ": RestartRequired" },
        { "pc", "", "<disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk>\n",
          ": RestartRequired" },
        { "pc", DISK("vda", "virtio"), "", "remove-device virtio-disk0: Changing" },
        /* A function of a slot that others share stays where it is. */
        { "pc", "",
          "<rng model='virtio'><backend model='builtin'/>"
          "<address type='pci' slot='9' function='1'/></rng>\n",
          ": RestartRequired" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Stage) stage = stage_new(cases[i].machine, cases[i].from, cases[i].to);

        assert_plan(&stage, cases[i].plan);
    }
}

/* QEMU 7.2: "Bus 'pci.0' does not support hotplugging". A root port has its own way. */
static void
without_acpi(void **state)
{
    g_auto(Stage) pc = stage_with("pc", "", "", RNG);
    g_auto(Stage) q35 = stage_with("q35", "", PORTS, PORTS RNG);

    assert_plan(&pc, ": RestartRequired");
    assert_plan(&q35, "add-device rng0: Changing");
}

/* An interface in the place and with the id of one that goes is not that one changed. */
static void
another_of_the_kind(void **state)
{
    g_auto(Stage) stage = stage_new("pc", NET("01", "virtio") NET("02", "virtio"),
                                    NET("02", "virtio") NET("03", "e1000"));

    assert_plan(&stage, "remove-device net0: Changing");
}

/* A controller comes before what sits on it, and leaves after it. */
static void
order(void **state)
{
    g_auto(Stage) comes = stage_new("q35", PORTS, PORTS DISK("sda", "scsi") SCSI);
    g_auto(Stage) leaves = stage_new("q35", PORTS DISK("sda", "scsi") SCSI RNG, PORTS);

    assert_plan(&comes, "add-device scsi0, add-device scsi0-0-0-0: Changing");
    assert_plan(&leaves,
                "remove-device scsi0-0-0-0, remove-device rng0, remove-device scsi0: Changing");
}

/* What takes a leaving device's id or place is added when that one has left. */
static void
place_is_waited_for(void **state)
{
    g_auto(Stage) stage = stage_new("pc", DISK("vda", "virtio") RNG,
                                    "<disk type='file'><source file='/vdb'/>"
                                    "<target dev='vdb' bus='virtio'/></disk>\n" RNG);
    DeviceInfo *added = stage.desired->disks->pdata[0];

    assert_plan(&stage, "remove-device virtio-disk0: Changing");
    address_free(added->address);
    added->address = address_new_pci(0, 20, 0);
    assert_plan(&stage, "remove-device virtio-disk0, add-device virtio-disk1: Changing");
}

static void
a_guest_is_asked_again(void **state)
{
    static const struct {
        gint64 asked, last;
        guint n;
        const char *plan;
    } cases[] = {
        { 4, 4, 1, ": DeviceLeaving" },     { 5, 5, 1, "remove-device rng0: Changing" },
        { 14, 9, 2, ": DeviceLeaving" },    { 15, 10, 2, "remove-device rng0: Changing" },
        { 59, 1, 3, ": DeviceLeaving" },    { 61, 1, 3, ": DeviceStays" },
        { 9000, 299, 30, ": DeviceStays" }, { 9000, 300, 30, "remove-device rng0: Changing" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Stage) stage = stage_new("pc", RNG, "");

        add_unplug(&stage, "rng0", cases[i].asked, cases[i].last, cases[i].n);
        assert_plan(&stage, cases[i].plan);
        assert_true(cases[i].plan[0] != ':' || stage.plan->next_unplug > NOW);
        assert_true(stage.plan->verdict == PLAN_UPDATE);
    }
}

/* The observation's list of devices corrects what is applied; what can't leave is never missed. */
static void
what_has_left_is_not_applied(void **state)
{
    g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
    g_auto(Stage) stage = stage_new("pc", RNG DISK("hda", "ide"), RNG DISK("hda", "ide"));
    g_autoptr(Domain) actual = NULL;

    assert_null(domain_actual(stage.applied, stage.observed, NULL)); /* it lists nothing */
    g_ptr_array_add(stage.observed->device_ids, g_strdup("balloon0"));
    actual = domain_actual(stage.applied, stage.observed, missing);
    assert_non_null(actual);
    assert_int_equal(missing->len, 1);
    assert_string_equal(missing->pdata[0], "rng0");
    assert_int_equal(list_length(actual->rngs), 0);
    assert_int_equal(list_length(actual->disks), 1);
    stage.input.applied = actual;
    assert_plan(&stage, "add-device rng0: Changing");
}

/* ---- what somebody else changed ---- */

#define NIC_DOWN                                                                                   \
    "<interface type='user'><mac address='52:54:00:00:00:01'/><link state='down'/>"                \
    "<model type='virtio'/></interface>\n"
#define CDROM(source)                                                                              \
    "<disk type='file' device='cdrom'>" source "<target dev='sda' bus='sata'/></disk>\n"
#define MEDIUM "<source file='/a.iso'/>"

static void
see_link(Stage *stage, const char *id, bool is_up)
{
    ObservedLink *link = g_new0(ObservedLink, 1);

    *link = (ObservedLink){ g_strdup(id), is_up };
    g_ptr_array_add(stage->observed->links, link);
}

static void
see_medium(Stage *stage, const char *id, const char *file)
{
    ObservedDrive *drive = g_new0(ObservedDrive, 1);

    *drive = (ObservedDrive){ .device = g_strdup(id),
                              .node = g_strdup(file ? "other" : NULL),
                              .file = g_strdup(file),
                              .is_removable = true,
                              .is_foreign = file != NULL };
    g_ptr_array_add(stage->observed->drives, drive);
}

/* Every device is there; what is applied is corrected by the rest of the observation. */
static void
stage_look(Stage *stage)
{
    g_autoptr(GArray) refs = domain_device_refs(stage->applied);
    Domain *actual;

    for (guint i = 0; i < refs->len; i++) {
        const DeviceInfo *info = device_info(g_array_index(refs, DeviceRef, i).device);

        if (info->alias)
            g_ptr_array_add(stage->observed->device_ids, g_strdup(info->alias));
    }
    actual = domain_actual(stage->applied, stage->observed, NULL);
    stage->input.told = stage->applied;
    domain_free(stage->actual);
    stage->actual = actual;
    stage->input.applied = actual ? actual : stage->applied;
}

static void
fields_are_put_back(void **state)
{
    static const struct {
        const char *from, *to;
        const char *nic, *drive; /* the id of what is seen, */
        bool is_up;              /* and how */
        const char *file;
        const char *plan, *drift;
    } cases[] = {
        { NET("01", "virtio"), NET("01", "virtio"), "net0", NULL, true, NULL, ": Synced", NULL },
        { NET("01", "virtio"), NET("01", "virtio"), "net0", NULL, false, NULL,
          "set-device net0: Changing", "net0: link/@state: is down, not the default" },
        { NIC_DOWN, NIC_DOWN, "net0", NULL, true, NULL, "set-device net0: Changing",
          "net0: link/@state: is up, not down" },
        /* the file's edit */
        { NIC_DOWN, NET("01", "virtio"), "net0", NULL, false, NULL, "set-device net0: Changing",
          NULL },
        /* somebody was quicker than the file's edit */
        { NET("01", "virtio"), NIC_DOWN, "net0", NULL, false, NULL, ": Synced", NULL },
        { CDROM(MEDIUM), CDROM(MEDIUM), NULL, "sata0-0-0", false, NULL,
          "set-device sata0-0-0: Changing", "sata0-0-0: source: is gone" },
        { CDROM(MEDIUM), CDROM(MEDIUM), NULL, "sata0-0-0", false, "/b.iso",
          "set-device sata0-0-0: Changing", "sata0-0-0: source/@file: is /b.iso, not /a.iso" },
        { CDROM(""), CDROM(""), NULL, "sata0-0-0", false, "/b.iso",
          "set-device sata0-0-0: Changing", "sata0-0-0: source: is there" },
        { CDROM(""), CDROM(""), NULL, "sata0-0-0", false, NULL, ": Synced", NULL },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Stage) stage = stage_new("q35", cases[i].from, cases[i].to);
        const PlanAction *action;

        if (cases[i].nic)
            see_link(&stage, cases[i].nic, cases[i].is_up);
        if (cases[i].drive)
            see_medium(&stage, cases[i].drive, cases[i].file);
        stage_look(&stage);
        assert_actions(&stage, cases[i].plan);
        action = stage.plan->actions->len ? stage.plan->actions->pdata[0] : NULL;
        if (g_strcmp0(action ? action->drift : NULL, cases[i].drift))
            fail_msg("%u: \"%s\", not \"%s\"", i, action ? action->drift : "", cases[i].drift);
    }
}

/* A back end that puts its link up and down by itself. */
static void
a_back_ends_link_is_its_own(void **state)
{
    static const char vhost_user[] =
        "<interface type='vhostuser'><mac address='52:54:00:00:00:01'/>"
        "<source type='unix' path='/sock' mode='client'/><model type='virtio'/></interface>";
    g_auto(Stage) stage = stage_new("q35", vhost_user, vhost_user);

    see_link(&stage, "net0", false);
    stage_look(&stage);
    assert_plan(&stage, ": Synced");
}

static GPtrArray *
undoings_of(const char *what, guint n)
{
    GPtrArray *undoings = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < n; i++) {
        PlanUndoing *undoing = g_new0(PlanUndoing, 1);

        *undoing = (PlanUndoing){ (char *) what, NOW - i * G_USEC_PER_SEC };
        g_ptr_array_add(undoings, undoing);
    }
    return undoings;
}

/* One field is left alone, the other is not. */
static void
a_field_is_fought_over(void **state)
{
    g_autoptr(GPtrArray) four = undoings_of("net0: link/@state", 4);
    g_autoptr(GPtrArray) five = undoings_of("net0: link/@state", 5);
    g_auto(Stage) stage = stage_new("q35", NET("01", "virtio") NET("02", "virtio"),
                                    NET("01", "virtio") NET("02", "virtio"));
    const PlanContest *contest;

    see_link(&stage, "net0", false);
    see_link(&stage, "net1", false);
    stage_look(&stage);
    stage.input.undoings = four;
    assert_actions(&stage, "set-device net0, set-device net1: Changing");
    stage.input.undoings = five;
    assert_actions(&stage, "set-device net1: Changing");
    ((ObservedLink *) stage.observed->links->pdata[1])->is_up = true;
    stage_look(&stage);
    assert_actions(&stage, ": Contended");
    assert_int_equal(stage.plan->contests->len, 1);
    contest = stage.plan->contests->pdata[0];
    assert_string_equal(contest->what, "net0: link/@state");
    assert_int_equal(contest->contest.n, 6);
    assert_int_equal(stage.plan->retry_at, contest->contest.until);
}

/* The same of what is counted by its number. */
static void
a_thread_is_fought_over(void **state)
{
    g_autoptr(GPtrArray) five = undoings_of("iothread1", 5);
    g_auto(Stage) stage = stage_new("pc", "", "");

    stage.input.undoings = five;
    stage.applied->iothreads = stage.desired->iothreads = opt_uint(2);
    stage.observed->has_iothreads = true;
    assert_actions(&stage, "add-iothread iothread2: Changing");
    g_array_append_val(stage.observed->iothreads, ((ObservedIoThread){ .number = 2 }));
    assert_actions(&stage, ": Contended");
}

static void
planned_ports_are_forgotten(void **state)
{
    g_auto(Stage) stage = stage_new("q35", RNG, RNG RNG RNG RNG RNG RNG RNG RNG);
    guint before = list_length(stage.applied->controllers);

    assert_true(list_length(stage.desired->controllers) > before);
    domain_forget_planned_ports(stage.desired, stage.applied);
    assert_int_equal(list_length(stage.desired->controllers), before);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vcpus_by_number),
        cmocka_unit_test(vcpus_without_acpi),
        cmocka_unit_test(vcpu_is_waited_for),
        cmocka_unit_test(iothreads_by_number),
        cmocka_unit_test(buses_decide),
        cmocka_unit_test(without_acpi),
        cmocka_unit_test(another_of_the_kind),
        cmocka_unit_test(order),
        cmocka_unit_test(place_is_waited_for),
        cmocka_unit_test(a_guest_is_asked_again),
        cmocka_unit_test(what_has_left_is_not_applied),
        cmocka_unit_test(fields_are_put_back),
        cmocka_unit_test(a_back_ends_link_is_its_own),
        cmocka_unit_test(a_field_is_fought_over),
        cmocka_unit_test(a_thread_is_fought_over),
        cmocka_unit_test(planned_ports_are_forgotten),
    };

    return cmocka_run_group_tests_name("plan-live", tests, NULL, NULL);
}
