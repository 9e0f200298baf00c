/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "model/observed.h"
#include "qemu/monitor.h"

/*
 * What a QEMU says of itself, as a value. @now is the wall clock in us and becomes observed_at. The
 * monitor may be live or a recording. What needs no monitor (pid, pid_start_time, started_at) is
 * left 0 for the caller to fill in.
 *
 * Errors are QMP_ERROR of the kinds that end a conversation (TIMEOUT, CLOSED, BUSY, PROTOCOL), or
 * any when query-status itself is refused. Everything else that a QEMU can't answer is simply not
 * in the result.
 */
Observed *observe(Monitor *monitor, gint64 now, GError **error);

/* Sends the questions ahead, for an observe() that follows; without waiting. */
void observe_ask(Monitor *monitor);
/* The same, after observe_ask(), of the devices that @applied says there are. */
void observe_ask_details(Monitor *monitor, const Domain *applied);

/* Whether this QEMU takes virtio-mem devices out. 7.2 does not; that 8.1 does it does not tell, 8.2 has
 * the property dynamic-memslots beside. */
bool observe_memory_unplug(Monitor *monitor);

/* @previous with its memory devices' figures as they are now: one round trip. Driver states and
 * everything else are those of @previous. For fast polling while memory moves. */
Observed *observe_memory(Monitor *monitor, const Observed *previous, gint64 now, GError **error);

/* @previous with the balloon's statistics as they are now: one round trip. @balloon_id: the
 * balloon's device id ("balloon0"). */
Observed *observe_statistics(Monitor *monitor, const Observed *previous, const char *balloon_id,
                             gint64 now, GError **error);

/* What a domain's QEMU is when it can't be asked: no process (OFF), or UNREACHABLE with @message.
 */
Observed *observe_off(gint64 now);
Observed *observe_unreachable(const char *message, gint64 now);

/* QEMU's word for its state ("prelaunch", "io-error") as a RunState; an unknown one is PAUSED. */
RunState run_state_of_qemu(const char *status);
