/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing limits into cgroup v2.
 *
 *     PARENT                         delegated to virtkeep; holds no process itself
 *     └── guest-NAME                 memory, io, cpu and cpuset of the whole QEMU
 *         ├── emulator               type "threaded": cpu alone
 *         ├── vcpu0 …
 *         └── iothread1 …
 *
 * The groups of threads exist only where a domain limits its threads; so a domain with a memory
 * limit has one directory and no more. Controllers are given to PARENT's children as a domain needs
 * them and never taken away, since another may use them.
 *
 * The cgroup is the domain's before QEMU or a companion is a program: the held child (held-child.c)
 * is put into it and then executes, so none runs outside its limits even for an instant. QEMU's
 * threads are sorted into their groups once QEMU tells which is which, before the guest runs.
 *
 * Nothing is remembered. After a crash the directory is found by its name; the kernel refuses to
 * remove one in which something lives, which is the guard against taking it from a running QEMU.
 */
#include "qemu/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "qemu/cgroup-limits.h"
#include "qemu/threads.h"

#define EMPTY_TIMEOUT_US (2 * G_USEC_PER_SEC)

static bool
refuse(const char *what, GError **error)
{
    g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(errno), "cgroup %s: %s", what,
                g_strerror(errno));
    return false;
}

char *
cgroup_directory(const char *parent, const char *name)
{
    g_autofree char *last = g_strconcat("guest-", name, NULL);

    return g_build_filename(parent, last, NULL);
}

/* ---- files ---- */

/* Without the newline; NULL when it can't be read. */
static char *
read_file(const char *directory, const char *file)
{
    g_autofree char *path = g_build_filename(directory, file, NULL);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

/* One write, since the kernel takes each as one request. O_CREAT is for a directory that stands in
 * for a cgroup: in a real one no file can be made. */
static bool
write_file(const char *directory, const char *file, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename(directory, file, NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    bool is_written = fd >= 0 && write(fd, line, strlen(line)) >= 0;

    if (!is_written) {
        refuse(path, error);
        g_prefix_error(error, "writing '%s': ", text);
    }
    if (fd >= 0)
        close(fd);
    return is_written;
}

static bool
has_word(const char *words, const char *word)
{
    g_auto(GStrv) list = g_strsplit(words ? words : "", " ", -1);

    return g_strv_contains((const char *const *) list, word);
}

char *
cgroup_device_number(const char *path, GError **error)
{
    struct stat status;

    if (stat(path, &status) < 0) {
        g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(errno), "%s: %s", path,
                    g_strerror(errno));
        return NULL;
    }
    if (S_ISBLK(status.st_mode))
        return g_strdup_printf("%u:%u", major(status.st_rdev), minor(status.st_rdev));
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s: not a block device", path);
    return NULL;
}

/* ---- whether it can be done ---- */

char *
cgroup_controllers(const char *parent)
{
    return read_file(parent, "cgroup.controllers");
}

char *
cgroup_refusal(const char *parent, const char *controller)
{
    g_autofree char *there = cgroup_controllers(parent);
    g_autofree char *given = read_file(parent, "cgroup.subtree_control");
    g_autofree char *processes = read_file(parent, "cgroup.procs");

    if (!there)
        return g_strdup_printf("%s is no cgroup v2", parent);
    if (!has_word(there, controller))
        return g_strdup_printf("%s has no controller '%s' (it has: %s)", parent, controller,
                               *there ? there : "none");
    if (!has_word(given, controller) && processes && *processes)
        return g_strdup_printf("%s holds processes itself, so its children get no controller '%s'",
                               parent, controller);
    if (access(parent, W_OK) < 0)
        return g_strdup_printf("%s can't be written to: %s", parent, g_strerror(errno));
    return NULL;
}

/* ---- making it ---- */

static bool
give_controller(const char *directory, const char *controller, GError **error)
{
    g_autofree char *given = read_file(directory, "cgroup.subtree_control");
    g_autofree char *text = g_strconcat("+", controller, NULL);

    return has_word(given, controller) ||
           write_file(directory, "cgroup.subtree_control", text, error);
}

static bool
make_directory(const char *path, GError **error)
{
    return mkdir(path, 0755) == 0 || refuse(path, error);
}

/* A group of threads, made at its first write. */
static bool
make_group(const char *domain, const CgroupWrite *write, GError **error)
{
    g_autofree char *path = g_build_filename(domain, write->group, NULL);

    return g_file_test(path, G_FILE_TEST_IS_DIR) ||
           (make_directory(path, error) && write_file(path, "cgroup.type", "threaded", error) &&
            give_controller(domain, write->controller, error));
}

/* io.weight belongs to one I/O scheduler's cost model; with BFQ it has another name. */
static const char *
existing_file(const char *directory, const char *file)
{
    g_autofree char *path = g_build_filename(directory, file, NULL);
    g_autofree char *bfq = g_build_filename(directory, "io.bfq.weight", NULL);

    if (strcmp(file, "io.weight") || g_file_test(path, G_FILE_TEST_EXISTS))
        return file;
    return g_file_test(bfq, G_FILE_TEST_EXISTS) ? "io.bfq.weight" : file;
}

static bool
write_limit(const char *domain, const CgroupWrite *write, GError **error)
{
    g_autofree char *directory = g_build_filename(domain, write->group, NULL);
    g_autofree char *device = write->device ? cgroup_device_number(write->device, error) : NULL;
    g_autofree char *text = NULL;

    if (write->device && !device)
        return false;
    text = device ? g_strdup_printf("%s %s", device, write->value) : g_strdup(write->value);
    return write_file(directory, existing_file(directory, write->file), text, error);
}

static bool
write_limits(const char *parent, const char *domain, const GPtrArray *writes, GError **error)
{
    for (guint i = 0; i < writes->len; i++) {
        const CgroupWrite *write = writes->pdata[i];

        if ((*write->group && !make_group(domain, write, error)) ||
            !write_limit(domain, write, error)) {
            g_prefix_error(error, "%s: ", write->path);
            return false;
        }
    }
    return true;
}

bool
cgroup_create(const char *parent, const char *name, const GPtrArray *writes, GError **error)
{
    g_autofree char *path = cgroup_directory(parent, name);

    if (!cgroup_remove(parent, name, error))
        return false;
    for (guint i = 0; i < writes->len; i++)
        if (!give_controller(parent, ((const CgroupWrite *) writes->pdata[i])->controller, error))
            return false;
    return make_directory(path, error) && write_limits(parent, path, writes, error);
}

/* All threads of a process that is put in leave the groups they are in: once is enough. */
static bool
has_process(const char *directory, pid_t pid)
{
    g_autofree char *processes = read_file(directory, "cgroup.procs");
    g_auto(GStrv) list = g_strsplit(processes ? processes : "", "\n", -1);
    g_autofree char *text = g_strdup_printf("%d", (int) pid);

    return g_strv_contains((const char *const *) list, text);
}

bool
cgroup_enter(const char *directory, pid_t pid, GError **error)
{
    g_autofree char *text = g_strdup_printf("%d", (int) pid);

    return has_process(directory, pid) || write_file(directory, "cgroup.procs", text, error);
}

bool
cgroup_change(const char *parent, const char *name, pid_t pid, const GPtrArray *writes,
              GError **error)
{
    g_autofree char *path = cgroup_directory(parent, name);

    for (guint i = 0; i < writes->len; i++)
        if (!give_controller(parent, ((const CgroupWrite *) writes->pdata[i])->controller, error))
            return false;
    if (!g_file_test(path, G_FILE_TEST_IS_DIR) && !make_directory(path, error))
        return false;
    return write_limits(parent, path, writes, error) && cgroup_enter(path, pid, error);
}

bool
cgroup_attach_threads(const char *parent, const char *name, const GArray *threads, GError **error)
{
    g_autofree char *domain = cgroup_directory(parent, name);

    for (guint i = 0; i < threads->len; i++) {
        const QemuThread *thread = &g_array_index(threads, QemuThread, i);
        g_autofree char *group = thread_name(thread->role, thread->number);
        g_autofree char *path = g_build_filename(domain, group, NULL);
        g_autofree char *text = g_strdup_printf("%d", (int) thread->id);
        g_autofree char *task = g_strdup_printf("/proc/%d", (int) thread->id);
        g_autoptr(GError) problem = NULL;

        if (!g_file_test(path, G_FILE_TEST_IS_DIR) ||
            write_file(path, "cgroup.threads", text, &problem))
            continue;
        /* Workers of the emulator come and go. */
        if (thread->role == THREAD_EMULATOR && !g_file_test(task, G_FILE_TEST_EXISTS))
            continue;
        g_propagate_prefixed_error(error, g_steal_pointer(&problem), "%s: ", group);
        return false;
    }
    return true;
}

/* ---- and away ---- */

/* A process that has ended is still counted for a moment. */
static bool
wait_until_empty(const char *path)
{
    g_autofree char *events = g_build_filename(path, "cgroup.events", NULL);
    gint64 deadline = g_get_monotonic_time() + EMPTY_TIMEOUT_US;
    int fd = open(events, O_RDONLY | O_CLOEXEC);
    bool is_empty = false;

    while (fd >= 0 && !is_empty && g_get_monotonic_time() < deadline) {
        struct pollfd changed = { .fd = fd, .events = POLLPRI };
        char text[256] = "";

        if (pread(fd, text, sizeof text - 1, 0) < 0)
            break;
        is_empty = strstr(text, "populated 0") != NULL;
        if (!is_empty)
            (void) poll(&changed, 1, (int) ((deadline - g_get_monotonic_time()) / 1000 + 1));
    }
    if (fd >= 0)
        close(fd);
    return is_empty;
}

static bool
remove_directory(const char *path, GError **error)
{
    if (rmdir(path) == 0 || errno == ENOENT)
        return true;
    if (errno == EBUSY && wait_until_empty(path) && rmdir(path) == 0)
        return true;
    return refuse(path, error);
}

bool
cgroup_remove(const char *parent, const char *name, GError **error)
{
    g_autofree char *path = cgroup_directory(parent, name);
    g_autoptr(GDir) groups = g_dir_open(path, 0, NULL);
    const char *entry;

    while (groups && (entry = g_dir_read_name(groups))) {
        g_autofree char *group = g_build_filename(path, entry, NULL);

        if (g_file_test(group, G_FILE_TEST_IS_DIR) && !remove_directory(group, error))
            return false;
    }
    return remove_directory(path, error);
}
