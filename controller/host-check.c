/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looking for what a domain needs, all of it, before anything is done: a guest must not be stopped
 * for a restart that its host can't give it, and whoever has to mend three things wants to hear of
 * three.
 *
 *     domain ─qemu/need─► needs ─look─► absent, of another kind, not to be opened by us ─► the line
 *
 * One row a kind of need says what the thing must be; what is wrong is said by one function. That
 * it exists now does not promise that it does when QEMU opens it: then QEMU says so.
 */
#include "controller/host-check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHERS (S_IRWXO)

static const struct {
    const char *what;
    mode_t type; /* of stat(2); 0 = any */
    int access;  /* for access(2), beside W_OK where it is written to */
} kinds[] = {
    [HOST_IMAGE] = { "a file", S_IFREG, R_OK },
    [HOST_BLOCK] = { "a block device", S_IFBLK, R_OK },
    [HOST_CHARACTER] = { "a character device", S_IFCHR, R_OK },
    [HOST_DIRECTORY] = { "a directory", S_IFDIR, R_OK | X_OK },
    [HOST_SOCKET] = { "a socket", S_IFSOCK, R_OK | W_OK },
    [HOST_PIPE] = { "a FIFO", S_IFIFO, R_OK },
    [HOST_PLACE] = { "a directory", S_IFDIR, W_OK | X_OK },
    [HOST_SECRET] = { "a file", S_IFREG, R_OK },
    [HOST_ENTRY] = { "there", 0, F_OK },
};

/* Caller frees; NULL: nothing is wrong with it. */
static char *
wrong_with(const HostNeed *need, const char *path, const struct stat *status)
{
    int access_mode = kinds[need->kind].access | (need->is_written ? W_OK : 0);
    mode_t type = kinds[need->kind].type;

    if (type && (status->st_mode & S_IFMT) != type)
        return g_strdup_printf("%s is not %s", path, kinds[need->kind].what);
    if (need->kind == HOST_SECRET && (status->st_mode & OTHERS))
        return g_strdup_printf("%s is a secret, and its mode lets everyone at it (%04o)", path,
                               status->st_mode & 07777);
    if (faccessat(AT_FDCWD, path, access_mode, AT_EACCESS) < 0)
        return g_strdup_printf("%s: %s", path, g_strerror(errno));
    return NULL;
}

/* A variable store is made from its template: whoever reads of the one has to know of the other. */
static char *
absent(const HostNeed *need, const char *path, int problem)
{
    if (need->otherwise)
        return g_strdup_printf("neither %s nor %s: %s", path, need->otherwise, g_strerror(problem));
    return g_strdup_printf("%s: %s", path, g_strerror(problem));
}

char *
host_need_look(const HostNeed *need)
{
    g_autofree char *directory = need->kind == HOST_PLACE ? g_path_get_dirname(need->path) : NULL;
    const char *path = directory ? directory : need->path;
    struct stat status;

    if (stat(path, &status) == 0)
        return wrong_with(need, path, &status);
    if (need->otherwise && stat(need->otherwise, &status) == 0)
        return NULL;
    return absent(need, path, errno);
}

static char *
look_at_recording(const Recording *recording, const HostNeed *need)
{
    if (!recording_is_absent(recording, need->path) ||
        (need->otherwise && !recording_is_absent(recording, need->otherwise)))
        return NULL;
    return absent(need, need->path, ENOENT);
}

char *
host_check_need(const Site *site, const HostNeed *need)
{
    return site->recording ? look_at_recording(site->recording, need) : host_need_look(need);
}

/* The emulator is looked for where the domain names one that may be executed. */
static void
check_emulator(const Site *site, const Domain *domain, const PositionMap *positions,
               Diagnostics *diagnostics)
{
    const char *emulator = domain->emulator;
    Validation at = { domain, positions, diagnostics, (char *) "" };

    if (!emulator || site->recording)
        return;
    if (!config_allows_emulator(site->config, emulator))
        validation_error(&at, "devices/emulator", "not-allowed",
                         "%s is not one of the configuration's emulators", emulator);
    else if (access(emulator, X_OK) < 0)
        validation_error(&at, "devices/emulator", "host-lacks", "%s: %s", emulator,
                         g_strerror(errno));
}

static HostFacts
facts_of(const Site *site, const Subject *subject)
{
    HostFacts facts = site->recording
                          ? *host_facts_assumed()
                          : host_facts(site->host, subject->run_directory, NULL, site_now(site));

    host_facts_add_pools(&facts, site->config);
    if (!site->recording)
        host_facts_add_devices(&facts, site->host);
    return facts;
}

void
host_check(const Site *site, const Subject *subject, Diagnostics *diagnostics)
{
    const HostFacts facts = facts_of(site, subject);
    g_autoptr(GPtrArray) needs = NULL;
    Validation at = { subject->desired, subject->positions, diagnostics, (char *) "" };

    check_emulator(site, subject->desired, subject->positions, diagnostics);
    needs = host_needs(subject->desired, &facts, subject->positions, diagnostics);
    for (guint i = 0; i < needs->len; i++) {
        const HostNeed *need = needs->pdata[i];
        g_autofree char *wrong = need->is_optional ? NULL : host_check_need(site, need);

        if (wrong)
            validation_error(&at, need->at, "host-lacks", "%s", wrong);
    }
}
