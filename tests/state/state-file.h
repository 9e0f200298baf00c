/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A state file in a directory of its own, for one test. */
#pragma once

#include "state/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#define SECOND G_TIME_SPAN_SECOND
#define MIB (1024ull * 1024)
#define GIB (1024ull * MIB)
/* Some instant: 2026-07-01T12:00:00Z. */
#define NOON (1782907200 * SECOND)

typedef struct {
    char *directory;
    char *path; /* of the state file, not yet there */
} StateFile;

/* cmocka's fixture functions. */
int state_file_setup(void **state);
int state_file_teardown(void **state);

#define state_test(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, state_file_setup, state_file_teardown)

/* Fail the test with the error's message. */
#define assert_ok(condition)                                                                       \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s: %s", #condition, error ? error->message : "no error");                   \
        assert_null(error);                                                                        \
    } while (0)

#define assert_state_error(error_, code_)                                                          \
    do {                                                                                           \
        assert_non_null(error_);                                                                   \
        if (!g_error_matches(error_, STATE_ERROR, code_))                                          \
            fail_msg("not %s: %s", #code_, (error_)->message);                                     \
        g_clear_error(&(error_));                                                                  \
    } while (0)

/* Opens or fails the test. */
Store *state_file_open(const StateFile *file, StoreMode mode);

/* A file's bytes, and those of its -wal and -journal if there. */
GBytes *state_file_bytes(const char *path);

/* What a query gives: the first column, rows joined by newlines. */
char *state_file_query(const char *path, const char *sql);

/* fork(): the child runs `work` and exits 0 if it returned TRUE. */
typedef gboolean (*ChildWork)(const StateFile *file, guint index);
pid_t state_file_fork(const StateFile *file, ChildWork work, guint index);

/* The exit status of a child, or -1 if it was killed. */
int state_file_wait(pid_t pid);
