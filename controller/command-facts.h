/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"

/*
 * CommandFacts: HostFacts for what is really run, with what they borrow. For a command line and
 * for hot plug alike.
 */
typedef struct CommandFacts {
    HostFacts host;
    char *memory_directory;
    char *run_directory;
    Json *host_model;
} CommandFacts;

CommandFacts *command_facts_new(const Site *site, const Domain *domain, const char *emulator,
                                const char *run_directory);
void command_facts_free(CommandFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CommandFacts, command_facts_free)
