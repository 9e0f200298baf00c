/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/support/command.h"

/*
 * Plain: a domain without a guest, in which only a firmware runs that finds nothing to boot. It
 * starts in a fraction of a second, has a virtio-mem device that nobody drives, and never hears
 * the power button.
 */
typedef struct Plain {
    const char *name;
    unsigned vcpus;         /* 0: 1 */
    unsigned requested_mib; /* of the virtio-mem device's 256 */
    const char *emulator;   /* NULL: the real one */
    const char *policy;     /* attributes of vk:policy */
    const char *devices;    /* more elements of <devices>; NULL */
} Plain;

#define PLAIN_BOOT_MIB 64
#define PLAIN_EMULATOR "/usr/bin/qemu-system-x86_64"

/* The file's text; the caller frees. */
char *plain_xml(const Plain *plain);
/* Puts it into domains/NAME.xml of the scratch directory. */
void plain_write(Scratch *scratch, const Plain *plain);
