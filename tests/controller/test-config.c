/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.h: defaults, every key, precedence, and what is refused, each with its line and all at
 * once.
 */
#include "controller/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "controller/config-document.h"
#include "model/interface.h"
#include "model/memory-claim.h"
#include "model/quantity.h"
#include "tests/support/scratch.h"

#define MIB G_GUINT64_CONSTANT(1048576)

static Config *
parse(const char *text, Diagnostics **ret_diagnostics)
{
    *ret_diagnostics = diagnostics_new("f.yaml");
    return config_parse("/conf/f.yaml", text, strlen(text), *ret_diagnostics);
}

static Config *
parse_good(const char *text)
{
    g_autoptr(Diagnostics) diagnostics = NULL;
    Config *config = parse(text, &diagnostics);

    if (!config)
        fail_msg("%s", diagnostics_format(diagnostics));
    assert_int_equal(diagnostics->items->len, 0);
    return config;
}

/* @expected: all lines of diagnostics. */
static void
assert_refused(const char *text, const char *expected)
{
    g_autoptr(Diagnostics) diagnostics = NULL;
    g_autoptr(Config) config = parse(text, &diagnostics);
    g_autofree char *lines = diagnostics_format(diagnostics);

    assert_null(config);
    assert_string_equal(lines, expected);
}

static void
test_defaults_of_root(void **state)
{
    g_autoptr(Config) config = config_default(0);

    assert_string_equal(config->domains, "/etc/virtkeep/domains");
    assert_string_equal(config->state, "/var/lib/virtkeep/state.db");
    assert_string_equal(config->run, "/run/virtkeep");
    assert_string_equal(config->log, "/var/log/virtkeep");
    assert_int_equal(config->settle_time, 200000);
    assert_int_equal(config->resync, 300 * G_USEC_PER_SEC);
    assert_int_equal(config->workers, 8);
    assert_int_equal(config->overrides->len, 0);
    assert_int_equal(config->memory_budget.form, BUDGET_AUTO);
    assert_int_equal(config->memory_reserve, 2048 * MIB);
    assert_int_equal(config->qemu_overhead, 64 * MIB);
    assert_int_equal(config->max_prune, 25);
    assert_int_equal(config->max_restarts, 1);
    assert_string_equal(config_network(config, "default")->bridge, "virbr0");
    assert_null(config_network(config, "other"));
    assert_string_equal(config_pool(config, "default")->path, "/var/lib/libvirt/images");
    assert_null(config_pool(config, "other"));
    assert_true(config_allows_emulator(config, "/usr/bin/qemu-system-x86_64"));
    assert_false(config_allows_emulator(config, "/bin/sh"));
}

static void
test_defaults_of_a_user(void **state)
{
    g_autoptr(Config) config = config_default(1000);
    g_autofree char *domains = g_build_filename(g_get_user_config_dir(), "virtkeep/domains", NULL);
    g_autofree char *state_file =
        g_build_filename(g_get_user_state_dir(), "virtkeep/state.db", NULL);
    g_autofree char *run = g_build_filename(g_get_user_runtime_dir(), "virtkeep", NULL);

    assert_string_equal(config->domains, domains);
    assert_string_equal(config->state, state_file);
    assert_string_equal(config->run, run);
    assert_true(g_str_has_suffix(config->log, "/virtkeep/log"));
}

static void
test_every_key(void **state)
{
    g_autoptr(Config) config =
        parse_good("domains: doms\n"
                   "state: /s/state.db\n"
                   "run: ../run\n"
                   "log: /l/./x\n"
                   "settle-time: 1s\n"
                   "resync: 1h\n"
                   "workers: 3\n"
                   "policy:\n"
                   "  run-strategy: halted\n"
                   "  restart-required: restart\n"
                   "  prune: destroy\n"
                   "  shutdown-timeout: 90s\n"
                   "  memory: { step: 8, stall-timeout: 2m,\n"
                   "            guest-reserve: 256MiB,\n"
                   "            shrink-unguarded: refuse, priority: -5,\n"
                   "            guarantee: 1GiB, admission: refuse, balloon: current }\n"
                   "overrides:\n"
                   "  - match: 'web-*'\n"
                   "    prune: shutdown\n"
                   "  - { match: '*', memory: { step: all } }\n"
                   "host:\n"
                   "  memory-budget: 8GiB\n"
                   "  memory-reserve: 512 MiB\n"
                   "  qemu-overhead: 0\n"
                   "guards:\n"
                   "  max-prune: 100%\n"
                   "  max-restarts: 4\n"
                   "networks: { lan: { bridge: br0, create: true }, slow: { user: true },\n"
                   "  up: { direct: eth0, mode: private } }\n"
                   "pools: { fast: /ssd, rel: images,\n"
                   "  san: { type: iscsi, host: h, target: t, port: 1 } }\n"
                   "secrets: keys\n"
                   "tls: { spice: /s }\n"
                   "helpers: { swtpm: bin/swtpm }\n"
                   "emulators: [ /opt/qemu, /usr/bin/qemu ]\n");

    assert_string_equal(config->domains, "/conf/doms");
    assert_string_equal(config->state, "/s/state.db");
    assert_string_equal(config->run, "/run");
    assert_string_equal(config->log, "/l/x");
    assert_int_equal(config->settle_time, G_USEC_PER_SEC);
    assert_int_equal(config->resync, 3600 * (gint64) G_USEC_PER_SEC);
    assert_int_equal(config->workers, 3);
    assert_int_equal(config->policy.run_strategy, RUN_HALTED);
    assert_int_equal(config->policy.restart_required, RESTART_RESTART);
    assert_int_equal(config->policy.prune, PRUNE_DESTROY);
    assert_string_equal(config->policy.shutdown_timeout, "90s");
    assert_string_equal(config->policy.step, "8");
    assert_string_equal(config->policy.stall_timeout, "2m");
    assert_string_equal(config->policy.guest_reserve, "256MiB");
    assert_int_equal(config->policy.shrink_unguarded, UNGUARDED_REFUSE);
    assert_string_equal(config->policy.memory_priority, "-5");
    assert_string_equal(config->policy.memory_guarantee, "1GiB");
    assert_int_equal(config->policy.memory_admission, ADMISSION_REFUSE);
    assert_int_equal(config->policy.memory_balloon, BALLOON_CURRENT);
    assert_int_equal(config->overrides->len, 2);
    assert_int_equal(config->memory_budget.form, BUDGET_SIZE);
    assert_int_equal(config->memory_budget.value, 8192 * MIB);
    assert_int_equal(config->memory_reserve, 512 * MIB);
    assert_int_equal(config->qemu_overhead, 0);
    assert_int_equal(config->max_prune, 100);
    assert_int_equal(config->max_restarts, 4);
    assert_string_equal(config_network(config, "lan")->bridge, "br0");
    assert_true(config_network(config, "lan")->is_made);
    assert_true(config_network(config, "slow")->is_user);
    assert_string_equal(config_network(config, "up")->direct, "eth0");
    assert_int_equal(config_network(config, "up")->mode, MACVTAP_PRIVATE);
    assert_null(config_network(config, "default"));
    assert_string_equal(config_pool(config, "fast")->path, "/ssd");
    assert_null(config_pool(config, "san")->path);
    assert_string_equal(config_pool(config, "san")->host, "h");
    assert_int_equal(config_pool(config, "san")->port, 1);
    assert_string_equal(config->secrets, "/conf/keys");
    assert_string_equal(config->tls_spice, "/s");
    assert_string_equal(config->tls_storage, "/etc/pki/qemu");
    assert_string_equal(config_helper_path(config, "swtpm"), "/conf/bin/swtpm");
    assert_null(config_helper_path(config, "passt"));
    assert_string_equal(config_pool(config, "rel")->path, "/conf/images");
    assert_true(config_allows_emulator(config, "/opt/qemu"));
    assert_false(config_allows_emulator(config, "/usr/bin/qemu-system-x86_64"));
}

static void
test_policy_precedence(void **state)
{
    g_autoptr(Config) config = parse_good("policy: { prune: shutdown, memory: { step: 4, priority: "
                                          "9, admission: refuse } }\n"
                                          "overrides:\n"
                                          "- { match: 'db-*', run-strategy: always }\n"
                                          "- { match: 'db-1', run-strategy: manual, prune: keep }\n"
                                          "- { match: 'web-[0-9]', shutdown-timeout: 5s }\n");
    PolicyOverrides metadata = { .run_strategy = RUN_ONCE,
                                 .memory_balloon = BALLOON_CURRENT,
                                 .step = (char *) "all",
                                 .memory_priority = (char *) "-7",
                                 .memory_guarantee = (char *) "2MiB" };
    Policy policy = config_policy(config, "other", NULL);

    assert_int_equal(policy.run_strategy, RUN_RERUN_ON_FAILURE);
    assert_int_equal(policy.prune, PRUNE_SHUTDOWN);
    assert_int_equal(policy.step, 4);
    assert_int_equal(policy.shutdown_timeout, 60 * G_USEC_PER_SEC);
    assert_int_equal(policy.memory_priority, 9);
    assert_int_equal(policy.memory_guarantee, 0);

    policy = config_policy(config, "db-1", NULL); /* the first that matches, only */
    assert_int_equal(policy.run_strategy, RUN_ALWAYS);
    assert_int_equal(policy.prune, PRUNE_SHUTDOWN);

    policy = config_policy(config, "db-1", &metadata);
    assert_int_equal(policy.run_strategy, RUN_ONCE);
    assert_int_equal(policy.step, STEP_ALL);
    assert_int_equal(policy.prune, PRUNE_SHUTDOWN);
    assert_int_equal(policy.memory_priority, -7);
    assert_int_equal(policy.memory_guarantee, 2 * MIB);
    assert_int_equal(policy.memory_admission, ADMISSION_REFUSE);
    assert_int_equal(policy.memory_balloon, BALLOON_CURRENT);

    assert_int_equal(config_policy(config, "web-7", NULL).shutdown_timeout, 5 * G_USEC_PER_SEC);
    assert_int_equal(config_policy(config, "web-77", NULL).shutdown_timeout, 60 * G_USEC_PER_SEC);
}

/* What docs/configuration.md says are the defaults are those of model/policy.h. */
static void
test_documented_policy_defaults(void **state)
{
    g_autoptr(GString) text = g_string_new("policy:\n");
    g_autoptr(GString) memory = g_string_new("  memory:\n");
    g_autoptr(Config) config = NULL;
    Policy expected = policy_default(), documented;
    guint n_rows = 0, n_fields = 0;

    for (const ConfigPolicyDefault *row = config_policy_defaults; row->name; row++, n_rows++) {
        if (g_str_has_prefix(row->name, "memory-"))
            g_string_append_printf(memory, "    %s: %s\n", row->name + strlen("memory-"),
                                   row->text);
        else
            g_string_append_printf(text, "  %s: %s\n", row->name, row->text);
    }
    for (const Field *field = policy_schema.fields; field->path; field++)
        n_fields++;
    assert_int_equal(n_rows, n_fields);
    g_string_append(text, memory->str);
    config = parse_good(text->str);
    memset(&documented, 0xff, sizeof(documented));
    policy_override(&documented, &config->policy);
    assert_int_equal(documented.run_strategy, expected.run_strategy);
    assert_int_equal(documented.restart_required, expected.restart_required);
    assert_int_equal(documented.prune, expected.prune);
    assert_int_equal(documented.shutdown_timeout, expected.shutdown_timeout);
    assert_int_equal(documented.step, expected.step);
    assert_int_equal(documented.stall_timeout, expected.stall_timeout);
    assert_true(documented.guest_reserve == expected.guest_reserve);
    assert_int_equal(documented.shrink_unguarded, expected.shrink_unguarded);
    assert_int_equal(documented.memory_priority, expected.memory_priority);
    assert_int_equal(documented.memory_guarantee, expected.memory_guarantee);
    assert_int_equal(documented.memory_admission, expected.memory_admission);
    assert_int_equal(documented.memory_balloon, expected.memory_balloon);
}

static void
test_unknown_keys(void **state)
{
    assert_refused("domain: /x\n",
                   "f.yaml:1:1: error: unknown key 'domain'; here may stand domains, state, run, "
                   "log, settle-time, resync, workers, policy, overrides, host, guards, networks, "
                   "pools, secrets, tls, helpers, emulators, allow-qemu-namespace [unknown-key]\n");
    assert_refused("host: { memory: 1 }\n",
                   "f.yaml:1:9: error: unknown key 'memory'; here may stand memory-budget, "
                   "memory-reserve, qemu-overhead, cgroup [unknown-key]\n");
    assert_refused("helpers: { swtmp: /usr/bin/swtpm }\n",
                   "f.yaml:1:12: error: unknown key 'swtmp'; here may stand swtpm, virtiofsd, "
                   "passt, dbus-daemon, qemu-pr-helper [unknown-key]\n");
    assert_refused("host/memory-budget: 1GiB\n",
                   "f.yaml:1:1: error: unknown key 'host/memory-budget'; here may stand domains, "
                   "state, run, log, settle-time, resync, workers, policy, overrides, host, "
                   "guards, networks, pools, secrets, tls, helpers, emulators, "
                   "allow-qemu-namespace [unknown-key]\n");
    assert_refused("policy:\n  memory-step: 8\n",
                   "f.yaml:2:3: error: unknown key 'memory-step'; here may stand run-strategy, "
                   "restart-required, prune, shutdown-timeout, memory [unknown-key]\n");
    assert_refused("policy: { run: { strategy: always } }\n",
                   "f.yaml:1:11: error: unknown key 'run'; here may stand run-strategy, "
                   "restart-required, prune, shutdown-timeout, memory [unknown-key]\n");
    assert_refused("policy: { memory: { stop: 1 } }\n",
                   "f.yaml:1:21: error: unknown key 'stop'; here may stand step, stall-timeout, "
                   "guest-reserve, shrink-unguarded, priority, guarantee, admission, balloon "
                   "[unknown-key]\n");
    assert_refused("overrides: [ { match: x, matches: y } ]\n",
                   "f.yaml:1:26: error: unknown key 'matches'; here may stand match, run-strategy, "
                   "restart-required, prune, shutdown-timeout, memory [unknown-key]\n");
    assert_refused("policy: { match: x }\n",
                   "f.yaml:1:11: error: unknown key 'match'; here may stand run-strategy, "
                   "restart-required, prune, shutdown-timeout, memory [unknown-key]\n");
    assert_refused("networks: { a: { brigde: x, bridge: y } }\n",
                   "f.yaml:1:18: error: unknown key 'brigde'; here may stand bridge, create, "
                   "direct, mode, user [unknown-key]\n");
}

static void
test_bad_values(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        { "[a]\n", "1:1: error: 'the configuration' must be a mapping, not a list [bad-type]" },
        { "domains: [a]\n", "1:10: error: 'domains' must be a single value, not a list "
                            "[bad-type]" },
        { "domains:\n", "1:9: error: 'domains' has no value [bad-value]" },
        { "domains: ~/x\n", "1:10: error: 'domains': '~' has no meaning here; write the path out "
                            "[bad-value]" },
        { "settle-time: 5\n", "1:14: error: 'settle-time': '5' is not a duration such as 200ms or "
                              "5m [bad-value]" },
        { "settle-time: 2m\n", "1:14: error: 'settle-time': 2m is too large [bad-value]" },
        { "resync: 1ms\n", "1:9: error: 'resync': 1ms is too small [bad-value]" },
        { "workers: 0\n", "1:10: error: 'workers': 0 is too small [bad-value]" },
        { "workers: -1\n", "1:10: error: 'workers': '-1' is not a whole number [bad-value]" },
        { "workers: 99999999999\n",
          "1:10: error: 'workers': '99999999999' is not a whole number [bad-value]" },
        { "guards: { max-prune: 25 }\n",
          "1:22: error: 'guards/max-prune': '25' is not a percentage such as 25% [bad-value]" },
        { "guards: { max-prune: 101% }\n",
          "1:22: error: 'guards/max-prune': 101% is too large [bad-value]" },
        { "guards: { max-prune: '%' }\n",
          "1:22: error: 'guards/max-prune': '%' is not a percentage such as 25% [bad-value]" },
        { "host: { memory-budget: lots }\n",
          "1:24: error: 'host/memory-budget': 'lots' is not auto, none, a size such as 24GiB or a "
          "percentage such as 80% [bad-value]" },
        { "host: { memory-budget: 0% }\n",
          "1:24: error: 'host/memory-budget': '0%' is not auto, none, a size such as 24GiB or a "
          "percentage such as 80% [bad-value]" },
        { "host: { memory-budget: 1001% }\n",
          "1:24: error: 'host/memory-budget': '1001%' is not auto, none, a size such as 24GiB or "
          "a percentage such as 80% [bad-value]" },
        { "host: { memory-budget: 1KiB }\n",
          "1:24: error: 'host/memory-budget': 1KiB is too small [bad-value]" },
        { "host: { memory-reserve: auto }\n", "1:25: error: 'host/memory-reserve': 'auto' is not "
                                              "a size such as 2GiB [bad-value]" },
        { "policy: { prune: all }\n",
          "1:18: error: 'prune': 'all' is none of keep, shutdown, destroy [bad-value]" },
        { "policy: { memory: 8 }\n",
          "1:19: error: 'memory' must be a mapping, not a single value [bad-type]" },
        { "policy: { memory: { step: 0 } }\n",
          "1:27: error: 'step': '0' is not auto, all, or a number of blocks [bad-value]" },
        { "policy: { memory: { priority: 1001 } }\n",
          "1:31: error: 'priority': '1001' is not a whole number from -1000 to 1000 [bad-value]" },
        { "policy: { memory: { guarantee: auto } }\n",
          "1:32: error: 'guarantee': 'auto' is not a size such as 1GiB [bad-value]" },
        { "policy: { memory: { admission: no } }\n",
          "1:32: error: 'admission': 'no' is none of wait, refuse [bad-value]" },
        { "policy: { shutdown-timeout: soon }\n",
          "1:29: error: 'shutdown-timeout': 'soon' is not a duration such as 60s [bad-value]" },
        { "overrides: { match: x }\n",
          "1:12: error: 'overrides' must be a list, not a mapping [bad-type]" },
        { "overrides: [ { prune: keep } ]\n",
          "1:14: error: this override has no 'match' [missing-key]" },
        { "overrides: [ x ]\n",
          "1:14: error: 'an override' must be a mapping, not a single value [bad-type]" },
        { "pools: { a: { type: nfs, host: h, target: t } }\n",
          "1:21: error: 'type': 'nfs' is not iscsi [bad-value]" },
        { "pools: { a: { type: iscsi, host: h } }\n",
          "1:10: error: pool 'a' needs type, host and target [missing-key]" },
        { "pools: { a: { type: iscsi, host: h, target: t, lun: 1 } }\n",
          "1:48: error: unknown key 'lun'; here may stand type, host, port, target [unknown-key]" },
        { "pools: { a: { type: iscsi, host: h, target: t, port: 0 } }\n",
          "1:54: error: 'port': '0' is no TCP port [bad-value]" },
        { "networks: { a: br0 }\n",
          "1:16: error: 'a' must be a mapping, not a single value [bad-type]" },
        { "networks: { a: {} }\n",
          "1:13: error: network 'a' has no 'bridge', no 'direct', and not 'user: true' "
          "[missing-key]" },
        { "networks: { a: { bridge: b, direct: e } }\n",
          "1:13: error: network 'a' can be one of 'bridge', 'direct' and 'user: true' only "
          "[bad-value]" },
        { "networks: { a: { direct: e, create: true } }\n",
          "1:29: error: 'create' is for a 'bridge' [bad-value]" },
        { "networks: { a: { bridge: b, mode: vepa } }\n",
          "1:29: error: 'mode' is for a 'direct' network [bad-value]" },
        { "networks: { a: { direct: e, mode: fast } }\n",
          "1:35: error: 'mode': 'fast' is none of vepa, bridge, private, passthrough [bad-value]" },
        { "networks: { a: { user: maybe } }\n",
          "1:24: error: 'user': expected true or false [bad-value]" },
        { "networks: { a: { bridge: ../../x } }\n",
          "1:26: error: 'bridge': '../../x' can't be the name of an interface [bad-value]" },
        { "networks: { a: { bridge: abcdefghijklmnop } }\n",
          "1:26: error: 'bridge': 'abcdefghijklmnop' can't be the name of an interface "
          "[bad-value]" },
        { "emulators: []\n", "1:12: error: 'emulators' must not be empty [bad-value]" },
        { "emulators:\n", "1:11: error: 'emulators' must not be empty [bad-value]" },
        { "emulators: [ qemu ]\n",
          "1:14: error: 'emulators': 'qemu' is not an absolute path [bad-value]" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *expected = g_strdup_printf("f.yaml:%s\n", cases[i].expected);

        assert_refused(cases[i].text, expected);
    }
}

static void
test_all_mistakes_in_order(void **state)
{
    assert_refused("emulators: []\nworkers: none\nfoo: 1\n",
                   "f.yaml:1:12: error: 'emulators' must not be empty [bad-value]\n"
                   "f.yaml:2:10: error: 'workers': 'none' is not a whole number [bad-value]\n"
                   "f.yaml:3:1: error: unknown key 'foo'; here may stand domains, state, run, "
                   "log, settle-time, resync, workers, policy, overrides, host, guards, networks, "
                   "pools, secrets, tls, helpers, emulators, allow-qemu-namespace [unknown-key]\n");
}

static void
test_empty_groups_are_good(void **state)
{
    g_autoptr(Config) config = parse_good("policy:\noverrides:\nhost:\nguards: {}\n");

    assert_int_equal(config->max_prune, 25);
    assert_int_equal(config->overrides->len, 0);
}

static void
test_budget(void **state)
{
    g_autoptr(Config) automatic = config_default(0);
    g_autoptr(Config) fixed = parse_good("host: { memory-budget: 3GiB }\n");
    g_autoptr(Config) part = parse_good("host: { memory-budget: 80% }\n");
    g_autoptr(Config) more = parse_good("host: { memory-budget: 150% }\n");
    g_autoptr(Config) none = parse_good("host: { memory-budget: none }\n");

    assert_int_equal(config_memory_budget(automatic, 5120 * MIB, 0), 3072 * MIB);
    assert_int_equal(config_memory_budget(automatic, 5120 * MIB, 1024 * MIB), 2048 * MIB);
    assert_int_equal(config_memory_budget(automatic, 1024 * MIB, 0), 0);
    assert_int_equal(config_memory_budget(automatic, 5120 * MIB, 4096 * MIB), 0);
    assert_int_equal(config_memory_budget(fixed, 1024 * MIB, 1024 * MIB), 3072 * MIB);
    assert_int_equal(config_memory_budget(part, 5120 * MIB, 1024 * MIB), 4096 * MIB);
    assert_int_equal(config_memory_budget(part, 3, 0), 2);
    assert_int_equal(config_memory_budget(more, 5120 * MIB, 0), 7680 * MIB);
    assert_true(config_memory_budget(none, 5120 * MIB, 0) == MEMORY_POOL_UNLIMITED);
}

static void
test_load(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *file = scratch_write(scratch, "c/virtkeep.yaml", "domains: d\nrun: /r\n");
    g_autofree char *domains = scratch_path(scratch, "c/d");
    ConfigPaths paths = { .config = file, .run = "x/run", .state = "/s" };
    g_autoptr(Diagnostics) diagnostics = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = config_load(&paths, &diagnostics, &error);
    g_autofree char *here = g_get_current_dir();
    g_autofree char *run = g_build_filename(here, "x/run", NULL);

    assert_non_null(config);
    assert_string_equal(config->file, file);
    assert_string_equal(config->domains, domains);
    assert_string_equal(config->run, run);
    assert_string_equal(config->state, "/s");
}

static void
assert_load_fails(const char *file, int code, const char *message)
{
    ConfigPaths paths = { .config = file };
    g_autoptr(Diagnostics) diagnostics = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = config_load(&paths, &diagnostics, &error);
    g_autofree char *expected = g_strdup_printf("%s: %s", file, message);

    assert_null(config);
    assert_non_null(diagnostics);
    assert_true(g_error_matches(error, G_IO_ERROR, code));
    assert_string_equal(error->message, expected);
}

static void
test_load_failures(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *bad = scratch_write(scratch, "bad.yaml", "a: 1\nb: 2\n");
    g_autofree char *open = scratch_write(scratch, "open.yaml", "workers: 1\n");
    g_autofree char *missing = scratch_path(scratch, "missing.yaml");

    assert_load_fails(bad, G_IO_ERROR_INVALID_DATA, "2 mistakes");
    assert_load_fails(missing, G_IO_ERROR_NOT_FOUND, "No such file or directory");
    assert_load_fails(scratch_dir(scratch), G_IO_ERROR_NOT_REGULAR_FILE, "not a regular file");
    assert_int_equal(chmod(open, 0666), 0);
    if (geteuid() == 0)
        assert_load_fails(open, G_IO_ERROR_PERMISSION_DENIED,
                          "refused because others may write to it (mode 666)");
}

static void
test_missing_default_file_is_no_mistake(void **state)
{
    ConfigPaths paths = { .domains = "/d" };
    g_autoptr(Diagnostics) diagnostics = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = NULL;

    if (geteuid() == 0 && g_file_test("/etc/virtkeep/virtkeep.yaml", G_FILE_TEST_EXISTS))
        skip();
    config = config_load(&paths, &diagnostics, &error);
    assert_non_null(config);
    assert_null(config->file);
    assert_string_equal(config->domains, "/d");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_of_root),
        cmocka_unit_test(test_defaults_of_a_user),
        cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_policy_precedence),
        cmocka_unit_test(test_documented_policy_defaults),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_all_mistakes_in_order),
        cmocka_unit_test(test_empty_groups_are_good),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_load_failures),
        cmocka_unit_test(test_missing_default_file_is_no_mistake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
