/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "qemu/device.h"

/*
 * Companion: a helper process that a device of a domain needs beside QEMU (swtpm, virtiofsd, passt,
 * …), as a value: what to run, where QEMU meets it, and what must exist for it. Made by the kinds'
 * `companions` hook from the domain alone; nothing is looked at or run for it.
 */

/* The number under which a companion is handed the socket that it serves. */
#define COMPANION_FD 3

/* The programs there are, "swtpm", "virtiofsd", …; ended by NULL. The keys of the configuration's
 * `helpers`. */
extern const char *const companion_programs[];

typedef enum {
    NEED_FILE,
    NEED_DIRECTORY,
    NEED_PROGRAM, /* an absolute path, or a name that is looked for */
} CompanionNeedKind;

typedef struct CompanionNeed {
    CompanionNeedKind kind;
    char *path;
    char *field; /* what says so, below the device; NULL: the device */
} CompanionNeed;

struct Companion {
    const char *kind;     /* of companion_programs */
    char *id;             /* the device's alias: "tpm0" */
    char *where;          /* the device's path, "devices/tpm[0]" */
    char *program;        /* an absolute path, or a name that is looked for */
    GPtrArray *arguments; /* char*, after the program's name */
    char *socket;         /* where QEMU connects to; NULL: nowhere */
    bool is_handed;       /* the socket is listened on by us and handed over as COMPANION_FD */
    bool can_restart;     /* QEMU connects again by itself */
    GPtrArray *needs;     /* CompanionNeed */
    char *directory;      /* made (0700) before the start where it is missing; NULL */
    char *file, *content; /* a file that is written (0600) before the start; NULL */
    char *cgroup;         /* its directory, entered before the program runs; NULL: none. The starter's */
};

/* A companion of the device whose alias is @id, to be filled further and put into @companions,
 * which owns it. @kind is one of companion_programs. @program: what the domain says (@field), NULL:
 * what the host's facts say. Needs it. */
Companion *companion_add(const DeviceContext *context, GPtrArray *companions, const char *kind,
                         const char *id, const char *program, const char *field);
void companion_free(Companion *companion);
GPtrArray *companions_new(void); /* an empty list that owns its Companion */

void companion_argument(Companion *companion, const char *argument); /* NULL: nothing */
void companion_argumentf(Companion *companion, const char *format, ...) G_GNUC_PRINTF(2, 3);
void companion_need(Companion *companion, CompanionNeedKind kind, const char *path,
                    const char *field);

/* The companions of every device of the domain, which must be resolved. What can't be done is
 * refused in the context's diagnostics. */
void device_companions_all(const DeviceContext *context, GPtrArray *companions);
/* Those of one device, one of the domain's. */
void device_companions(const DeviceContext *context, const DeviceKind *kind, gconstpointer device,
                       GPtrArray *companions);

/* RUN/NAME/ALIAS-SUFFIX.sock, where QEMU's command line looks for it. Caller frees. */
char *companion_socket(const DeviceContext *context, const char *alias, const char *suffix);
/* Whether a domain may name @path as the program of @kind: the host's own, or one of that name in
 * a directory where programs of that kind are installed. */
bool companion_allows_program(const HostFacts *facts, const char *kind, const char *path);

/* The absolute path of a program: itself when it is one; otherwise found in $PATH and where
 * distributions put helpers. Caller frees; NULL = not there, or not executable. */
char *companion_find_program(const char *program);
/* Reports (code "missing") each need that isn't met on this host. */
void companion_check(const Companion *companion, const DeviceContext *context);
