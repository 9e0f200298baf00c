/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/json.h"
#include "qemu/device.h"

/* The -chardev form of chardev-add's arguments ({"id":…, "backend":{"type":…, "data":{…}}}).
 * Caller frees. */
char *chardev_option_text(const Json *properties);

struct Chardev;
/* The tree of chardev-add for the host side @chardev of the device @info, with the id
 * "char<alias>". Appended to @backends, with the TLS credentials it needs before it. @spice_type is
 * what a spicevmc channel is for. */
void chardev_add_backend(const DeviceContext *context, const struct Chardev *chardev,
                         const DeviceInfo *info, const char *spice_type, GPtrArray *backends);
/* chardev-add's arguments for a client of the UNIX socket @path. */
Json *socket_client_tree(const char *id, const char *path);
