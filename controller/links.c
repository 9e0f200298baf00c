/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain's links, domain by domain what qemu/host-link.h does interface by interface.
 *
 *     plan, pass   links_check: each absence with its line; a start is then blocked, not tried
 *     start        links_check again, since the host moves; links_make; QEMU gets the descriptors
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

static HostFacts
facts_for(const Site *site, const Subject *subject)
{
    HostFacts facts = host_facts(site->host, subject->run_directory, NULL, 0);

    host_facts_add_pools(&facts, site->config);
    return facts;
}

void
links_check(const Site *site, const Subject *subject, Diagnostics *diagnostics)
{
    HostFacts facts = facts_for(site, subject);
    const Domain *domain = subject->desired;

    for (guint i = 0; i < list_length(domain->interfaces); i++) {
        const Interface *interface = list_at(domain->interfaces, i, Interface);
        g_autofree char *path = g_strdup_printf("devices/interface[%u]", i);
        Validation at = { .domain = domain,
                          .positions = subject->positions,
                          .diagnostics = diagnostics,
                          .path = path };
        guint n_errors = diagnostics->n_errors;

        attachment_check(&at, interface, &facts);
        if (diagnostics->n_errors == n_errors)
            host_link_check(&at, interface, &facts, subject->run_directory);
    }
}

static bool
check_now(const Site *site, const Subject *subject, GError **error)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(subject->entry->file);
    g_autofree char *missing = NULL;

    links_check(site, subject, diagnostics);
    missing = diagnostics_errors(diagnostics);
    if (missing)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, missing);
    return !missing;
}

Links *
links_make(const Site *site, const Subject *subject, const Domain *domain, GError **error)
{
    HostFacts facts = facts_for(site, subject);
    g_autoptr(Links) links = g_new0(Links, 1);

    links->fds = g_array_new(FALSE, FALSE, sizeof(LaunchFd));
    links->links = g_array_new(FALSE, FALSE, sizeof(HostLink));
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

bool
links_check_plug(const Site *site, const Subject *subject, const DeviceKind *kind,
                 gconstpointer device, GError **error)
{
    HostFacts facts = facts_for(site, subject);
    Attachment attachment;

    if (kind != &interface_kind)
        return true;
    attachment = attachment_of(device, &facts);
    if (attachment_needs_no_link(&attachment, device))
        return true;
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                        "its link on the host is made only when the domain starts: restart it");
    return false;
}

bool
links_sweep(const Subject *subject, GError **error)
{
    return host_links_sweep(subject->run_directory, error);
}
