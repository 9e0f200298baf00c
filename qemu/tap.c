/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening taps. A tap of ours is never made to stay (TUNSETPERSIST): it is there as long as
 * somebody has its descriptor, which is us until QEMU has it, and then QEMU. So there is nothing to
 * clean up after a crash of either.
 *
 * Frames carry the virtio header, as with the taps that QEMU opens by itself; QEMU asks the
 * descriptor and leaves the header out where the card doesn't want it. A macvtap device takes the
 * same ioctls on a device node of its own, but is a link first and stays one: qemu/host-link.c.
 */
#include "qemu/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define KERNEL_CHOICE "vnet%d"

static bool
refuse(const char *what, const char *name, GError **error)
{
    int problem = errno;

    g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(problem), "%s: %s%s%s", what,
                name ? name : "", name ? ": " : "", g_strerror(problem));
    return false;
}

static int
open_device(const char *device, GArray *fds)
{
    int fd = open(device, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd >= 0)
        g_array_append_val(fds, fd);
    return fd;
}

static short
queue_flags(guint n_queues)
{
    return (short) (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (n_queues > 1 ? IFF_MULTI_QUEUE : 0));
}

bool
tap_open(const char *device, const char *name, guint n_queues, GArray *fds, char ret_name[IFNAMSIZ],
         GError **error)
{
    struct ifreq request = { .ifr_flags = queue_flags(n_queues) };

    g_strlcpy(request.ifr_name, name ? name : KERNEL_CHOICE, sizeof request.ifr_name);
    for (guint i = 0; i < n_queues; i++) {
        int fd = open_device(device, fds);

        if (fd < 0)
            return refuse(device, NULL, error);
        if (ioctl(fd, TUNSETIFF, &request) < 0) /* writes the name, for the next queue */
            return refuse(device, request.ifr_name, error);
    }
    g_strlcpy(ret_name, request.ifr_name, IFNAMSIZ);
    return true;
}

/* A node is told by an index alone, which a link of another network namespace may have too. */
static bool
is_node_of(int fd, const char *name, const char *mac)
{
    struct ifreq request = { .ifr_flags = 0 };
    const guint8 *bytes = (const guint8 *) request.ifr_hwaddr.sa_data;
    g_autofree char *found = NULL;

    if (ioctl(fd, TUNGETIFF, &request) < 0 || strcmp(request.ifr_name, name) ||
        ioctl(fd, SIOCGIFHWADDR, &request) < 0)
        return false;
    found = g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3],
                            bytes[4], bytes[5]);
    return g_str_equal(found, mac);
}

bool
macvtap_open(const char *name, int index, const char *mac, guint n_queues, GArray *fds,
             GError **error)
{
    g_autofree char *device = g_strdup_printf("/dev/tap%d", index);

    for (guint i = 0; i < n_queues; i++) {
        struct ifreq request = { .ifr_flags = queue_flags(n_queues) };
        int fd = open_device(device, fds);

        if (fd < 0)
            return refuse(device, name, error);
        if (!is_node_of(fd, name, mac)) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                        "%s is not the device of %s, but of a link of another network namespace",
                        device, name);
            return false;
        }
        if (ioctl(fd, TUNSETIFF, &request) < 0)
            return refuse(device, name, error);
    }
    return true;
}

bool
vhost_open(const char *device, guint n, GArray *fds, GError **error)
{
    for (guint i = 0; i < n; i++)
        if (open_device(device, fds) < 0)
            return refuse(device, NULL, error);
    return true;
}
