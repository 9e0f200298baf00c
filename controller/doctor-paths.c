/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor: the directories and files of the configuration.
 *
 * What does not exist yet is no fault where virtkeep makes it itself; then its nearest existing
 * parent must let it. The domains directory is only read, and its scan says the same as that of
 * `watch` would. The state file is opened read-only and checked as a whole.
 */
#include "controller/doctor.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "model/quantity.h"
#include "qemu/companion.h"
#include "qemu/launch.h"
#include "state/store.h"

#include "controller/directory.h"

#define SPACE_FAIL (16u << 20)
#define SPACE_WARN (256u << 20)
#define NAME_WANTED 32 /* characters that a domain's name may have for its sockets to fit */

#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xFF534D42
#endif

static void
check_domains(const Config *config, Findings *findings)
{
    g_autoptr(DirectoryScan) scan = directory_scan(config->domains, geteuid() == 0, NULL);
    g_autofree char *complaint = directory_scan_complaint(scan);

    if (scan->is_missing)
        findings_add(findings, FINDING_WARN, "domains", "create it", "%s does not exist",
                     config->domains);
    else if (scan->problem)
        findings_add(findings, FINDING_FAIL, "domains", "mend its permissions", "%s: %s",
                     config->domains, scan->problem);
    else
        findings_add(findings, FINDING_OK, "domains", NULL, "%s: %u valid files%s%s",
                     config->domains, scan->n_valid, scan->commit ? ", commit " : "",
                     scan->commit ? scan->commit : "");
    if (complaint)
        findings_add(findings, FINDING_WARN, "domains", "virtkeep validate says all of it", "%s",
                     complaint);
}

/* @path or the nearest of its parents that exists. Caller frees. */
static char *
existing_part(const char *path)
{
    char *at = g_strdup(path);

    while (access(at, F_OK) < 0 && strcmp(at, "/") && strcmp(at, ".")) {
        char *parent = g_path_get_dirname(at);

        g_free(at);
        at = parent;
    }
    return at;
}

static bool
is_network(const struct statfs *system)
{
    static const unsigned long magics[] = { NFS_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC,
                                            SMB_SUPER_MAGIC };

    for (guint i = 0; i < G_N_ELEMENTS(magics); i++)
        if ((unsigned long) system->f_type == magics[i])
            return true;
    return false;
}

/* A directory that virtkeep writes to and makes where it is missing. */
static void
check_writable(const char *directory, const char *check, Findings *findings)
{
    g_autofree char *part = existing_part(directory);
    g_autofree char *space = NULL;
    struct statfs system;
    struct stat status;
    guint64 n_free;

    if (stat(part, &status) < 0 || statfs(part, &system) < 0) {
        findings_add(findings, FINDING_FAIL, check, NULL, "%s: %s", part, g_strerror(errno));
        return;
    }
    n_free = (guint64) system.f_bavail * system.f_bsize;
    space = size_text(n_free);
    if (!S_ISDIR(status.st_mode))
        findings_add(findings, FINDING_FAIL, check, "move it away", "%s is not a directory", part);
    else if (access(part, W_OK | X_OK) < 0)
        findings_add(findings, FINDING_FAIL, check, "run as another user, or mend its permissions",
                     "%s: %s", part, g_strerror(errno));
    else if (geteuid() == 0 && (status.st_mode & S_IWOTH) && !strcmp(part, directory))
        findings_add(findings, FINDING_FAIL, check, "chmod o-w", "others may write to %s", part);
    else if (n_free < SPACE_WARN)
        findings_add(findings, n_free < SPACE_FAIL ? FINDING_FAIL : FINDING_WARN, check,
                     "make room", "%s: %s free", directory, space);
    else
        findings_add(findings, FINDING_OK, check, NULL, "%s%s, %s free", directory,
                     strcmp(part, directory) ? " (to be made)" : "", space);
}

static void
check_state(const Config *config, Findings *findings)
{
    g_autofree char *directory = g_path_get_dirname(config->state);
    g_autofree char *part = existing_part(directory);
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = NULL;
    struct statfs system;

    check_writable(directory, "state", findings);
    if (statfs(part, &system) == 0 && is_network(&system))
        findings_add(findings, FINDING_FAIL, "state", "put 'state' on a local disk",
                     "%s is on a network file system, where SQLite's write-ahead log is not safe",
                     config->state);
    if (access(config->state, F_OK) < 0)
        return;
    store = store_open(config->state, STORE_READ_ONLY, &error);
    if (!store || !store_check(store, &error))
        findings_add(findings, FINDING_FAIL, "state", NULL, "%s", error->message);
    else
        findings_add(findings, FINDING_OK, "state", NULL, "%s is sound", config->state);
}

static void
check_run(const Config *config, Findings *findings)
{
    g_autofree char *name = g_strnfill(NAME_WANTED, 'x');
    g_autofree char *directory = g_build_filename(config->run, name, NULL);
    g_autoptr(GError) error = NULL;

    check_writable(config->run, "run", findings);
    if (!launch_check_run_directory(directory, &error))
        findings_add(findings, FINDING_WARN, "run", "choose a shorter 'run'",
                     "names of %d characters are too long: %s", NAME_WANTED, error->message);
}

static void
check_pools(const Config *config, Findings *findings)
{
    for (guint i = 0; i < config->pools->len; i++) {
        const ConfigPool *pool = config->pools->pdata[i];

        if (g_file_test(pool->path, G_FILE_TEST_IS_DIR))
            findings_add(findings, FINDING_OK, "pool", NULL, "%s: %s", pool->name, pool->path);
        else
            findings_add(findings, FINDING_WARN, "pool",
                         "create it, or change 'pools' in virtkeep.yaml",
                         "%s: %s is not a directory", pool->name, pool->path);
    }
}

/* The distribution's AppArmor profile of a program, if it is in force; caller frees. It allows what
 * libvirt needs, not what is in our directories. */
static char *
confinement(const char *program)
{
    g_autofree char *enabled = NULL;
    g_autofree char *name = g_strdelimit(g_strdup(program + 1), "/", '.');
    g_autofree char *path = g_build_filename("/etc/apparmor.d", name, NULL);

    if (!g_file_get_contents("/sys/module/apparmor/parameters/enabled", &enabled, NULL, NULL) ||
        *enabled != 'Y' || access(path, F_OK) < 0)
        return NULL;
    return g_steal_pointer(&path);
}

/* Only domains that have such devices need them. */
static void
check_helpers(const Config *config, Findings *findings)
{
    for (guint i = 0; companion_programs[i]; i++) {
        const char *name = companion_programs[i];
        const char *named = config_helper_path(config, name);
        g_autofree char *path = companion_find_program(named ? named : name);
        g_autofree char *profile = path ? confinement(path) : NULL;

        if (profile)
            findings_add(findings, FINDING_WARN, "helper",
                         "let its profile read and write the directories 'run' and that of 'state'",
                         "%s: %s, confined by %s", name, path, profile);
        else if (path)
            findings_add(findings, FINDING_OK, "helper", NULL, "%s: %s", name, path);
        else if (named)
            findings_add(findings, FINDING_WARN, "helper", "mend 'helpers' in virtkeep.yaml",
                         "%s: %s is not there", name, named);
        else
            findings_add(findings, FINDING_OK, "helper", NULL,
                         "%s is not installed; domains that need it can't start", name);
    }
}

void
doctor_check_paths(const Config *config, Findings *findings)
{
    check_domains(config, findings);
    check_state(config, findings);
    check_run(config, findings);
    check_writable(config->log, "log", findings);
    check_pools(config, findings);
    check_helpers(config, findings);
}
