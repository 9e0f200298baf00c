/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Port numbers of serial and parallel devices. They say which port the guest finds the device
 * at (isa-serial's index), so they are kept like addresses: a serial port written in front of
 * another does not become COM1.
 */
#include "reconcile/chardev-port.h"

#include "model/chardev.h"

static bool
is_used(const GPtrArray *list, guint64 port)
{
    for (guint i = 0; i < list->len; i++) {
        const Chardev *chardev = list_at(list, i, Chardev);

        if (chardev->target_port.is_set && chardev->target_port.value == port)
            return true;
    }
    return false;
}

/* A serial port goes behind all that are there, and into no gap; parallel ports are few. */
static guint64
next_port(const GPtrArray *list, bool fills_gaps)
{
    guint64 port = 0;

    while (fills_gaps && is_used(list, port))
        port++;
    if (fills_gaps)
        return port;
    for (guint i = 0; i < list->len; i++) {
        const Chardev *chardev = list_at(list, i, Chardev);

        if (chardev->target_port.is_set)
            port = MAX(port, chardev->target_port.value + 1);
    }
    return port;
}

/* PCI and USB serial devices have a number too, but nobody uses it. */
static bool
has_number(const Chardev *chardev)
{
    return chardev->target_port.is_set && chardev->target_type != CHARDEV_TARGET_PCI_SERIAL &&
           chardev->target_type != CHARDEV_TARGET_USB_SERIAL;
}

static void
check_given(const Resolution *resolution, const GPtrArray *list)
{
    for (guint i = 0; i < list->len; i++)
        for (guint j = 0; j < i; j++) {
            const Chardev *a = list_at(list, j, Chardev), *b = list_at(list, i, Chardev);

            if (has_number(a) && has_number(b) && a->target_type == b->target_type &&
                a->target_port.value == b->target_port.value)
                resolution_error(resolution, b, "target/@port", "address-conflict",
                                 "port %u is already another one's", (guint) b->target_port.value);
        }
}

static void
number_ports(const Resolution *resolution, const GPtrArray *list, bool fills_gaps)
{
    if (!list)
        return;
    check_given(resolution, list);
    for (guint i = 0; i < list->len; i++) {
        Chardev *chardev = list->pdata[i];
        const Chardev *ancestor = resolution_ancestor(resolution, chardev);

        if (!chardev->target_port.is_set && ancestor && ancestor->target_port.is_set &&
            !is_used(list, ancestor->target_port.value))
            chardev->target_port = ancestor->target_port;
    }
    for (guint i = 0; i < list->len; i++) {
        Chardev *chardev = list->pdata[i];

        if (!chardev->target_port.is_set)
            chardev->target_port = opt_uint(next_port(list, fills_gaps));
    }
}

void
resolve_chardev_ports(const Resolution *resolution)
{
    const Domain *domain = resolution->domain;

    number_ports(resolution, domain->serials, false);
    number_ports(resolution, domain->parallels, true);
    for (guint i = 0; i < list_length(domain->consoles); i++)
        ((Chardev *) domain->consoles->pdata[i])->target_port = opt_uint(i);
}
