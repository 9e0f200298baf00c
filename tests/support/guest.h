/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/support/scratch.h"

/*
 * Guest: the small Linux guest of tests/guest (its README is the head of tests/guest/init), as
 * a domain file and as seen from its two serial ports.
 */
typedef struct Guest {
    const char *name;
    unsigned boot_mib;         /* 0: 512 */
    unsigned max_mib;          /* the virtio-mem device's size; 0: 1024 */
    unsigned block_kib;        /* 0: 2048 */
    unsigned requested_mib;    /* the virtio-mem device's requested */
    bool has_no_memory_device; /* leave the virtio-mem device out */
    bool has_no_balloon;       /* leave the balloon device out: no statistics */
    const char *cmdline;       /* more of the kernel command line: "virtkeep.nodriver" */
    const char *policy;        /* attributes of vk:policy: "run-strategy='always'" */
    const char *devices;       /* more elements of <devices> */
} Guest;

/* One INFO line of the guest. Sizes are bytes. */
typedef struct GuestInfo {
    guint64 mem_total;
    guint64 mem_available;
    guint64 unmovable_slab;
    bool has_virtio_mem; /* the driver is loaded */
    bool has_balloon;
    unsigned n_oom_kills;
    double uptime; /* seconds */
} GuestInfo;

/* Ends the program with status 77 (skipped) and the reason on stdout, where the guest's image
 * cannot be made on this machine. Call it first in main() of a guest test. */
void guest_require_image(void);

/* Puts domains/NAME.xml into the scratch directory, by rename, as this description says. */
void guest_write_domain(Scratch *scratch, const Guest *guest);

/* The same text without writing it. */
char *guest_domain_xml(Scratch *scratch, const Guest *guest);

/* What the first serial port has said so far; "" before there is anything. */
char *guest_console(Scratch *scratch, const char *name);

/* True once the guest has loaded its drivers and takes commands. */
bool guest_is_ready(Scratch *scratch, const char *name);

/* True where the kernel has panicked. */
bool guest_has_panicked(Scratch *scratch, const char *name);

/* How often the guest has booted since QEMU started. */
unsigned guest_n_boots(Scratch *scratch, const char *name);

/* The newest INFO on the console (at most 0.1 s old as to MemTotal and drivers; the other
 * figures are those of that change). False where there is none yet. */
bool guest_last_info(Scratch *scratch, const char *name, GuestInfo *ret_info);

/* MemTotal of that, in bytes; 0 where there is none yet. */
guint64 guest_mem_total(Scratch *scratch, const char *name);
/* MemTotal before the guest had a virtio-mem driver or a balloon; 0 where it has not booted yet. */
guint64 guest_base_total(Scratch *scratch, const char *name);
/* MemTotal is @total, less than half a block more or less: Linux 6.1 was seen to count single pages
 * wrong (4 KiB) for good after shrinks that were changed on the way. */
bool guest_has_total(Scratch *scratch, const char *name, guint64 total);

/* Sends a command to the second serial port and returns its answer ("OK fill INFO …", before
 * the deed "OK poweroff", "OK reboot", "OK panic"). Fails the cmocka test where no answer comes
 * within @seconds. The guest must be ready. */
char *guest_command(Scratch *scratch, const char *name, double seconds, const char *command);

/* Like it, fails the test unless the answer begins with OK, and fills in the INFO (NULL: not
 * wanted). */
void guest_run(Scratch *scratch, const char *name, double seconds, const char *command,
               GuestInfo *ret_info);
