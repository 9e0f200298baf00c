/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A paused QEMU for tests: real, quick (about 100 ms), needing no guest. It is found and killed by
 * the test's guard (tests/support/scratch.h) since its output goes to a file in the scratch
 * directory.
 */
#include "tests/qemu/paused-qemu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const char *const bare_argv[] = {
    PAUSED_QEMU_EMULATOR,
    "-no-user-config",
    "-nodefaults",
    "-display",
    "none",
    "-machine",
    "none",
    "-uuid",
    PAUSED_QEMU_UUID,
    NULL,
};

static const char *const q35_argv[] = {
    PAUSED_QEMU_EMULATOR,
    "-no-user-config",
    "-nodefaults",
    "-display",
    "none",
    "-machine",
    "q35,accel=tcg",
    "-m",
    "size=64M,slots=2,maxmem=1G",
    "-uuid",
    PAUSED_QEMU_UUID,
    "-object",
    "memory-backend-ram,id=mem0,size=256M,reserve=off",
    "-device",
    "virtio-mem-pci,id=vm0,memdev=mem0,block-size=2M,requested-size=0",
    NULL,
};

Launch *
paused_qemu_prepare(Scratch *scratch, const char *name, bool is_bare, const char *const *more,
                    GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autofree char *run_name = g_strconcat("run/", name, NULL);
    g_autofree char *run_directory = scratch_path(scratch, run_name);
    g_autofree char *log_name = g_strconcat("log/", name, ".log", NULL);
    g_autofree char *log_path = scratch_path(scratch, log_name);
    g_autofree char *token = process_token_new();

    for (const char *const *p = is_bare ? bare_argv : q35_argv; *p; p++)
        g_ptr_array_add(argv, (char *) *p);
    for (const char *const *p = more; p && *p; p++)
        g_ptr_array_add(argv, (char *) *p);
    g_ptr_array_add(argv, NULL);
    return launch_prepare(
        &(LaunchSpec){
            .name = name,
            .run_directory = run_directory,
            .log_path = log_path,
            .token = token,
            .uuid = PAUSED_QEMU_UUID,
            .argv = (const char *const *) argv->pdata,
        },
        error);
}

Launch *
paused_qemu_start(Scratch *scratch, const char *name, bool is_bare, const char *const *more,
                  Qmp **ret_control)
{
    g_autoptr(GError) error = NULL;
    Launch *launch = paused_qemu_prepare(scratch, name, is_bare, more, &error);
    Qmp *control = NULL;

    if (!launch || !launch_go(launch, &error) ||
        !(control = launch_connect(launch, PAUSED_QEMU_TIMEOUT_US, &error)))
        fail_msg("%s", error->message);
    *ret_control = control;
    return launch;
}
