/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/support/scratch.h"

/*
 * MemoryMonitor: a thread that reads the memory of several running QEMUs every 5 ms, and what the
 * state file grants them, and judges both. While there is one it holds the QEMUs' debug monitors,
 * which have room for one client: figures are then to be had from it, not from qemu_ask().
 */
typedef struct MemoryMonitor MemoryMonitor;

/* What was found between memory_monitor_begin() and memory_monitor_end(). Sizes are bytes. */
typedef struct MemoryReport {
    guint n_rounds;
    gint64 longest_us; /* from the begin of one round to the begin of the next */
    guint64 peak;      /* what all had together at some instant, at least */
    char *breach;      /* the first one, in words; NULL: none */
} MemoryReport;

void memory_report_clear(MemoryReport *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MemoryReport, memory_report_clear)

/* @names: of @n domains with one virtio-mem device each; borrowed. @constant: what all of them
 * have together beside these devices. Fails the cmocka test where a QEMU does not answer. */
MemoryMonitor *memory_monitor_new(Scratch *scratch, const char *const *names, guint n,
                                  guint64 constant);
void memory_monitor_free(MemoryMonitor *monitor); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemoryMonitor, memory_monitor_free)

/* From here on @budget must hold: for what all have together, boot memory and all. */
void memory_monitor_begin(MemoryMonitor *monitor, guint64 budget);
/* What is so when this is called is in the report: two more rounds are waited for. */
MemoryReport memory_monitor_end(MemoryMonitor *monitor);

/* The newest reading of the domain's device. */
guint64 memory_monitor_requested(MemoryMonitor *monitor, guint index);
guint64 memory_monitor_current(MemoryMonitor *monitor, guint index);
