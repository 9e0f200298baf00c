/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model/capabilities.h"
#include "model/domain.h"
#include "model/json.h"
#include "qemu/host-facts.h"

/*
 * CommandLine: the options of one QEMU in order, each a name with a text, with a property tree, or
 * alone. Trees are what device_add, object-add, blockdev-add and netdev_add take later.
 */
typedef struct CommandLine CommandLine;

typedef struct Option {
    const char *name; /* static: "-device" */
    char *text;       /* NULL when there is a tree or no argument */
    Json *tree;       /* NULL when there is a text or no argument */
} Option;

/*
 * The command line of @domain, which must be resolved (addresses, aliases, implied devices).
 * Without emulator, monitors and -S: launch adds them. What this QEMU lacks, or virtkeep can't
 * spell yet, is an error in @diagnostics (codes not-in-qemu, not-supported, no-huge-pages, …),
 * placed with @positions (may be NULL); then NULL is returned.
 */
CommandLine *command_line_build(const Domain *domain, const Capabilities *capabilities,
                                const HostFacts *facts, const PositionMap *positions,
                                Diagnostics *diagnostics);
void command_line_free(CommandLine *line); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CommandLine, command_line_free)

guint command_line_length(const CommandLine *line);
const Option *command_line_at(const CommandLine *line, guint index); /* borrowed */
/* NULL-terminated, argv[0] is @emulator; to be freed with g_strfreev(). */
char **command_line_argv(const CommandLine *line, const char *emulator);

/* What QEMU's environment has beside ours, char* "NAME=VALUE" each; borrowed, may be empty. */
const GPtrArray *command_line_environment(const CommandLine *line);

/* For those who spell parts of it. @name is static; text is copied, @tree taken. */
void command_line_add(CommandLine *line, const char *name,
                      const char *text); /* @text may be NULL */
void command_line_add_tree(CommandLine *line, const char *name, Json *tree);
void command_line_addf(CommandLine *line, const char *name, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

void command_line_add_environment(CommandLine *line, const char *name, const char *value);

/* The key=value,… form: appends ",key=value" (no comma when @text is empty) with commas of
 * the value doubled, as QEMU wants them. NULL @value: nothing. NULL @key: the value alone. */
void option_text_add(GString *text, const char *key, const char *value);
void option_text_add_uint(GString *text, const char *key, guint64 value);
void option_text_add_switch(GString *text, const char *key, bool value); /* on, off */
/* The same for a Tristate; absent: nothing. */
void option_text_add_tristate(GString *text, const char *key, int value);
