/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * Scratch: a test's own directory, and the promise that nothing of the test outlives it: not
 * the directory, not a QEMU, not a controller. It is kept by a guard process, so also where
 * the test crashed, was killed, or ran into meson's time-out.
 *
 * Which processes are the test's: those recorded with scratch_watch_pid(), those that carry
 * the directory in their environment (SCRATCH_VARIABLE, set by scratch_new() for everything
 * started later), and those whose standard output or error goes to a file in it.
 */
#define SCRATCH_VARIABLE "VIRTKEEP_TEST_SCRATCH"

typedef struct Scratch Scratch;

/* A new directory with a short path (a UNIX socket's is limited to 107 bytes), mode 0700.
 * Fails the program if it can't be made. At most one at a time, since the environment variable
 * is one. With VIRTKEEP_TEST_KEEP set the directory is kept and its path printed. */
Scratch *scratch_new(void);

/* Ends what the test left running and removes the directory; returns the number of processes
 * that had to be killed. Accepts NULL. */
unsigned scratch_end(Scratch *scratch);
void scratch_free(Scratch *scratch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scratch, scratch_free)

/* The directory, absolute, without a trailing slash. */
const char *scratch_dir(const Scratch *scratch);

/* DIR/NAME; NAME may contain slashes. Nothing is created. */
char *scratch_path(const Scratch *scratch, const char *name);

/* Creates DIR/NAME and its parents, as a directory. Returns its path. */
char *scratch_mkdir(Scratch *scratch, const char *name);

/* Puts TEXT into DIR/NAME by rename, as an editor does; parents are created. Returns the path. */
char *scratch_write(Scratch *scratch, const char *name, const char *text);

/* The content of DIR/NAME, or NULL where there is no such file. */
char *scratch_read(const Scratch *scratch, const char *name);

/* An address of this machine (127.0.0.0/8) that no other process's servers are at. Caller frees. */
char *scratch_address(void);

/* Has the guard kill this process at the end, if it is still the same one then (a pidfd is
 * opened now). Only needed for processes that the rules above do not find. */
void scratch_watch_pid(Scratch *scratch, pid_t pid);
