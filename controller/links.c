/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain's links, domain by domain what qemu/host-link.h does interface by interface.
 *
 *     plan, pass   links_check: each absence with its line; a start is then blocked, not tried
 *     start        links_check again, since the host moves; links_make; QEMU gets the descriptors
 *     plugged      links_plug: the same for one interface, its descriptors passed over the monitor
 *     unplugged    links_unplug, once its netdev has gone
 *     no QEMU      links_sweep, in every pass that finds none: what a crash left is gone with it
 *
 * Nothing is remembered here. A tap goes with the descriptors, which is why ours are closed as soon
 * as the held child has its own: from then on a QEMU that dies takes its taps with it.
 */
#include "controller/links.h"

#include <unistd.h>

#include "model/interface.h"
#include "qemu/attachment.h"
#include "qemu/host-link.h"
#include "reconcile/actual.h"

#define PASSED "virtkeep-" /* names of descriptors that QEMU was passed */

static HostFacts
facts_for(const Site *site, const Subject *subject)
{
    HostFacts facts = host_facts(site->host, subject->run_directory, NULL, 0);

    host_facts_add_pools(&facts, site->config);
    return facts;
}

static void
check_one(const Subject *subject, const HostFacts *facts, guint index, Diagnostics *diagnostics)
{
    const Domain *domain = subject->desired;
    const Interface *interface = list_at(domain->interfaces, index, Interface);
    g_autofree char *path = g_strdup_printf("devices/interface[%u]", index);
    Validation at = {
        .domain = domain, .positions = subject->positions, .diagnostics = diagnostics, .path = path
    };
    guint n_errors = diagnostics->n_errors;

    attachment_check(&at, interface, facts);
    if (diagnostics->n_errors == n_errors)
        host_link_check(&at, interface, facts, subject->run_directory);
}

void
links_check(const Site *site, const Subject *subject, Diagnostics *diagnostics)
{
    HostFacts facts = facts_for(site, subject);

    for (guint i = 0; i < list_length(subject->desired->interfaces); i++)
        check_one(subject, &facts, i, diagnostics);
}

static bool
is_all_there(const Diagnostics *diagnostics, GError **error)
{
    g_autofree char *missing = diagnostics_errors(diagnostics);

    if (missing)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, missing);
    return !missing;
}

static bool
check_now(const Site *site, const Subject *subject, GError **error)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(subject->entry->file);

    links_check(site, subject, diagnostics);
    return is_all_there(diagnostics, error);
}

static Links *
links_new(void)
{
    Links *links = g_new0(Links, 1);

    links->fds = g_array_new(FALSE, FALSE, sizeof(LaunchFd));
    links->links = g_array_new(FALSE, FALSE, sizeof(HostLink));
    return links;
}

Links *
links_make(const Site *site, const Subject *subject, const Domain *domain, GError **error)
{
    HostFacts facts = facts_for(site, subject);
    g_autoptr(Links) links = links_new();

    if (!check_now(site, subject, error))
        return NULL;
    for (guint i = 0; i < list_length(domain->interfaces); i++) {
        HostLink link = { 0 };

        if (!host_link_open(list_at(domain->interfaces, i, Interface), &facts,
                            subject->run_directory, i, links->fds, &link, error))
            return NULL;
        if (link.n_queues)
            g_array_append_val(links->links, link);
    }
    return g_steal_pointer(&links);
}

void
links_free(Links *links)
{
    if (!links)
        return;
    for (guint i = 0; i < links->fds->len; i++)
        close(g_array_index(links->fds, LaunchFd, i).fd);
    g_array_unref(links->fds);
    g_array_unref(links->links);
    g_free(links);
}

/* ---- while the guest runs ---- */

static char *
passed_name(guint number)
{
    return g_strdup_printf(PASSED "%u", number);
}

/* Of an earlier attempt that did not come to its end: they keep its tap alive. */
static void
close_passed(Monitor *monitor, const Attachment *attachment)
{
    for (guint i = 0; i < 2 * attachment->n_queues; i++) { /* vhost's too */
        g_autofree char *name = passed_name(LAUNCH_FIRST_FREE_FD + i);

        (void) monitor_close_fd(monitor, name, NULL);
    }
}

static bool
pass_all(Monitor *monitor, const GArray *fds, GError **error)
{
    for (guint i = 0; i < fds->len; i++) {
        const LaunchFd *fd = &g_array_index(fds, LaunchFd, i);
        g_autofree char *name = passed_name((guint) fd->number);

        if (!monitor_pass_fd(monitor, name, fd->fd, error))
            return false;
    }
    return true;
}

static bool
check_device(const Subject *subject, const HostFacts *facts, const DeviceInfo *device,
             GError **error)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(subject->entry->file);
    const GPtrArray *desired = subject->desired->interfaces;

    for (guint i = 0; i < list_length(desired); i++)
        if (!g_strcmp0(list_at(desired, i, DeviceInfo)->alias, device->alias))
            check_one(subject, facts, i, diagnostics);
    return is_all_there(diagnostics, error);
}

Links *
links_plug(const Site *site, const Subject *subject, const DeviceKind *kind, gconstpointer device,
           GError **error)
{
    HostFacts facts = facts_for(site, subject);
    g_autoptr(Links) links = links_new();
    HostLink link = { 0 };

    if (kind != &interface_kind)
        return g_steal_pointer(&links);
    if (!check_device(subject, &facts, device, error) ||
        !links_unplug(site, subject, kind, device, error) ||
        !host_link_open(device, &facts, subject->run_directory,
                        host_link_free_place(subject->run_directory), links->fds, &link, error) ||
        !pass_all(subject->monitor, links->fds, error))
        return NULL;
    link.prefix = PASSED;
    if (link.n_queues)
        g_array_append_val(links->links, link);
    return g_steal_pointer(&links);
}

bool
links_unplug(const Site *site, const Subject *subject, const DeviceKind *kind, gconstpointer device,
             GError **error)
{
    HostFacts facts = facts_for(site, subject);
    Attachment attachment;

    if (kind != &interface_kind || !facts.can_make_links)
        return true;
    attachment = attachment_of(device, &facts);
    if (attachment.kind != ATTACHMENT_NONE)
        close_passed(subject->monitor, &attachment);
    return host_link_remove(device, &facts, subject->run_directory, error);
}

static bool
is_same_tag(const VlanTag *a, const VlanTag *b)
{
    return a->id.value == b->id.value && a->native_mode == b->native_mode;
}

static bool
is_same_port(const Interface *a, const Interface *b)
{
    guint n = list_length(a->vlan_tags);

    if (n != list_length(b->vlan_tags) || a->vlan_trunk != b->vlan_trunk ||
        a->is_isolated != b->is_isolated || g_strcmp0(a->bridge, b->bridge) ||
        g_strcmp0(a->network, b->network))
        return false;
    for (guint i = 0; i < n; i++)
        if (!is_same_tag(list_at(a->vlan_tags, i, VlanTag), list_at(b->vlan_tags, i, VlanTag)))
            return false;
    return true;
}

/* Where it has lost its bridge it is one as well. */
static bool
is_tap_of_ours(const Attachment *attachment)
{
    return attachment->kind == ATTACHMENT_TAP && !attachment->is_ready_made;
}

bool
links_follow(const Site *site, const Subject *subject, const DeviceKind *kind, gconstpointer before,
             gconstpointer after, GError **error)
{
    HostFacts facts = facts_for(site, subject);
    Attachment from, to;

    if (kind != &interface_kind || is_same_port(before, after))
        return true;
    from = attachment_of(before, &facts);
    to = attachment_of(after, &facts);
    if (is_tap_of_ours(&from) && is_tap_of_ours(&to) && to.bridge)
        return check_device(subject, &facts, after, error) &&
               host_link_move(after, &facts, subject->run_directory,
                              process_record(subject->process)->pid, error);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                        facts.can_make_links
                            ? "its link on the host can't be moved while it runs: restart it"
                            : "moving its link needs CAP_NET_ADMIN: restart it");
    return false;
}

static void
look_at(Subject *subject, const HostFacts *facts, const Interface *interface)
{
    Attachment attachment = attachment_of(interface, facts);
    const char *told =
        attachment.kind == ATTACHMENT_MACVTAP ? attachment.parent : attachment.bridge;
    g_autofree char *of = NULL;

    if (host_link_look(interface, facts, subject->run_directory,
                       process_record(subject->process)->pid, &of) &&
        g_strcmp0(of, told))
        observed_add_port(subject->observed, interface->info.alias, of);
}

void
links_look(const Site *site, Subject *subject)
{
    const GPtrArray *interfaces = subject->applied ? subject->applied->interfaces : NULL;
    HostFacts facts = facts_for(site, subject);

    for (guint i = 0; subject->process && subject->monitor && i < list_length(interfaces); i++)
        if (observed_has_device(subject->observed, list_at(interfaces, i, DeviceInfo)->alias))
            look_at(subject, &facts, interfaces->pdata[i]);
}

bool
links_sweep(const Subject *subject, GError **error)
{
    return host_links_sweep(subject->run_directory, error);
}
