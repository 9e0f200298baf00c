/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making and removing what stands behind interfaces, so that a kill at any instant leaves nothing
 * that cannot be found again:
 *
 *     tap       its descriptors are all there is of it; QEMU's end is its own
 *     macvtap   made as "vkHASH-N", HASH the owner's ─ then, in one request, marked and renamed
 *     bridge    made as "vkHASH-br" ─ then, in one request, marked and renamed
 *
 * The mark is the link's alias ("virtkeep RUN/NAME", `ip link` shows it), which the kernel does not
 * take when it makes a link; until it has one the name tells. There is no record beside the
 * kernel's that could be lost or wrong.
 *
 * A bridge belongs to all domains of its RUN ("virtkeep RUN") and goes with its last port. Whoever
 * makes or removes one, or puts a tap into one, holds a lock on the directory RUN, or a bridge
 * could be removed under a tap that was just put into it.
 */
#include "qemu/host-link.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "qemu/link.h"
#include "qemu/tap.h"

#define MARK "virtkeep "

bool
host_links_are_permitted(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

    return syscall(SYS_capget, &header, data) == 0 &&
           data[CAP_NET_ADMIN / 32].effective & (1u << (CAP_NET_ADMIN % 32));
}

/* ---- names and marks ---- */

static char *
owner_mark(const char *owner)
{
    return g_strconcat(MARK, owner, NULL);
}

static char *
bridge_mark(const char *owner)
{
    g_autofree char *run = g_path_get_dirname(owner);

    return g_strconcat(MARK, run, NULL);
}

/* What the names of the owner's unmarked links begin with. */
static char *
draft_prefix(const char *owner)
{
    return g_strdup_printf("vk%08x-", g_str_hash(owner));
}

static int
lock_run(const char *owner, GError **error)
{
    g_autofree char *run = g_path_get_dirname(owner);
    int fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    while (fd >= 0 && flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            break;
    if (fd < 0)
        g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(errno), "%s: %s", run,
                    g_strerror(errno));
    return fd;
}

/* ---- looking ---- */

static void
check_device(const Validation *at, const char *field, const char *path)
{
    if (access(path, R_OK | W_OK) < 0)
        validation_error(at, field, errno == ENOENT ? "no-device" : "no-permission", "%s: %s", path,
                         g_strerror(errno));
}

/* NULL, and refused, when there is no such link. */
static Link *
needed_link(const Validation *at, const char *field, const char *name)
{
    g_autoptr(GError) error = NULL;
    Link *link = link_find(name, &error);

    if (!link)
        validation_error(at, field, "no-link", "%s", error->message);
    return link;
}

static void
check_bridge(const Validation *at, const Interface *interface, const Attachment *attachment)
{
    const char *field = interface->type == INTERFACE_NETWORK ? "source/@network" : "source/@bridge";
    g_autoptr(Link) bridge = NULL;

    if (attachment->is_bridge_made && !(bridge = link_find(attachment->bridge, NULL))) {
        if (list_length(interface->vlan_tags))
            validation_error(at, "vlan", "no-vlans",
                             "a bridge that virtkeep makes does not filter VLANs");
        return;
    }
    if (!bridge && interface->type == INTERFACE_NETWORK &&
        !(bridge = link_find(attachment->bridge, NULL)))
        return validation_error(
            at, field, "no-link",
            "there is no link '%s' on this host, which is the bridge of network "
            "'%s': make it, or say another in `networks` of the configuration",
            attachment->bridge, interface->network);
    if (!bridge && !(bridge = needed_link(at, field, attachment->bridge)))
        return;
    if (!link_is_bridge(bridge))
        return validation_error(at, field, "no-link", "'%s' is not a bridge", bridge->name);
    if (list_length(interface->vlan_tags) && !bridge->has_vlan_filtering)
        validation_error(at, "vlan", "no-vlans", "bridge '%s' does not filter VLANs", bridge->name);
    if (attachment->kind == ATTACHMENT_HELPER && interface->mtu.is_set &&
        interface->mtu.value != bridge->mtu)
        validation_error(at, "mtu/@size", "no-permission",
                         "another MTU than the bridge's (%u) needs CAP_NET_ADMIN", bridge->mtu);
}

static void
check_target(const Validation *at, const Attachment *attachment, const char *owner)
{
    g_autofree char *mark = owner_mark(owner);
    g_autoptr(Link) link = NULL;

    if (!attachment->target)
        return;
    if (attachment->is_ready_made)
        link = needed_link(at, "target/@dev", attachment->target);
    else
        link = link_find(attachment->target, NULL);
    if (link && (attachment->kind == ATTACHMENT_MACVTAP || g_strcmp0(link->kind, "tun")) &&
        g_strcmp0(link->alias, mark))
        validation_error(at, "target/@dev", "link-in-use", "there is another link '%s' already",
                         attachment->target);
}

static void
check_parent(const Validation *at, const Interface *interface, const Attachment *attachment)
{
    const char *field = interface->type == INTERFACE_NETWORK ? "source/@network" : "source/@dev";
    g_autoptr(Link) parent = needed_link(at, field, attachment->parent);

    if (parent && !parent->is_up)
        validation_error(at, field, "no-link", "link '%s' is down", parent->name);
}

void
host_link_check(const Validation *at, const Interface *interface, const HostFacts *facts,
                const char *owner)
{
    Attachment attachment = attachment_of(interface, facts);
    bool is_tap = attachment.kind == ATTACHMENT_TAP;
    bool is_macvtap = attachment.kind == ATTACHMENT_MACVTAP;

    if (is_tap)
        check_device(at, interface->backend_tap ? "backend/@tap" : "@type", attachment.tun);
    if (is_tap || is_macvtap)
        check_target(at, &attachment, owner);
    if ((is_tap || attachment.kind == ATTACHMENT_HELPER) && attachment.bridge)
        check_bridge(at, interface, &attachment);
    if (is_macvtap && attachment.parent)
        check_parent(at, interface, &attachment);
    if ((is_tap || is_macvtap) && attachment.is_vhost_needed)
        check_device(at, "driver/@name", attachment.vhost);
    if (interface->type == INTERFACE_VDPA)
        check_device(at, "source/@dev", interface->source_dev);
}

/* ---- bridges ---- */

static bool
make_bridge(const char *name, const char *owner, GError **error)
{
    g_autofree char *prefix = draft_prefix(owner);
    g_autofree char *draft = g_strconcat(prefix, "br", NULL);
    g_autofree char *mark = bridge_mark(owner);
    g_autoptr(Link) link = NULL;
    LinkChange change = { .name = name, .alias = mark, .is_up = true };

    return link_make_bridge(draft, error) && (link = link_find(draft, error)) &&
           link_change(link->index, &change, error);
}

static Link *
find_bridge(const Attachment *attachment, const char *owner, GError **error)
{
    Link *bridge = link_find(attachment->bridge, attachment->is_bridge_made ? NULL : error);

    if (bridge || !attachment->is_bridge_made)
        return bridge;
    if (!make_bridge(attachment->bridge, owner, error)) {
        g_prefix_error(error, "%s: ", attachment->bridge);
        return NULL;
    }
    return link_find(attachment->bridge, error);
}

static bool
join_locked(int tap, const Interface *interface, const Attachment *attachment, const char *owner,
            GError **error)
{
    g_autoptr(Link) bridge = find_bridge(attachment, owner, error);
    LinkChange change = { 0 };

    if (!bridge)
        return false;
    change.master = bridge->index;
    change.mtu = interface->mtu.is_set ? (guint) interface->mtu.value : bridge->mtu;
    if (!link_change(tap, &change, error)) {
        g_prefix_error(error, "bridge %s: ", bridge->name);
        return false;
    }
    return (interface->is_isolated != TRISTATE_ON || link_isolate(tap, error)) &&
           (!list_length(interface->vlan_tags) || link_set_vlans(tap, interface, error));
}

static bool
join_bridge(int tap, const Interface *interface, const Attachment *attachment, const char *owner,
            GError **error)
{
    int lock = lock_run(owner, error);
    bool is_joined = lock >= 0 && join_locked(tap, interface, attachment, owner, error);

    if (lock >= 0)
        close(lock);
    return is_joined;
}

/* ---- taps ---- */

/* libvirt's rule: the guest's own with another first byte, above all others', so that a bridge does
 * not take it for its own. */
static void
host_mac(const char *guest_mac, char ret_mac[18])
{
    g_strlcpy(ret_mac, guest_mac ? guest_mac : "", 18);
    if (strlen(ret_mac) == 17)
        memcpy(ret_mac, g_ascii_strncasecmp(ret_mac, "fe", 2) ? "fe" : "fa", 2);
}

static bool
add_addresses(int index, const Interface *interface, GError **error)
{
    for (guint i = 0; i < list_length(interface->host_ips); i++)
        if (!link_add_address(index, list_at(interface->host_ips, i, InterfaceIp), error))
            return false;
    for (guint i = 0; i < list_length(interface->host_routes); i++)
        if (!link_add_route(index, list_at(interface->host_routes, i, InterfaceRoute), error))
            return false;
    return true;
}

static bool
open_tap(const Interface *interface, const Attachment *attachment, const char *owner, GArray *fds,
         GError **error)
{
    char name[IFNAMSIZ], mac[18];
    g_autoptr(Link) link = NULL;
    LinkChange change = { .mac = mac, .mtu = (guint) interface->mtu.value };

    if (!tap_open(attachment->tun, attachment->target, attachment->n_queues, fds, name, error))
        return false;
    if (attachment->is_ready_made)
        return true;
    host_mac(interface->mac, mac);
    link = link_find(name, error);
    return link && link_change(link->index, &change, error) &&
           (!attachment->bridge || join_bridge(link->index, interface, attachment, owner, error)) &&
           link_change(link->index, &(LinkChange){ .is_up = true }, error) &&
           add_addresses(link->index, interface, error);
}

/* ---- macvtap ---- */

static bool
open_macvtap(const Interface *interface, const Attachment *attachment, const char *owner,
             guint place, GArray *fds, GError **error)
{
    g_autofree char *prefix = draft_prefix(owner);
    g_autofree char *draft = g_strdup_printf("%s%u", prefix, place);
    g_autofree char *mark = owner_mark(owner);
    g_autoptr(Link) parent = link_find(attachment->parent, error);
    g_autoptr(Link) link = NULL;
    const char *mac = attachment->mode == MACVTAP_PASSTHROUGH ? NULL : interface->mac;
    LinkChange change = { .name = attachment->target, .alias = mark, .is_up = true };

    return parent &&
           link_make_macvtap(draft, parent->index, attachment->mode, mac,
                             (guint) interface->mtu.value, error) &&
           (link = link_find(draft, error)) && link_change(link->index, &change, error) &&
           macvtap_open(attachment->target ? attachment->target : draft, link->index, link->mac,
                        attachment->n_queues, fds, error);
}

/* ---- all of it ---- */

static void
number_descriptors(const GArray *opened, GArray *fds)
{
    for (guint i = 0; i < opened->len; i++) {
        LaunchFd fd = { .fd = g_array_index(opened, int, i),
                        .number = LAUNCH_FIRST_FREE_FD + (int) fds->len };

        g_array_append_val(fds, fd);
    }
}

/* A back end that need not be there is left out when it isn't; whole or not at all. */
static bool
open_vhost(const Attachment *attachment, GArray *opened, bool *ret_has_vhost, GError **error)
{
    g_autoptr(GError) problem = NULL;
    guint n = opened->len;

    if (!attachment->vhost)
        return true;
    *ret_has_vhost = vhost_open(attachment->vhost, attachment->n_queues, opened, &problem);
    if (*ret_has_vhost)
        return true;
    while (opened->len > n) {
        close(g_array_index(opened, int, opened->len - 1));
        g_array_set_size(opened, opened->len - 1);
    }
    if (!attachment->is_vhost_needed)
        return true;
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

bool
host_link_open(const Interface *interface, const HostFacts *facts, const char *owner, guint place,
               GArray *fds, HostLink *ret_link, GError **error)
{
    Attachment attachment = attachment_of(interface, facts);
    g_autoptr(GArray) opened = g_array_new(FALSE, FALSE, sizeof(int));
    HostLink link = { .alias = interface->info.alias, .first = LAUNCH_FIRST_FREE_FD + fds->len };
    bool is_open = true;

    if (attachment.kind == ATTACHMENT_TAP)
        is_open = open_tap(interface, &attachment, owner, opened, error);
    else if (attachment.kind == ATTACHMENT_MACVTAP)
        is_open = open_macvtap(interface, &attachment, owner, place, opened, error);
    link.n_queues = opened->len;
    if (is_open && opened->len)
        is_open = open_vhost(&attachment, opened, &link.has_vhost, error);
    number_descriptors(opened, fds); /* for the caller to close, good or not */
    if (is_open)
        *ret_link = link;
    else
        g_prefix_error(error, "interface %s: ", interface->info.alias);
    return is_open;
}

/* ---- of one interface ---- */

static bool
is_its_macvtap(const Link *link, const Interface *interface, int parent)
{
    return !g_strcmp0(link->kind, "macvtap") &&
           (!g_ascii_strcasecmp(link->mac, interface->mac ? interface->mac : "") ||
            (parent && link->parent == parent));
}

/* In mode passthrough it has its parent's MAC address. */
static int
lone_parent(const Attachment *attachment)
{
    bool is_alone = attachment->kind == ATTACHMENT_MACVTAP && attachment->parent &&
                    attachment->mode == MACVTAP_PASSTHROUGH;
    g_autoptr(Link) parent = is_alone ? link_find(attachment->parent, NULL) : NULL;

    return parent ? parent->index : 0;
}

bool
host_link_remove(const Interface *interface, const HostFacts *facts, const char *owner,
                 GError **error)
{
    Attachment attachment = attachment_of(interface, facts);
    int parent = lone_parent(&attachment);
    g_autofree char *mark = owner_mark(owner), *prefix = draft_prefix(owner);
    g_autoptr(GPtrArray) links = link_list(error);

    for (guint i = 0; links && i < links->len; i++) {
        const Link *link = links->pdata[i];
        bool is_left =
            link->alias ? g_str_equal(link->alias, mark) && is_its_macvtap(link, interface, parent)
                        : g_str_has_prefix(link->name, prefix);

        if (is_left && !link_delete(link->index, error))
            return false;
    }
    return links != NULL;
}

guint
host_link_free_place(const char *owner)
{
    g_autofree char *prefix = draft_prefix(owner);

    for (guint place = 0;; place++) {
        g_autofree char *name = g_strdup_printf("%s%u", prefix, place);
        g_autoptr(Link) link = link_find(name, NULL);

        if (!link)
            return place;
    }
}

/* What the descriptor is of: "iff:\tvnet0" (Linux, Documentation/networking/tuntap.rst has no word
 * of it; drivers/net/tun.c shows it since 3.18). NULL: of no tap. */
static char *
tap_of_descriptor(pid_t pid, const char *fd)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fdinfo/%s", (int) pid, fd);
    g_autofree char *text = NULL;
    const char *line;

    if (!g_file_get_contents(path, &text, NULL, NULL) || !(line = strstr(text, "\niff:\t")))
        return NULL;
    line += strlen("\niff:\t");
    return g_strndup(line, strcspn(line, "\n"));
}

/* The tap that QEMU has for @interface: told by its name, or else by its MAC address. */
static Link *
find_tap(const Interface *interface, const Attachment *attachment, pid_t pid, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fdinfo", (int) pid);
    g_autoptr(GDir) descriptors = g_dir_open(path, 0, error);
    const char *fd;
    char mac[18];

    host_mac(interface->mac, mac);
    while (descriptors && (fd = g_dir_read_name(descriptors))) {
        g_autofree char *name = tap_of_descriptor(pid, fd);
        g_autoptr(Link) link = name ? link_find(name, NULL) : NULL;

        if (link &&
            (!g_strcmp0(link->name, attachment->target) || !g_ascii_strcasecmp(link->mac, mac)))
            return g_steal_pointer(&link);
    }
    if (descriptors)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                            "its QEMU has no tap with this interface's address");
    return NULL;
}

/* Out of the bridge and in again: what a port had of the former one is gone with it. */
bool
host_link_move(const Interface *interface, const HostFacts *facts, const char *owner, pid_t pid,
               GError **error)
{
    Attachment attachment = attachment_of(interface, facts);
    g_autoptr(Link) tap = find_tap(interface, &attachment, pid, error);

    return tap && link_change(tap->index, &(LinkChange){ .is_alone = true }, error) &&
           join_bridge(tap->index, interface, &attachment, owner, error);
}

static char *
bridge_of(const Link *tap)
{
    char name[IFNAMSIZ];

    return tap->master && if_indextoname((guint) tap->master, name) ? g_strdup(name) : NULL;
}

static bool
has_macvtap(const Interface *interface, const Attachment *attachment, const char *owner)
{
    int parent = lone_parent(attachment);
    g_autofree char *mark = owner_mark(owner);
    g_autoptr(GPtrArray) links = link_list(NULL);

    for (guint i = 0; links && i < links->len; i++) {
        const Link *link = links->pdata[i];

        if (!g_strcmp0(link->alias, mark) && is_its_macvtap(link, interface, parent))
            return true;
    }
    return !links;
}

bool
host_link_look(const Interface *interface, const HostFacts *facts, const char *owner, pid_t pid,
               char **ret_of)
{
    Attachment attachment = attachment_of(interface, facts);
    bool is_port =
        attachment.kind == ATTACHMENT_TAP && attachment.bridge && !attachment.is_ready_made;
    g_autoptr(Link) tap = is_port ? find_tap(interface, &attachment, pid, NULL) : NULL;

    if (tap)
        *ret_of = bridge_of(tap);
    else if (attachment.kind == ATTACHMENT_MACVTAP)
        *ret_of = has_macvtap(interface, &attachment, owner) ? g_strdup(attachment.parent) : NULL;
    return tap || attachment.kind == ATTACHMENT_MACVTAP;
}

/* ---- sweeping ---- */

static bool
is_left_behind(const Link *link, const char *mark, const char *prefix)
{
    return link->alias ? g_str_equal(link->alias, mark) : g_str_has_prefix(link->name, prefix);
}

static bool
is_idle_bridge(const Link *link, const char *mark, const GPtrArray *links)
{
    if (!link_is_bridge(link) || g_strcmp0(link->alias, mark))
        return false;
    for (guint i = 0; i < links->len; i++)
        if (((const Link *) links->pdata[i])->master == link->index)
            return false;
    return true;
}

/* Appends int indexes of what is to go; false when the host can't be asked. */
static bool
list_left_behind(const char *owner, GArray *indexes, GError **error)
{
    g_autofree char *mark = owner_mark(owner), *idle = bridge_mark(owner);
    g_autofree char *prefix = draft_prefix(owner);
    g_autoptr(GPtrArray) links = link_list(error);

    for (guint i = 0; links && i < links->len; i++) {
        const Link *link = links->pdata[i];

        if (is_left_behind(link, mark, prefix) || is_idle_bridge(link, idle, links))
            g_array_append_val(indexes, link->index);
    }
    return links != NULL;
}

static bool
sweep_locked(const char *owner, GError **error)
{
    g_autoptr(GArray) indexes = g_array_new(FALSE, FALSE, sizeof(int));

    if (!list_left_behind(owner, indexes, error))
        return false;
    for (guint i = 0; i < indexes->len; i++)
        if (!link_delete(g_array_index(indexes, int, i), error))
            return false;
    return true;
}

bool
host_links_sweep(const char *owner, GError **error)
{
    g_autoptr(GArray) indexes = g_array_new(FALSE, FALSE, sizeof(int));
    int lock;
    bool is_swept;

    if (!list_left_behind(owner, indexes, error))
        return false;
    if (!indexes->len || !host_links_are_permitted())
        return true;
    lock = lock_run(owner, error);
    is_swept = lock >= 0 && sweep_locked(owner, error);
    if (lock >= 0)
        close(lock);
    return is_swept;
}
