/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Whether KVM works here, found out by using it: that /dev/kvm opens proves nothing (nested and
 * emulated ones open, create a machine, and then hang or abort).
 */
typedef enum {
    KVM_WORKS,   /* a virtual CPU ran code through real, protected and 64-bit mode */
    KVM_ABSENT,  /* no /dev/kvm */
    KVM_DENIED,  /* it may not be opened */
    KVM_BROKEN,  /* it failed, or hung */
    KVM_UNKNOWN, /* not tried: another architecture */
} KvmState;

/* Runs a few instructions on a virtual CPU, in a process of its own that is killed after
 * @timeout_us. *@ret_reason (caller frees) says why unless it works. */
KvmState kvm_try(gint64 timeout_us, char **ret_reason);

/* Starts @emulator with KVM and the host's CPU model and waits until firmware says something, at
 * most @timeout_us; it is ended before this returns. False with *@ret_reason: QEMU's own last line,
 * or that nothing ran in time. */
bool kvm_try_emulator(const char *emulator, gint64 timeout_us, char **ret_reason);
