/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks that change while the guest runs.
 *
 *     a drive's medium    new one opened | tray opened, old out, new in, closed | old one closed
 *     a hard disk         blockdev-reopen of the nodes that differ | filters | block_resize
 *     both                block_set_io_throttle
 *
 * A medium that can't be opened changes nothing: the guest keeps the one it has. So the new one is
 * open before the old one leaves, and its nodes need other names: media take turns with "sda-" and
 * "sda.b-". Which turn it is, QEMU knows: by the node that is in the drive. What is found under the
 * names of the other turn is nobody's, and removed. An image that is written to and is to be
 * opened in another way does not share with itself (QEMU's image locks), and so is closed first: if
 * it then can't be opened the drive is empty. Only floppies are written to, and have no tray.
 *
 * A guest that holds its tray locked is asked to open it (QEMU passes it the press of the button),
 * and nothing is done until it has: QEMU tells by DEVICE_TRAY_MOVED.
 *
 * Filters are changed by giving the device the image's own node, making the filters anew, and
 * giving it the uppermost (QEMU 6.2 and later take 'drive' of a device at run time). A node that
 * opened the image behind it by itself must be told its name to be reopened: QEMU refuses to
 * guess ("backing is missing for 'vda-format'", QEMU 7.2), and only its block graph has it.
 */
#include "qemu/disk-live.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "qemu/disk.h"
#include "qemu/drives.h"
#include "qemu/hot-plug.h"
#include "qemu/storage.h"

#define SECTOR 512

/* ---- limits ---- */

bool
disk_set_limits(Monitor *monitor, const Disk *disk, GError **error)
{
    static const char *const names[2][3] = { { "bps", "bps_rd", "bps_wr" },
                                             { "iops", "iops_rd", "iops_wr" } };
    static const Throttle none;
    const Throttle *throttle = disk->iotune ? disk->iotune : &none;
    g_autofree char *owner = disk_drive_owner(disk);
    Json *arguments = json_new_object();

    json_set_string(arguments, "id", owner);
    for (guint kind = 0; kind < 2; kind++)
        for (guint i = 0; i < 3; i++) {
            const Limit *limit = kind ? &throttle->operations[i] : &throttle->bytes[i];
            g_autofree char *burst = g_strconcat(names[kind][i], "_max", NULL);
            g_autofree char *length = g_strconcat(names[kind][i], "_max_length", NULL);

            json_set_uint(arguments, names[kind][i], limit->rate.value);
            if (limit->burst.value)
                json_set_uint(arguments, burst, limit->burst.value);
            if (limit->burst_length.value)
                json_set_uint(arguments, length, limit->burst_length.value);
        }
    if (throttle->operation_size.value)
        json_set_uint(arguments, "iops_size", throttle->operation_size.value);
    json_set_string(arguments, "group", throttle->group ? throttle->group : disk->info.alias);
    return monitor_run(monitor, "block_set_io_throttle", arguments, error);
}

/* ---- what is behind the disk ---- */

/* NULL where it can't be spelled; the error says why. */
static DeviceTrees *
trees_of(const DeviceContext *context, const Disk *disk, GError **error)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(disk->target_dev);
    DeviceTrees *trees = device_trees_build(context->at.domain, &disk_kind, disk, context->at.path,
                                            context->capabilities, context->facts,
                                            context->at.positions, diagnostics);
    const Diagnostic *first = trees ? NULL : diagnostics_first_error(diagnostics);

    if (!trees)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            first ? first->text : "it can't be spelled");
    return trees;
}

static const Backend *
find_backend(const DeviceTrees *trees, const char *id)
{
    for (guint i = 0; trees && i < trees->backends->len; i++)
        if (g_str_equal(backend_id(trees->backends->pdata[i]), id))
            return trees->backends->pdata[i];
    return NULL;
}

/* Whether @trees has just the same. */
static bool
has_same(const DeviceTrees *trees, const Backend *backend)
{
    const Backend *other = find_backend(trees, backend_id(backend));

    return other && other->kind == backend->kind &&
           json_equal(other->properties, backend->properties);
}

static bool
is_filter(const Backend *backend)
{
    const char *driver = json_get_string(backend->properties, "driver");

    return backend->kind == BACKEND_BLOCKDEV &&
           (!g_strcmp0(driver, "throttle") || !g_strcmp0(driver, "copy-on-read"));
}

/* Whether every one of @a is in @b; of the filters alone, or of all. */
static bool
is_within(const DeviceTrees *a, const DeviceTrees *b, bool only_filters)
{
    for (guint i = 0; i < a->backends->len; i++)
        if ((!only_filters || is_filter(a->backends->pdata[i])) &&
            !has_same(b, a->backends->pdata[i]))
            return false;
    return true;
}

static bool
is_same(const DeviceTrees *a, const DeviceTrees *b, bool only_filters)
{
    return a && is_within(a, b, only_filters) && is_within(b, a, only_filters);
}

/* ---- media ---- */

typedef enum Turn {
    FIRST,
    SECOND,
    N_TURNS,
} Turn;

/* What the nodes are named after. Caller frees. */
static char *
turn_name(const Disk *disk, Turn turn)
{
    return turn == FIRST ? g_strdup(disk->target_dev) : g_strdup_printf("%.8s.b", disk->target_dev);
}

static bool
is_node_of(const Disk *disk, Turn turn, const char *node)
{
    g_autofree char *name = turn_name(disk, turn);
    g_autofree char *prefix = storage_node_name(name, "");

    return g_str_has_prefix(node, prefix);
}

bool
disk_is_own_medium(const Disk *disk, const char *node)
{
    for (Turn turn = FIRST; turn < N_TURNS; turn++) {
        g_autofree char *name = turn_name(disk, turn);
        Disk named = *disk;
        g_autofree char *own = NULL;

        named.target_dev = name;
        own = disk_drive_node(&named);
        if (!g_strcmp0(node, own))
            return true;
    }
    return false;
}

/* Everything named after the disk in that turn. */
static bool
sweep(Monitor *monitor, const Disk *disk, Turn turn, GError **error)
{
    g_autofree char *name = turn_name(disk, turn);
    g_autofree char *prefix = storage_node_name(name, "");

    return hot_plug_sweep_named(monitor, BACKEND_BLOCKDEV, prefix, error) &&
           hot_plug_sweep_named(monitor, BACKEND_OBJECT, prefix, error);
}

bool
disk_sweep(Monitor *monitor, gconstpointer device, GError **error)
{
    return !disk_takes_media(device) ||
           (sweep(monitor, device, FIRST, error) && sweep(monitor, device, SECOND, error));
}

static ObservedDrive *
find_drive(GPtrArray *drives, const Disk *disk)
{
    for (guint i = 0; drives && i < drives->len; i++)
        if (!g_strcmp0(((ObservedDrive *) drives->pdata[i])->device, disk->info.alias))
            return drives->pdata[i];
    return NULL;
}

static bool
tell_drive(Monitor *monitor, const char *command, const Disk *disk, GError **error)
{
    Json *arguments = json_new_object();

    json_set_string(arguments, "id", disk->info.alias);
    return monitor_run(monitor, command, arguments, error);
}

static bool
take_out(Monitor *monitor, const Disk *disk, GError **error)
{
    g_autoptr(GError) problem = NULL;

    if (!tell_drive(monitor, "blockdev-open-tray", disk, error))
        return false;
    if (tell_drive(monitor, "blockdev-remove-medium", disk, &problem))
        return true;
    /* QEMU has no class for it: "Tray of device 'sata0-0-0' is not open" (7.2). */
    if (strstr(problem->message, "is not open"))
        g_set_error(error, QMP_ERROR, QMP_ERROR_GENERIC,
                    "the guest holds the tray locked; it was asked to open it (%s)",
                    problem->message);
    else
        g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

/* A drive that was plugged in empty never gives its medium back: QEMU 7.2 keeps the block backend
 * that it made for it (scsi_cd_realize), and the node in it would stay in use. What does not work
 * out is told when the node is removed. */
void
disk_part(Monitor *monitor, gconstpointer device)
{
    const Disk *disk = device;
    Json *arguments;

    if (!disk_takes_media(disk))
        return;
    arguments = json_new_object();
    json_set_string(arguments, "id", disk->info.alias);
    json_set_bool(arguments, "force", true);
    if (monitor_run(monitor, "blockdev-open-tray", arguments, NULL))
        (void) tell_drive(monitor, "blockdev-remove-medium", disk, NULL);
}

/* The node in the drive; NULL = none, or QEMU won't say. Caller frees. */
static char *
node_in(Monitor *monitor, const Disk *disk)
{
    g_autoptr(GPtrArray) drives = drives_query(monitor, NULL);
    const ObservedDrive *drive = find_drive(drives, disk);

    return drive ? g_strdup(drive->node) : NULL;
}

static bool
is_own_medium_in(Monitor *monitor, const Disk *disk)
{
    g_autofree char *node = node_in(monitor, disk);

    return disk_is_own_medium(disk, node);
}

static bool
put_in(Monitor *monitor, const Disk *disk, const char *node, GError **error)
{
    Json *arguments = json_new_object();

    json_set_string(arguments, "id", disk->info.alias);
    json_set_string(arguments, "node-name", node);
    return monitor_run(monitor, "blockdev-insert-medium", arguments, error);
}

/* Opens the medium under the names of @turn; the node to be put in, NULL on failure. Caller
 * frees. */
static char *
open_medium(const DeviceContext *context, Monitor *monitor, const Disk *disk, Turn turn,
            GError **error)
{
    g_autofree char *name = turn_name(disk, turn);
    Disk named = *disk;
    g_autoptr(DeviceTrees) trees = NULL;

    named.target_dev = name;
    trees = trees_of(context, &named, error);
    if (!trees || !sweep(monitor, disk, turn, error))
        return NULL;
    if (hot_plug_add_backends(monitor, trees, error))
        return disk_drive_node(&named);
    (void) sweep(monitor, disk, turn, NULL); /* else the next attempt's */
    return NULL;
}

static bool
is_written_to(const Disk *disk)
{
    return !disk->is_read_only && disk_device(disk) != DISK_DEVICE_CDROM;
}

/* Whether the images of both can be open at once. */
static bool
can_meet(const Disk *before, const Disk *after)
{
    return (!is_written_to(before) && !is_written_to(after)) || !before->source || !after->source ||
           !schema_equal(&storage_source_schema, before->source, after->source);
}

/* The node @new for what is in the drive; NULL = none. What fails is undone as far as QEMU lets it:
 * an image that others write to is refused only when it is put in. */
static bool
exchange(Monitor *monitor, const Disk *disk, const char *old, const char *new, GError **error)
{
    if (!take_out(monitor, disk, error))
        return false;
    if (!new || put_in(monitor, disk, new, error))
        return true;
    if (old)
        (void) put_in(monitor, disk, old, NULL);
    (void) tell_drive(monitor, "blockdev-close-tray", disk, NULL);
    return false;
}

/* The guest has the new medium, and none of this takes it away again: each is done whatever became
 * of those before it, and the first that failed is told. */
static bool
finish_exchange(Monitor *monitor, const Disk *disk, Turn former, GError **error)
{
    /* What was lifted while the drive was empty could not be told. */
    bool is_limited = !disk_has_medium(disk) || disk_set_limits(monitor, disk, error);
    bool is_closed = tell_drive(monitor, "blockdev-close-tray", disk, is_limited ? error : NULL);
    bool is_good = is_limited && is_closed;

    return sweep(monitor, disk, former, is_good ? error : NULL) && is_good;
}

static bool
set_medium(const DeviceContext *context, Monitor *monitor, const Disk *before, const Disk *after,
           GError **error)
{
    g_autofree char *old = node_in(monitor, after), *new = NULL;
    Turn next = old && is_node_of(after, FIRST, old) ? SECOND : FIRST;
    Turn former = next == FIRST ? SECOND : FIRST;

    if (!can_meet(before, after)) {
        if (!take_out(monitor, after, error) || !sweep(monitor, after, former, error))
            return false;
        g_clear_pointer(&old, g_free);
    }
    if (disk_has_medium(after)) {
        new = open_medium(context, monitor, after, next, error);
        if (!new)
            return false;
    }
    if (exchange(monitor, after, old, new, error))
        return finish_exchange(monitor, after, former, error);
    (void) sweep(monitor, after, next, NULL);
    return false;
}

/* ---- hard disks: the nodes ---- */

static const char *
graph_name(const Json *nodes, guint64 id)
{
    for (guint i = 0; i < json_length(nodes); i++)
        if (json_get_uint(json_at(nodes, i), "id", 0) == id)
            return json_get_string(json_at(nodes, i), "name");
    return NULL;
}

/* The node behind @node that it opened by itself; NULL = none, or QEMU won't say. */
static char *
find_backing(Monitor *monitor, const char *node)
{
    g_autoptr(Json) graph = monitor_query(monitor, "x-debug-query-block-graph", NULL, NULL);
    const Json *nodes = json_get(graph, "nodes"), *edges = json_get(graph, "edges");

    for (guint i = 0; i < json_length(edges); i++) {
        const Json *edge = json_at(edges, i);

        if (!g_strcmp0(json_get_string(edge, "name"), "backing") &&
            !g_strcmp0(graph_name(nodes, json_get_uint(edge, "parent", 0)), node))
            return g_strdup(graph_name(nodes, json_get_uint(edge, "child", 0)));
    }
    return NULL;
}

static Json *
reopen_options(Monitor *monitor, const Backend *backend)
{
    Json *options = json_copy(backend->properties);
    g_autofree char *backing =
        json_get(options, "backing") ? NULL : find_backing(monitor, backend_id(backend));

    json_set_string(options, "backing", backing);
    return options;
}

static bool
reopen(Monitor *monitor, const DeviceTrees *old, const DeviceTrees *new, GError **error)
{
    Json *arguments = json_new_object(), *list = json_new_array();
    guint n = 0;

    for (guint i = 0; i < new->backends->len; i++) {
        const Backend *backend = new->backends->pdata[i];

        if (backend->kind != BACKEND_BLOCKDEV || is_filter(backend) || has_same(old, backend))
            continue;
        json_append(list, reopen_options(monitor, backend));
        n++;
    }
    json_set(arguments, "options", list);
    if (n)
        return monitor_run(monitor, "blockdev-reopen", arguments, error);
    json_free(arguments);
    return true;
}

/* ---- hard disks: filters ---- */

/* QEMU 7.2 ends by an assertion when it is given what it has (bdrv_replace_child_noperm,
 * "old_bs != new_bs"), so it is asked first, and where it won't say, nothing is given. */
static bool
give_node(Monitor *monitor, const Disk *disk, const char *node, GError **error)
{
    g_autofree char *owner = disk_drive_owner(disk);
    g_autoptr(GPtrArray) drives = drives_query(monitor, error);
    const ObservedDrive *drive = find_drive(drives, disk);

    if (!drives)
        return false;
    if (!drive || !drive->node) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_GENERIC, "QEMU has no drive of %s", owner);
        return false;
    }
    if (g_str_equal(drive->node, node))
        return true;
    return monitor_qom_set(monitor, owner, "drive", json_new_string(node), error);
}

static bool
sweep_filters(Monitor *monitor, const Disk *disk, GError **error)
{
    static const char *const parts[] = { "filter", "cor" };

    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *prefix = storage_node_name(disk->target_dev, parts[i]);

        if (!hot_plug_sweep_named(monitor, BACKEND_BLOCKDEV, prefix, error))
            return false;
    }
    return true;
}

static bool
set_filters(Monitor *monitor, const Disk *after, const DeviceTrees *old, const DeviceTrees *new,
            GError **error)
{
    g_autofree char *image = disk_image_node(after), *top = disk_drive_node(after);

    if (is_same(old, new, true))
        return true;
    if (!give_node(monitor, after, image, error) || !sweep_filters(monitor, after, error))
        return false;
    for (guint i = 0; i < new->backends->len; i++) {
        const Backend *backend = new->backends->pdata[i];

        if (is_filter(backend) && !monitor_run(monitor, backend_command(backend->kind),
                                               json_copy(backend->properties), error))
            return false;
    }
    return give_node(monitor, after, top, error);
}

/* ---- hard disks: growing ---- */

static guint64
device_size(const struct stat *status)
{
    g_autofree char *path = g_strdup_printf("/sys/dev/block/%u:%u/size", major(status->st_rdev),
                                            minor(status->st_rdev));
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_ascii_strtoull(text, NULL, 10) * SECTOR
                                                        : 0;
}

static bool
is_plain(const Disk *disk)
{
    return disk_has_medium(disk) && disk_device(disk) == DISK_DEVICE_DISK && !disk->is_read_only &&
           (!disk->format || disk->format == DISK_FORMAT_RAW) && !disk_encryption(disk) &&
           !list_length(disk->source->slices);
}

guint64
disk_image_size(const Disk *disk)
{
    DiskType type = disk_type(disk);
    const char *path = type == DISK_FILE    ? disk->source ? disk->source->file : NULL
                       : type == DISK_BLOCK ? disk->source ? disk->source->dev : NULL
                                            : NULL;
    struct stat status;

    if (!path || !is_plain(disk) || stat(path, &status) < 0)
        return 0;
    if (S_ISBLK(status.st_mode))
        return device_size(&status);
    return S_ISREG(status.st_mode) ? (guint64) status.st_size : 0;
}

static bool
grow(Monitor *monitor, const Disk *disk, GError **error)
{
    g_autofree char *node = disk_drive_node(disk);
    guint64 size = disk_image_size(disk);
    g_autoptr(GPtrArray) drives = size ? drives_query(monitor, NULL) : NULL;
    const ObservedDrive *drive = find_drive(drives, disk);
    Json *arguments;

    if (!drive || size <= drive->size)
        return true;
    arguments = json_new_object();
    json_set_string(arguments, "node-name", node);
    json_set_uint(arguments, "size", (size + SECTOR - 1) / SECTOR * SECTOR);
    return monitor_run(monitor, "block_resize", arguments, error);
}

/* ---- all of it ---- */

bool
disk_update(const DeviceContext *context, Monitor *monitor, gconstpointer before,
            gconstpointer after, GError **error)
{
    const Disk *disk = after, *former = before;
    g_autoptr(DeviceTrees) old = trees_of(context, before, NULL);
    g_autoptr(DeviceTrees) new = trees_of(context, after, error);

    if (!new)
        return false;
    if (disk_takes_media(disk)) {
        if (!(is_same(old, new, false) && is_own_medium_in(monitor, disk)) &&
            !set_medium(context, monitor, former, disk, error))
            return false;
    } else if (!reopen(monitor, old, new, error) || !set_filters(monitor, disk, old, new, error) ||
               !grow(monitor, disk, error)) {
        return false;
    }
    if (disk->iotune || !former->iotune || !disk_has_medium(disk))
        return true;
    return disk_set_limits(monitor, disk, error);
}
