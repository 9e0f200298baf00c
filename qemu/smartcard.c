/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Smartcards: a card that QEMU emulates from what the host has, or one whose messages go through a
 * character device.
 *
 * The card sits in a reader, a controller of its own on USB, by its bus's name alone: QEMU's reader
 * has one slot and takes no number.
 */
#include "model/smartcard.h"

#include "qemu/chardev.h"
#include "qemu/device.h"
#include "qemu/need.h"

static void
smartcard_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Smartcard *smartcard = device;

    if (smartcard->mode == SMARTCARD_PASSTHROUGH)
        chardev_add_backend(context, &smartcard->chardev, &smartcard->info, "smartcard", backends);
}

static void
add_certificates(const Smartcard *smartcard, Json *tree)
{
    json_set_string(tree, "backend", "certificates");
    for (guint i = 0; i < list_length(smartcard->certificates); i++) {
        g_autofree char *name = g_strdup_printf("cert%u", i + 1);

        json_set_string(tree, name,
                        list_at(smartcard->certificates, i, SmartcardCertificate)->name);
    }
    json_set_string(tree, "db", smartcard->database ? smartcard->database : SMARTCARD_DATABASE);
}

static Json *
smartcard_properties(const DeviceContext *context, gconstpointer device)
{
    const Smartcard *smartcard = device;
    bool is_passthrough = smartcard->mode == SMARTCARD_PASSTHROUGH;
    g_autofree char *chardev = backend_name("char", &smartcard->info);
    Json *tree =
        device_tree_new(context, is_passthrough ? "ccid-card-passthru" : "ccid-card-emulated");

    if (is_passthrough)
        json_set_string(tree, "chardev", chardev);
    else if (smartcard->mode == SMARTCARD_CERTIFICATES)
        add_certificates(smartcard, tree);
    else
        json_set_string(tree, "backend", "nss-emulated");
    device_tree_add_info(context, tree, &smartcard->info);
    return tree;
}

static void
smartcard_needs(const DeviceContext *context, gconstpointer device, GPtrArray *needs)
{
    const Smartcard *smartcard = device;

    if (smartcard->mode == SMARTCARD_PASSTHROUGH)
        need_add_chardev(context, needs, &smartcard->chardev);
    else if (smartcard->mode == SMARTCARD_CERTIFICATES)
        need_add(context, needs, HOST_DIRECTORY, "database",
                 smartcard->database ? smartcard->database : SMARTCARD_DATABASE);
}

const DeviceSpelling smartcard_spelling = {
    .kind = &smartcard_kind,
    .backends = smartcard_backends,
    .properties = smartcard_properties,
    .needs = smartcard_needs,
};
