/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keys of virtkeep.yaml, one row each.
 *
 * A default is YAML text in its row, read by the same setter as what a user writes: documentation
 * and behaviour can't differ, and a bad default fails the first test. A key that is given replaces
 * its default as a whole, lists and mappings too.
 *
 * Nothing is guessed or ignored: a key that no row names is an error at its line, with the names
 * that may stand there.
 */
#include "controller/config-keys.h"

#include <string.h>

#include "controller/config-values.h"

#define MINUTE (G_GINT64_CONSTANT(60) * G_USEC_PER_SEC)

#define KEY(member) .offset = offsetof(Config, member)
const ConfigKey config_keys[] = {
    { .path = "domains",
      .type = KEY_PATH,
      KEY(domains),
      .fallback = "/etc/virtkeep/domains",
      .user_fallback = "$XDG_CONFIG_HOME/virtkeep/domains",
      .doc = "The directory of domain XML files, searched recursively for `*.xml`. Hidden files "
             "and directories are skipped." },
    { .path = "state",
      .type = KEY_PATH,
      KEY(state),
      .fallback = "/var/lib/virtkeep/state.db",
      .user_fallback = "$XDG_STATE_HOME/virtkeep/state.db",
      .doc = "The SQLite file of what virtkeep saw and did." },
    { .path = "run",
      .type = KEY_PATH,
      KEY(run),
      .fallback = "/run/virtkeep",
      .user_fallback = "$XDG_RUNTIME_DIR/virtkeep",
      .doc = "Sockets, locks and process records. To be on a file system that a reboot empties." },
    { .path = "log",
      .type = KEY_PATH,
      KEY(log),
      .fallback = "/var/log/virtkeep",
      .user_fallback = "$XDG_STATE_HOME/virtkeep/log",
      .doc = "What each QEMU says on stderr, in one file a domain." },
    { .path = "settle-time",
      .type = KEY_DURATION,
      KEY(settle_time),
      .max = MINUTE,
      .fallback = "200ms",
      .doc = "How long the directory must be quiet after a change before it is read." },
    { .path = "resync",
      .type = KEY_DURATION,
      KEY(resync),
      .min = G_USEC_PER_SEC,
      .max = 24 * 60 * MINUTE,
      .fallback = "5m",
      .doc = "How often every domain is looked at even though nothing seems to have happened." },
    { .path = "workers",
      .type = KEY_COUNT,
      KEY(workers),
      .min = 1,
      .max = 64,
      .fallback = "8",
      .doc = "How many domains are worked on at the same time." },
    { .path = "policy",
      .type = KEY_POLICY,
      KEY(policy),
      .doc = "The policy of every domain that says nothing else." },
    { .path = "overrides",
      .type = KEY_OVERRIDES,
      KEY(overrides),
      .fallback = "[]",
      .doc = "A list of mappings: `match`, a pattern for domain names as the shell's (`web-*`), "
             "and any key of `policy`. The first that matches a domain holds." },
    { .path = "host/memory-budget",
      .type = KEY_BUDGET,
      KEY(memory_budget),
      .min = 1 << 20,
      .fallback = "auto",
      .doc = "Memory that all guests together may have (docs/memory-budget.md): a size, a "
             "percentage of the host's, `none` for as much as they ask for, or `auto`: what the "
             "host has less its huge pages and `memory-reserve`. Huge pages are budgets of their "
             "own, by size and NUMA node, whatever stands here." },
    { .path = "host/memory-reserve",
      .type = KEY_SIZE,
      KEY(memory_reserve),
      .fallback = "2GiB",
      .doc = "What an `auto` budget leaves to the host, of each NUMA node its share." },
    { .path = "host/qemu-overhead",
      .type = KEY_SIZE,
      KEY(qemu_overhead),
      .fallback = "64MiB",
      .doc = "What each running QEMU is counted with beside its guest's memory." },
    { .path = "host/cgroup",
      .type = KEY_PATH,
      KEY(cgroup),
      .fallback = "/sys/fs/cgroup/system.slice/virtkeep.service",
      .doc = "The directory of cgroup v2 in which each domain that declares limits (`memtune`, "
             "`blkiotune`, shares and quotas of `cputune`) gets its own. It must have been "
             "delegated to virtkeep: the default is what its service has. QEMU and its companions "
             "are in it, and stay in it until they end where another one is named." },
    { .path = "guards/max-prune",
      .type = KEY_PERCENT,
      KEY(max_prune),
      .max = 100,
      .fallback = "25%",
      .doc = "The share of the domains that may lose their files at once; more are held, not "
             "pruned. One may always go, unless this is `0%`." },
    { .path = "guards/max-restarts",
      .type = KEY_COUNT,
      KEY(max_restarts),
      .min = 1,
      .max = MAX_RESTARTS_LIMIT,
      .fallback = "1",
      .doc =
          "How many guests are restarted for their files' sake (`restart-required: restart`) at "
          "the same time, by all virtkeeps that share the state file. The others wait, reason "
          "`RestartWaiting`; a restart that fails keeps its place until the guest is up again." },
    { .path = "networks",
      .type = KEY_NETWORKS,
      KEY(networks),
      .fallback = "{ default: { bridge: virbr0 } }",
      .doc = "What `<source network='NAME'/>` means: a mapping from names to one of "
             "`bridge: LINK` (with `create: true` the bridge is made when it is not there, and "
             "removed with its last port), `direct: LINK` (macvtap, with `mode: vepa`, the "
             "default, `bridge`, `private` or `passthrough`), or `user: true` (QEMU's user "
             "networking)." },
    { .path = "pools",
      .type = KEY_POOLS,
      KEY(pools),
      .fallback = "{ default: /var/lib/libvirt/images }",
      .doc =
          "What `<source pool='NAME'/>` means: a mapping from names to directories, or to "
          "`{ type: iscsi, host: NAME, port: 3260, target: IQN }`. Below `/dev` the volumes of a "
          "directory are block devices." },
    { .path = "secrets",
      .type = KEY_PATH,
      KEY(secrets),
      .fallback = "/etc/virtkeep/secrets",
      .user_fallback = "$XDG_CONFIG_HOME/virtkeep/secrets",
      .doc = "The directory of secrets, a file each that nobody but its owner and group may read. "
             "A secret's file is named by its uuid, or by its type and usage (`iscsi-NAME`, "
             "`ceph-NAME`, `passphrase-NAME`; in a usage, bytes but letters, digits and `-._~` are "
             "written `%2F`). The whole content is the secret, so no line break at the end; ceph's "
             "is base64, as ceph writes it." },
    { .path = "tls/spice",
      .type = KEY_PATH,
      KEY(tls_spice),
      .fallback = "/etc/pki/libvirt-spice",
      .doc = "Certificates of SPICE displays with a `tlsPort`: `ca-cert.pem`, `server-cert.pem`, "
             "`server-key.pem`." },
    { .path = "tls/storage",
      .type = KEY_PATH,
      KEY(tls_storage),
      .fallback = "/etc/pki/qemu",
      .doc = "Certificates for disks on NBD servers with `tls='yes'`." },
    { .path = "tls/chardev",
      .type = KEY_PATH,
      KEY(tls_chardev),
      .fallback = "/etc/pki/libvirt-chardev",
      .doc = "Certificates for character devices with `<source tls='yes'/>`." },
    { .path = "helpers",
      .type = KEY_HELPERS,
      KEY(helpers),
      .fallback = "{}",
      .doc = "Paths of the programs that run beside a QEMU: a mapping from `swtpm`, `virtiofsd`, "
             "`passt`, `dbus-daemon` or `qemu-pr-helper` to a file. Others are looked for in "
             "`$PATH` and where distributions put them (`/usr/libexec`, `/usr/lib/qemu`)." },
    { .path = "emulators",
      .type = KEY_FILES,
      KEY(emulators),
      .fallback = "[ /usr/bin/qemu-system-x86_64 ]",
      .doc = "The programs that `<emulator>` may name; the first is used where a file names "
             "none." },
    { .path = "allow-qemu-namespace",
      .type = KEY_SWITCH,
      KEY(allow_qemu_namespace),
      .fallback = "false",
      .doc = "Whether `<qemu:commandline>` and `<qemu:override>` take effect. They can run "
             "anything as whoever runs QEMU; `argv` shows them in any case." },
    { .path = NULL },
};

static guint
n_children(const YamlNode *node)
{
    return node->children ? node->children->len : 0;
}

/* "$XDG_STATE_HOME/virtkeep" with the directory that the variable stands for. */
static char *
expand_user_path(const char *path)
{
    const struct {
        const char *variable, *directory;
    } bases[] = {
        { "$XDG_CONFIG_HOME", g_get_user_config_dir() },
        { "$XDG_STATE_HOME", g_get_user_state_dir() },
        { "$XDG_RUNTIME_DIR", g_get_user_runtime_dir() },
    };

    for (guint i = 0; i < G_N_ELEMENTS(bases); i++)
        if (g_str_has_prefix(path, bases[i].variable))
            return g_canonicalize_filename(path + strlen(bases[i].variable) + 1,
                                           bases[i].directory);
    g_assert_not_reached();
}

static void
set_default(Config *config, const ConfigKey *row, uid_t uid)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("built-in default");
    ConfigContext context = { .directory = "/", .diagnostics = diagnostics };
    g_autoptr(YamlNode) node = NULL;

    if (row->user_fallback && uid != 0) {
        config_member(config, row, char *) = expand_user_path(row->user_fallback);
        return;
    }
    if (!row->fallback)
        return;
    node = yaml_parse(row->fallback, strlen(row->fallback), diagnostics);
    if (node)
        config_setters[row->type](&context, row, config, node);
    if (diagnostics_has_errors(diagnostics))
        g_error("default of '%s': %s", row->path, diagnostics_first_error(diagnostics)->text);
}

void
config_set_defaults(Config *config, uid_t uid)
{
    for (const ConfigKey *row = config_keys; row->path; row++)
        set_default(config, row, uid);
}

/* The keys that may stand below @prefix ("" or "host/"). Caller frees. */
static char *
keys_text(const char *prefix)
{
    g_autoptr(GString) out = g_string_new(NULL);
    const char *last = "";
    size_t last_length = 0;

    for (const ConfigKey *row = config_keys; row->path; row++) {
        const char *name = row->path + strlen(prefix);
        size_t length;

        if (!g_str_has_prefix(row->path, prefix))
            continue;
        length = strcspn(name, "/");
        if (length == last_length && !strncmp(name, last, length))
            continue;
        g_string_append_printf(out, "%s%.*s", out->len ? ", " : "", (int) length, name);
        last = name;
        last_length = length;
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static void
read_level(ConfigContext *context, Config *config, const YamlNode *mapping, const char *prefix)
{
    for (guint i = 0; i < n_children(mapping); i++) {
        const YamlNode *child = mapping->children->pdata[i];
        g_autofree char *path = g_strconcat(prefix, child->key, NULL);
        g_autofree char *group = g_strconcat(path, "/", NULL);
        g_autofree char *allowed = NULL;
        const ConfigKey *row = config_keys;
        bool is_group = false;

        for (; row->path && strcmp(row->path, path); row++)
            is_group = is_group || g_str_has_prefix(row->path, group);
        if (strchr(child->key, '/'))
            row = &config_keys[G_N_ELEMENTS(config_keys) - 1];
        if (row->path) {
            config_setters[row->type](context, row, config, child);
        } else if (is_group) {
            if (config_expect(context, child, YAML_MAPPING, path))
                read_level(context, config, child, group);
        } else {
            allowed = keys_text(prefix);
            diagnostics_add(context->diagnostics, SEVERITY_ERROR, child->key_at, "unknown-key",
                            "unknown key '%s'; here may stand %s", child->key, allowed);
        }
    }
}

void
config_read(Config *config, const YamlNode *root, Diagnostics *diagnostics)
{
    g_autofree char *directory = config->file ? g_path_get_dirname(config->file) : g_strdup("/");
    ConfigContext context = { .directory = directory, .diagnostics = diagnostics };

    if (config_expect(&context, root, YAML_MAPPING, "the configuration"))
        read_level(&context, config, root, "");
}
