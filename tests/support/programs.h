/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Whether this host has the program that a device needs beside QEMU, and lets it run: "swtpm",
 * "virtiofsd", "passt", "dbus-daemon". */
bool program_is_usable(const char *program);
