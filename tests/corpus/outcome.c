/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a domain's text leads to, one line an effect.
 *
 * The stages are the program's own (read, resolve, spell, plan) with a host in which everything is
 * there: pools, networks, secrets, descriptors. What is done by QMP is seen as the commands that a
 * monitor without replies was asked for; what is done to the host, as the values that say it.
 */
#include "tests/corpus/outcome.h"

#include "model/capabilities.h"
#include "model/firmware.h"
#include "model/observed.h"
#include "model/spec.h"
#include "qemu/balloon.h"
#include "qemu/attachment.h"
#include "qemu/cgroup-limits.h"
#include "qemu/command-line.h"
#include "qemu/companion.h"
#include "qemu/device.h"
#include "qemu/need.h"
#include "qemu/placement.h"
#include "qemu/vcpu.h"
#include "reconcile/plan.h"
#include "reconcile/resolve.h"

#define N_COMMANDS 4 /* of one device's preparation */
#define N_THREADS 17 /* of a kind that are looked at */

static const HugePageMount mounts[] = { { 2u << 20, "/huge/2M" }, { 1u << 30, "/huge/1G" } };

static gboolean
find_pool(gconstpointer pools, const char *name, StoragePool *ret_pool)
{
    static char path[64];

    g_snprintf(path, sizeof path, "/pools/%s", name);
    *ret_pool = g_str_has_prefix(name, "iscsi")
                    ? (StoragePool){ .host = "server", .target = path, .port = 3260 }
                    : (StoragePool){ .path = path };
    return true;
}

static const HostNetwork *
find_network(gconstpointer networks, const char *name)
{
    static char bridge[64];
    static const HostNetwork network = { .bridge = bridge };

    g_snprintf(bridge, sizeof bridge, "br-%s", name);
    return &network;
}

static char *
find_address(gconstpointer networks, const char *name)
{
    return g_strdup_printf("address-of-%s", name);
}

static char *
find_scsi_generic(gconstpointer scsi, guint adapter, guint bus, guint target, guint64 unit)
{
    return g_strdup_printf("/dev/sg-%u-%u-%u-%" G_GUINT64_FORMAT, adapter, bus, target, unit);
}

static const HostFacts *
host(void)
{
    static SysinfoEntry vendor = { .name = (char *) "vendor", .value = (char *) "host's" };
    static gpointer items[] = { &vendor };
    static GPtrArray list = { items, 1 };
    static const Sysinfo sysinfo = { .bios = &list };
    static HostFacts facts = {
        .huge_pages = mounts,
        .n_huge_pages = G_N_ELEMENTS(mounts),
        .default_huge_page = 2u << 20,
        .page_size = 4096,
        .memory_directory = "/mem",
        .socket_directory = "/run/t",
        .spice_tls_directory = "/pki",
        .secret_directory = "/secrets",
        .tpm_directory = "/tpm",
        .find_pool = find_pool,
        .find_network = find_network,
        .find_address = find_address,
        .find_scsi_generic = find_scsi_generic,
        .is_for_show = true,
        .can_make_links = true,
        .is_qemu_namespace_allowed = true,
        .sysinfo = &sysinfo,
        .now = G_GINT64_CONSTANT(1700000000) * G_USEC_PER_SEC,
    };

    return &facts;
}

/* --- from text to a domain --- */

static void
refuse(const Diagnostics *diagnostics, char **ret_text)
{
    const Diagnostic *first = diagnostics_first_error(diagnostics);

    *ret_text = g_strdup(first ? first->text : "");
}

static Domain *
resolve(const Spec *spec, Diagnostics *diagnostics)
{
    g_autoptr(GPtrArray) firmware =
        g_ptr_array_new_with_free_func((GDestroyNotify) firmware_image_free);

    firmware_add_assumed(firmware);
    return resolve_domain(spec->domain, NULL,
                          &(ResolveContext){ .uuid_seed = "seed",
                                             .firmware = firmware,
                                             .assumed_firmware = firmware },
                          spec->positions, diagnostics);
}

static void
add_said(GString *out, const Diagnostics *diagnostics)
{
    for (guint i = 0; i < diagnostics->items->len; i++) {
        const Diagnostic *item = diagnostics->items->pdata[i];

        g_string_append_printf(out, "%s: %s\n", severity_name(item->severity), item->text);
    }
}

static Domain *
read_domain(const char *text, bool is_raw, GString *said, char **ret_text)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("t.xml");
    g_autoptr(GError) error = NULL;
    g_autoptr(Spec) spec = NULL;
    Domain *domain;

    if (is_raw) {
        domain = domain_parse_own(text, &error);
        if (!domain)
            *ret_text = g_strdup(error->message);
        return domain;
    }
    spec = spec_parse("/d/t.xml", text, strlen(text));
    if (!spec_is_valid(spec)) {
        refuse(spec->diagnostics, ret_text);
        return NULL;
    }
    domain = resolve(spec, diagnostics);
    if (!domain)
        refuse(diagnostics, ret_text);
    add_said(said, spec->diagnostics);
    add_said(said, diagnostics);
    return domain;
}

/* --- the effects --- */

static void
add_list(GString *out, const char *what, const GPtrArray *words)
{
    g_string_append(out, what);
    for (guint i = 0; i < list_length(words); i++)
        g_string_append_printf(out, " %s", (const char *) words->pdata[i]);
    g_string_append_c(out, '\n');
}

static void
add_companions(GString *out, const DeviceContext *context)
{
    g_autoptr(GPtrArray) companions = companions_new();

    device_companions_all(context, companions);
    for (guint i = 0; i < companions->len; i++) {
        const Companion *companion = companions->pdata[i];

        add_list(out, companion->program, companion->arguments);
        g_string_append_printf(out, "%s %s\n", companion->directory ? companion->directory : "",
                               companion->content ? companion->content : "");
    }
}

static void
add_needs(GString *out, const DeviceContext *context)
{
    g_autoptr(GPtrArray) needs =
        host_needs(context->at.domain, context->facts, NULL, context->at.diagnostics);

    for (guint i = 0; i < list_length(needs); i++) {
        const HostNeed *need = needs->pdata[i];

        g_string_append_printf(out, "needs %d %s %s %d %d\n", need->kind, need->path,
                               need->otherwise ? need->otherwise : "", need->is_written,
                               need->is_optional);
    }
}

static void
add_limits(GString *out, const Domain *domain)
{
    g_autoptr(GPtrArray) limits = cgroup_limits(domain);

    for (guint i = 0; i < limits->len; i++) {
        const CgroupWrite *limit = limits->pdata[i];

        g_string_append_printf(out, "limit %s %s %s %s\n", limit->group, limit->file, limit->value,
                               limit->device ? limit->device : "");
    }
}

static void
add_placement(GString *out, const Domain *domain)
{
    static const ThreadRole roles[] = { THREAD_EMULATOR, THREAD_VCPU, THREAD_IOTHREAD };

    for (guint r = 0; r < G_N_ELEMENTS(roles); r++)
        for (guint i = 0; i < N_THREADS; i++) {
            ThreadPlacement placement = { 0 };

            placement_find(domain, roles[r], i, &placement);
            if (placement.cpus || placement.scheduler)
                g_string_append_printf(out, "thread %u %u: %s %d %d\n", r, i,
                                       placement.cpus ? placement.cpus : "", placement.scheduler,
                                       placement.priority);
            placement_clear(&placement);
        }
    /* qemu/placement sets QEMU's own memory policy by the mode and the nodes. */
    g_string_append_printf(out, "memory policy %d %s\n", domain->numa_mode,
                           domain->numa_nodeset ? domain->numa_nodeset : "");
}

static void
add_vcpus(GString *out, const Domain *domain)
{
    g_autoptr(GArray) numbers = domain_vcpus_plugged(domain);

    for (guint i = 0; i < numbers->len; i++)
        g_string_append_printf(out, "vcpu %u\n", g_array_index(numbers, guint, i));
}

/* What is opened for the interfaces, and tied to what; qemu/host-link does it. */
static void
add_attachments(GString *out, const Domain *domain)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("t.xml");
    const Validation at = { .domain = domain, .diagnostics = diagnostics, .path = (char *) "" };

    for (guint i = 0; i < list_length(domain->interfaces); i++) {
        const Attachment a = attachment_of(list_at(domain->interfaces, i, Interface), host());

        g_string_append_printf(out, "attachment %d %d %s %d %s %d %s %d %s %s %d %u\n", a.kind,
                               a.type, a.bridge ? a.bridge : "", a.is_bridge_made,
                               a.parent ? a.parent : "", a.mode, a.target ? a.target : "",
                               a.is_ready_made, a.tun ? a.tun : "", a.vhost ? a.vhost : "",
                               a.is_vhost_needed, a.n_queues);
        attachment_check(&at, list_at(domain->interfaces, i, Interface), host());
    }
    add_said(out, diagnostics);
}

typedef bool (*Preparation)(Monitor *monitor, const Domain *domain, gconstpointer device,
                            GError **error);

static bool
inflate(Monitor *monitor, const Domain *domain, gconstpointer unused, GError **error)
{
    return balloon_inflate(monitor, domain, error);
}

/* What a preparation asks of QEMU, whose every reply is {}: a monitor without replies ends at its
 * first command, one that was told the reply to that one at its second, and so on. */
static void
add_commands(GString *out, Preparation prepare, const Domain *domain, gconstpointer device)
{
    g_autoptr(Json) replies = json_new_array();

    for (guint n = 0; n < N_COMMANDS; n++) {
        g_autoptr(Monitor) monitor = monitor_new_recorded(replies, NULL);
        g_autoptr(Json) asked = NULL;
        g_autofree char *text = NULL;
        Json *entry;

        monitor_record(monitor);
        prepare(monitor, domain, device, NULL);
        asked = monitor_recording(monitor);
        if (json_length(asked) <= n)
            return;
        entry = json_new_object();
        json_set_string(entry, "execute", json_get_string(json_at(asked, n), "execute"));
        if (json_get(json_at(asked, n), "arguments"))
            json_set(entry, "arguments", json_copy(json_get(json_at(asked, n), "arguments")));
        json_set(entry, "return", json_new_object());
        text = json_format(entry, false);
        g_string_append_printf(out, "prepare %s\n", text);
        json_append(replies, entry);
    }
}

static void
add_preparation(GString *out, const Domain *domain)
{
    for (guint s = 0; device_spellings[s]; s++) {
        const GPtrArray *devices = domain_devices(domain, device_spellings[s]->kind);

        for (guint i = 0; device_spellings[s]->prepare && i < list_length(devices); i++)
            add_commands(out, device_spellings[s]->prepare, domain, devices->pdata[i]);
    }
    add_commands(out, inflate, domain, NULL);
}

static void
add_end(GString *out, const Domain *domain)
{
    static const RunState states[] = { RUN_STATE_SHUTDOWN, RUN_STATE_CRASHED };

    for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
        g_autoptr(Observed) observed = observed_new();
        g_autoptr(DomainPlan) plan = NULL;

        observed->run_state = states[i];
        plan = plan_domain(&(PlanInput){ .name = domain->name,
                                         .file = "t.xml",
                                         .desired = domain,
                                         .applied = domain,
                                         .observed = observed,
                                         .policy = policy_default(),
                                         .n_starts = 1 });
        g_string_append_printf(out, "end %s %s\n", plan_verdict_name(plan->verdict), plan->reason);
    }
}

OutcomeState
outcome_of(const char *text, bool is_raw, char **ret_text)
{
    g_autoptr(GString) said = g_string_new(NULL);
    g_autoptr(Domain) domain = read_domain(text, is_raw, said, ret_text);
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("t.xml");
    g_autoptr(CommandLine) line = NULL;
    g_auto(GStrv) argv = NULL;
    g_autofree char *words = NULL;
    GString *out;
    const DeviceContext context = {
        .at = { .domain = domain, .diagnostics = diagnostics, .path = (char *) "" },
        .capabilities = capabilities_builtin(),
        .facts = host()
    };

    if (!domain)
        return OUTCOME_REFUSED;
    line = command_line_build(domain, capabilities_builtin(), host(), NULL, diagnostics);
    if (!line) {
        refuse(diagnostics, ret_text);
        return OUTCOME_REFUSED;
    }
    argv = command_line_argv(line, domain->emulator ? domain->emulator : "qemu");
    words = g_strjoinv("\n", argv);
    out = g_string_new(words);
    g_string_append_c(out, '\n');
    add_list(out, "environment", command_line_environment(line));
    add_companions(out, &context);
    add_needs(out, &context);
    add_limits(out, domain);
    add_placement(out, domain);
    add_vcpus(out, domain);
    add_attachments(out, domain);
    add_preparation(out, domain);
    add_end(out, domain);
    add_said(out, diagnostics);
    g_string_append(out, said->str);
    *ret_text = g_string_free(out, FALSE);
    return OUTCOME_MADE;
}
