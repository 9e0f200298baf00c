/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of this host and its configuration goes into QEMU's options.
 *
 * A device comes to be in two ways, at the start and later, and must be the same device: so both
 * get what they know of the host from here. `argv`, which shows a command line for a host that may
 * be another one, has its own (controller/argv.c).
 */
#include "controller/command-facts.h"

#include <glib/gstdio.h>

#include "controller/host-model.h"

CommandFacts *
command_facts_new(const Site *site, const Domain *domain, const char *emulator,
                  const char *run_directory)
{
    CommandFacts *facts = g_new0(CommandFacts, 1);

    facts->memory_directory = site_memory_directory(site);
    facts->run_directory = g_strdup(run_directory);
    facts->host_model = site_host_model(site, domain, emulator);
    facts->host =
        host_facts(site->host, facts->run_directory, facts->memory_directory, g_get_real_time());
    host_facts_add_pools(&facts->host, site->config);
    host_facts_add_devices(&facts->host, site->host);
    facts->host.host_model = facts->host_model;
    facts->host.is_qemu_namespace_allowed = site->config->allow_qemu_namespace;
    /* One that can't be made is said by the QEMU that needs it. */
    (void) g_mkdir_with_parents(facts->memory_directory, 0700);
    return facts;
}

void
command_facts_free(CommandFacts *facts)
{
    if (!facts)
        return;
    g_free(facts->memory_directory);
    g_free(facts->run_directory);
    json_free(facts->host_model);
    g_free(facts);
}
