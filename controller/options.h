/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#include "controller/config.h"
#include "controller/terminal.h"

/*
 * The command line: global options before or after COMMAND, one table of options a command.
 * Wrong usage is exit status 64, failure 1, each with a message on stderr as `virtkeep: …`.
 */
#define EXIT_CONVERGED 0
#define EXIT_FAILED 1
#define EXIT_CHANGES 2       /* plan --exit-code */
#define EXIT_NOT_CONVERGED 3 /* apply, wait: not in time */
#define EXIT_USAGE 64

typedef enum {
    OUTPUT_TEXT = 1,
    OUTPUT_JSON,
} OutputFormat;

typedef struct GlobalOptions {
    char *config, *domains, *state, *run, *log; /* NULL: not given */
    int output;                                 /* OutputFormat; never 0 */
    int color;                                  /* ColorMode; never 0 */
    bool verbose, quiet;
} GlobalOptions;

typedef enum {
    OPTION_FLAG,     /* bool; no argument */
    OPTION_STRING,   /* char* */
    OPTION_STRINGS,  /* GPtrArray* of char*: may be given more than once */
    OPTION_DURATION, /* gint64, microseconds */
    OPTION_UINT,     /* OptUint (model/schema.h) */
    OPTION_ENUM,     /* int: names[value], names[0] is NULL, 0 = not given */
} OptionType;

typedef struct Option {
    const char *name; /* without "--" */
    char letter;      /* 0 = none */
    OptionType type;
    size_t offset;            /* in the command's options struct */
    const char *argument;     /* metavariable: "FILE"; NULL for flags */
    const char *const *names; /* OPTION_ENUM */
    const char *doc;          /* one line */
} Option;

#define OPTION_END                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }

/* One call of the program. */
typedef struct Command Command;
typedef struct Invocation {
    const Command *command;
    GlobalOptions global;
    gpointer options;        /* the command's own struct; NULL when it has none */
    const char *const *args; /* NULL-terminated; what is left after the options */
    guint n_args;
} Invocation;

struct Command {
    const char *name;
    const char *arguments; /* for usage lines: "PATH..."; "" when there are none */
    const char *summary;   /* one line, no full stop */
    const char *doc;       /* some sentences; may hold newlines */
    const char *examples;  /* lines "  virtkeep …" */
    const Option *options; /* ended by OPTION_END; NULL when there are none */
    size_t options_size;   /* sizeof the struct; it is zeroed, then defaults() is called */
    void (*set_defaults)(gpointer options);   /* may be NULL */
    guint min_args, max_args;                 /* G_MAXUINT = any number */
    int (*run)(const Invocation *invocation); /* exit status */
};

extern const Option global_options[];

/* Parses @argv, runs the command found in @commands (NULL-terminated) and returns the
 * exit status. --help and --version are answered here. */
int options_main(const Command *const *commands, int argc, char **argv);

/* As options_main() but returns the invocation instead of running it. NULL when there is nothing
 * to run: *@ret_status is the exit status then, and *@ret_text what to print (to stdout when the
 * status is 0, else to stderr). For tests; options_main() is built on it. Free with
 * invocation_free(). */
Invocation *options_parse(const Command *const *commands, int argc, char **argv, int *ret_status,
                          char **ret_text);
void invocation_free(Invocation *invocation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Invocation, invocation_free)

/* The text of `virtkeep --help` and `virtkeep COMMAND --help`. Caller frees. */
char *options_help(const Command *const *commands, const Command *command);

/* What most commands begin with: the configuration with the command line's paths. On failure
 * NULL, and everything there is to say has been printed to stderr: return EXIT_FAILED. */
Config *invocation_config(const Invocation *invocation);
