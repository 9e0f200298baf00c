/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whatever stands in virtkeep.yaml: no crash, no leak, and either a configuration that holds what
 * its users rely on, or at least one mistake with its line.
 */
#include "tests/fuzz/fuzz.h"

#include "controller/config.h"

static void
check_config(const Config *config)
{
    static const char *const names[] = { "web-1", "db-1", "", "*" };

    g_assert_true(g_path_is_absolute(config->domains) && g_path_is_absolute(config->state) &&
                  g_path_is_absolute(config->run) && g_path_is_absolute(config->log));
    g_assert_true(config->workers > 0 && config->settle_time >= 0 && config->resync > 0);
    g_assert_true(config->max_prune <= 100 && config->max_restarts <= MAX_RESTARTS_LIMIT);
    g_assert_cmpuint(config->emulators->len, >, 0);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        Policy policy = config_policy(config, names[i], NULL);

        g_assert_true(policy.shutdown_timeout >= 0 && policy.stall_timeout >= 0);
        (void) config_network(config, names[i]);
        (void) config_pool(config, names[i]);
    }
    (void) config_memory_budget(config, G_MAXUINT64, 0);
    (void) config_memory_budget(config, 0, G_MAXUINT64);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("virtkeep.yaml");
    Config *config = config_parse("/etc/virtkeep.yaml", (const char *) data, size, diagnostics);
    g_autofree char *text = diagnostics_format(diagnostics);

    g_assert_true(!config == diagnostics_has_errors(diagnostics));
    if (config)
        check_config(config);
    config_unref(config);
    return 0;
}
