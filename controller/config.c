/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration as a value: found, read, completed, and asked.
 *
 * Four layers, each over the one before: built-in defaults (root's or the user's), the file, the
 * command line's paths; and for one domain's policy also its override and its metadata. A missing
 * default file is no mistake, a missing file that was asked for is.
 *
 * The file decides which programs run and as whom, so root refuses one that others may write to.
 */
#include "controller/config.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/config-keys.h"
#include "controller/yaml.h"
#include "model/memory-claim.h"

#define ROOT_CONFIG_FILE "/etc/virtkeep/virtkeep.yaml"

Config *
config_new(void)
{
    return g_atomic_rc_box_new0(Config);
}

static void
config_clear(gpointer data)
{
    Config *config = data;

    g_free(config->file);
    g_free(config->domains);
    g_free(config->state);
    g_free(config->run);
    g_free(config->log);
    g_free(config->cgroup);
    g_free(config->secrets);
    g_free(config->tls_spice);
    g_free(config->tls_storage);
    g_free(config->tls_chardev);
    schema_clear(&policy_schema, &config->policy);
    g_clear_pointer(&config->overrides, g_ptr_array_unref);
    g_clear_pointer(&config->networks, g_ptr_array_unref);
    g_clear_pointer(&config->pools, g_ptr_array_unref);
    g_clear_pointer(&config->helpers, g_ptr_array_unref);
    g_clear_pointer(&config->emulators, g_ptr_array_unref);
}

Config *
config_ref(Config *config)
{
    return g_atomic_rc_box_acquire(config);
}

void
config_unref(Config *config)
{
    if (config)
        g_atomic_rc_box_release_full(config, config_clear);
}

Config *
config_default(uid_t uid)
{
    Config *config = config_new();

    config_set_defaults(config, uid);
    return config;
}

Config *
config_parse(const char *file, const char *text, gsize length, Diagnostics *diagnostics)
{
    g_autoptr(Config) config = config_default(geteuid());
    g_autoptr(YamlNode) root = yaml_parse(text, length, diagnostics);
    guint n_errors = diagnostics->n_errors;

    if (!root)
        return NULL;
    config->file = g_canonicalize_filename(file, NULL);
    config_read(config, root, diagnostics);
    diagnostics_sort(diagnostics);
    return diagnostics->n_errors > n_errors ? NULL : g_steal_pointer(&config);
}

char *
config_default_file(void)
{
    if (geteuid() == 0)
        return g_strdup(ROOT_CONFIG_FILE);
    return g_build_filename(g_get_user_config_dir(), "virtkeep", "virtkeep.yaml", NULL);
}

static bool
set_errno(GError **error, const char *file)
{
    int code = errno;

    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "%s: %s", file, g_strerror(code));
    return false;
}

/* The file's text; refuses what isn't a file and, for root, what others may change. */
static char *
read_file(const char *file, gsize *ret_length, GError **error)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    g_autofree char *buffer = NULL;
    struct stat status;
    gsize length = 0;
    ssize_t n = 1;

    if (fd < 0 || fstat(fd, &status) < 0) {
        set_errno(error, file);
    } else if (!S_ISREG(status.st_mode)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE, "%s: not a regular file", file);
    } else if (geteuid() == 0 && (status.st_mode & S_IWOTH)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                    "%s: refused because others may write to it (mode %03o)", file,
                    status.st_mode & 0777);
    } else {
        /* One byte beyond the limit, so that the parser can say that there is too much. */
        buffer = g_malloc(YAML_MAX_BYTES + 1);
        while (length < YAML_MAX_BYTES + 1 && n > 0) {
            n = read(fd, buffer + length, YAML_MAX_BYTES + 1 - length);
            length += MAX(n, 0);
        }
        if (n < 0) {
            set_errno(error, file);
            g_clear_pointer(&buffer, g_free);
        }
    }
    if (fd >= 0)
        close(fd);
    *ret_length = length;
    return g_steal_pointer(&buffer);
}

static void
put_path(char **member, const char *path)
{
    if (!path)
        return;
    g_free(*member);
    *member = g_canonicalize_filename(path, NULL);
}

static void
put_paths(Config *config, const ConfigPaths *paths)
{
    put_path(&config->domains, paths->domains);
    put_path(&config->state, paths->state);
    put_path(&config->run, paths->run);
    put_path(&config->log, paths->log);
}

Config *
config_load(const ConfigPaths *paths, Diagnostics **ret_diagnostics, GError **error)
{
    g_autofree char *file = paths->config ? g_strdup(paths->config) : config_default_file();
    g_autoptr(Config) config = NULL;
    g_autoptr(GError) problem = NULL;
    g_autofree char *text = NULL;
    gsize length = 0;

    *ret_diagnostics = diagnostics_new(file);
    text = read_file(file, &length, &problem);
    if (text) {
        config = config_parse(file, text, length, *ret_diagnostics);
        if (!config)
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: %u mistake%s", file,
                        (*ret_diagnostics)->n_errors, (*ret_diagnostics)->n_errors == 1 ? "" : "s");
    } else if (!paths->config && g_error_matches(problem, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)) {
        config = config_default(geteuid());
    } else {
        g_propagate_error(error, g_steal_pointer(&problem));
    }
    if (!config)
        return NULL;
    put_paths(config, paths);
    return g_steal_pointer(&config);
}

Policy
config_policy(const Config *config, const char *domain_name, const PolicyOverrides *metadata)
{
    Policy policy = policy_default();

    policy_override(&policy, &config->policy);
    for (guint i = 0; i < config->overrides->len; i++) {
        const ConfigOverride *override = config->overrides->pdata[i];

        if (fnmatch(override->match, domain_name, 0) != 0)
            continue;
        policy_override(&policy, &override->policy);
        break;
    }
    if (metadata)
        policy_override(&policy, metadata);
    return policy;
}

const HostNetwork *
config_network(const Config *config, const char *name)
{
    for (guint i = 0; i < config->networks->len; i++) {
        const ConfigNetwork *network = config->networks->pdata[i];

        if (!strcmp(network->name, name))
            return &network->to;
    }
    return NULL;
}

static const ConfigPool *
find_place(const GPtrArray *places, const char *name)
{
    for (guint i = 0; i < places->len; i++) {
        const ConfigPool *place = places->pdata[i];

        if (!strcmp(place->name, name))
            return place;
    }
    return NULL;
}

const ConfigPool *
config_pool(const Config *config, const char *name)
{
    return find_place(config->pools, name);
}

const char *
config_helper_path(const Config *config, const char *program)
{
    const ConfigPool *helper = find_place(config->helpers, program);

    return helper ? helper->path : NULL;
}

bool
config_allows_emulator(const Config *config, const char *path)
{
    return g_ptr_array_find_with_equal_func(config->emulators, path, g_str_equal, NULL);
}

guint64
config_memory_budget(const Config *config, guint64 total, guint64 huge_pages)
{
    const ConfigBudget *budget = &config->memory_budget;
    guint64 ordinary = total > huge_pages ? total - huge_pages : 0;

    switch (budget->form) {
    case BUDGET_AUTO:
        return ordinary > config->memory_reserve ? ordinary - config->memory_reserve : 0;
    case BUDGET_NONE:
        return MEMORY_POOL_UNLIMITED;
    case BUDGET_SIZE:
        return budget->value;
    case BUDGET_PERCENT:
        return total / 100 * budget->value + total % 100 * budget->value / 100;
    }
    g_assert_not_reached();
}
