/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Facts of this machine, from /proc, /sys and /etc, read once when the program starts. What can't
 * be read gets the value that libvirt assumes, or none: a missing fact is said by whoever needs it,
 * with the domain's line, and not here, where nobody has asked yet.
 *
 * They are collected in one value so that everything below controller/ can be given them: building
 * a command line reads no file, and tests bring facts of their own.
 */
#include "controller/host.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mntent.h>

#include "controller/host-devices.h"
#include "model/firmware.h"
#include "qemu/host-link.h"
#include "qemu/process.h"

#define THP_PATH "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

static char *
read_word(const char *path)
{
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    return g_strstrip(text);
}

static guint64
read_default_huge_page(void)
{
    g_autofree char *text = NULL;
    const char *line;

    if (!g_file_get_contents("/proc/meminfo", &text, NULL, NULL))
        return 0;
    line = strstr(text, "Hugepagesize:");
    return line ? g_ascii_strtoull(line + strlen("Hugepagesize:"), NULL, 10) * 1024 : 0;
}

static void
clear_mount(gpointer data)
{
    g_free((char *) ((HugePageMount *) data)->path);
}

/* "pagesize=2M" of a hugetlbfs mount's options; without it the default size. */
static guint64
mount_page_size(const char *options, guint64 fallback)
{
    const char *size = strstr(options, "pagesize=");
    char *end;
    guint64 value;

    if (!size)
        return fallback;
    value = g_ascii_strtoull(size + strlen("pagesize="), &end, 10);
    switch (*end) {
    case 'G':
        return value << 30;
    case 'M':
        return value << 20;
    case 'K':
        return value << 10;
    default:
        return value;
    }
}

static void
find_huge_pages(Host *host)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    struct mntent *entry;

    host->huge_pages = g_array_new(FALSE, TRUE, sizeof(HugePageMount));
    g_array_set_clear_func(host->huge_pages, clear_mount);
    while (mounts && (entry = getmntent(mounts))) {
        HugePageMount mount;

        if (!g_str_equal(entry->mnt_type, "hugetlbfs"))
            continue;
        mount.page_size = mount_page_size(entry->mnt_opts, host->default_huge_page);
        mount.path = g_strdup(entry->mnt_dir);
        g_array_append_val(host->huge_pages, mount);
    }
    if (mounts)
        endmntent(mounts);
}

/* A descriptor of one directory hides those of the same name in the next. */
static const char *const firmware_directories[] = { "/etc/qemu/firmware",
                                                    "/usr/share/qemu/firmware" };

static void
find_descriptors(GTree *paths)
{
    for (guint i = 0; i < G_N_ELEMENTS(firmware_directories); i++) {
        g_autoptr(GDir) directory = g_dir_open(firmware_directories[i], 0, NULL);
        const char *name;

        while (directory && (name = g_dir_read_name(directory)))
            if (g_str_has_suffix(name, ".json") && !g_tree_lookup(paths, name))
                g_tree_insert(paths, g_strdup(name),
                              g_build_filename(firmware_directories[i], name, NULL));
    }
}

static gboolean
read_descriptor(gpointer name, gpointer path, gpointer images)
{
    g_autofree char *text = NULL;
    g_autoptr(Json) json = NULL;
    FirmwareImage *image;

    if (!g_file_get_contents(path, &text, NULL, NULL) || !*text)
        return FALSE;
    json = json_parse(text, -1, NULL);
    image = json ? firmware_image_from_json(json) : NULL;
    if (image)
        g_ptr_array_add(images, image);
    return FALSE;
}

static gint
compare_names(gconstpointer a, gconstpointer b, gpointer data)
{
    return strcmp(a, b);
}

static void
find_firmware(Host *host)
{
    g_autoptr(GTree) paths = g_tree_new_full(compare_names, NULL, g_free, g_free);

    host->firmware = g_ptr_array_new_with_free_func((GDestroyNotify) firmware_image_free);
    find_descriptors(paths);
    g_tree_foreach(paths, read_descriptor, host->firmware);
    firmware_add_known(host->firmware);
}

/* Blocks 0 and 1 of SMBIOS, in the words of <sysinfo>. The serial number is root's to read. */
static const struct {
    const char *file, *name;
    bool is_bios;
} dmi_rows[] = {
    { "bios_vendor", "vendor", true },       { "bios_version", "version", true },
    { "bios_date", "date", true },           { "bios_release", "release", true },
    { "sys_vendor", "manufacturer", false }, { "product_name", "product", false },
    { "product_version", "version", false }, { "product_serial", "serial", false },
    { "product_sku", "sku", false },         { "product_family", "family", false },
};

static void
add_dmi(GPtrArray **list, const char *name, const char *value)
{
    SysinfoEntry *entry = g_new0(SysinfoEntry, 1);

    entry->name = g_strdup(name);
    entry->value = g_strdup(value);
    if (!*list)
        *list = g_ptr_array_new();
    g_ptr_array_add(*list, entry);
}

static Sysinfo *
read_sysinfo(void)
{
    Sysinfo *sysinfo = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(dmi_rows); i++) {
        g_autofree char *path = g_build_filename("/sys/class/dmi/id", dmi_rows[i].file, NULL);
        g_autofree char *value = read_word(path);

        if (!value || !*value)
            continue;
        if (!sysinfo)
            sysinfo = g_new0(Sysinfo, 1);
        add_dmi(dmi_rows[i].is_bios ? &sysinfo->bios : &sysinfo->system, dmi_rows[i].name, value);
    }
    return sysinfo;
}

Host *
host_new(void)
{
    Host *host = g_new0(Host, 1);
    g_autofree char *thp = read_word(THP_PATH);

    host->seed = read_word("/etc/machine-id");
    if (!host->seed)
        host->seed = g_strdup("");
    host->boot_id = process_boot_id(NULL);
    if (!host->boot_id)
        host->boot_id = g_strdup("unknown");
    host->sysfs = g_strdup("/sys");
    host->thp_size = thp ? g_ascii_strtoull(thp, NULL, 10) : 0;
    if (!host->thp_size)
        host->thp_size = 2u << 20;
    host->pid = getpid();
    (void) process_start_time(getpid(), &host->start_time);
    host->page_size = sysconf(_SC_PAGESIZE);
    host->default_huge_page = read_default_huge_page();
    host->can_make_links = host_links_are_permitted();
    find_huge_pages(host);
    find_firmware(host);
    host->sysinfo = read_sysinfo();
    host->strays = strays_new();
    return host;
}

void
host_free(Host *host)
{
    if (!host)
        return;
    g_free(host->seed);
    g_free(host->boot_id);
    g_free(host->sysfs);
    g_array_unref(host->huge_pages);
    g_ptr_array_unref(host->firmware);
    schema_free(&sysinfo_schema, host->sysinfo);
    strays_free(host->strays);
    g_free(host);
}

HostFacts
host_facts(const Host *host, const char *run_directory, const char *memory_directory, gint64 now)
{
    return (HostFacts){
        .huge_pages = (const HugePageMount *) host->huge_pages->data,
        .n_huge_pages = host->huge_pages->len,
        .default_huge_page = host->default_huge_page,
        .page_size = host->page_size,
        .memory_directory = memory_directory,
        .socket_directory = run_directory,
        .user = geteuid(),
        .group = getegid(),
        .sysinfo = host->sysinfo,
        .can_make_links = host->can_make_links,
        .now = now,
    };
}

static gboolean
find_pool(gconstpointer pools, const char *name, StoragePool *ret_pool)
{
    const ConfigPool *pool = config_pool(pools, name);

    if (pool)
        *ret_pool = (StoragePool){
            .path = pool->path, .host = pool->host, .target = pool->target, .port = pool->port
        };
    return pool != NULL;
}

static const HostNetwork *
find_network(gconstpointer networks, const char *name)
{
    return config_network(networks, name);
}

static const char *
find_helper(gconstpointer helpers, const char *program)
{
    return config_helper_path(helpers, program);
}

void
host_facts_add_pools(HostFacts *facts, const Config *config)
{
    facts->find_network = find_network;
    facts->networks = config;
    facts->find_pool = find_pool;
    facts->pools = config;
    facts->secret_directory = config->secrets;
    facts->spice_tls_directory = config->tls_spice;
    facts->storage_tls_directory = config->tls_storage;
    facts->chardev_tls_directory = config->tls_chardev;
    facts->find_helper = find_helper;
    facts->helpers = config;
}

static char *
find_scsi_generic(gconstpointer scsi, guint adapter, guint bus, guint target, guint64 unit)
{
    return host_scsi_generic(((const Host *) scsi)->sysfs, adapter, bus, target, unit);
}

static char *
find_address(gconstpointer networks, const char *name)
{
    const HostNetwork *network = config_network(networks, name);

    return network && network->bridge ? host_link_address(network->bridge) : NULL;
}

void
host_facts_add_devices(HostFacts *facts, const Host *host)
{
    facts->find_address = find_address;
    facts->find_scsi_generic = find_scsi_generic;
    facts->scsi = host;
}

ActionOwner
host_owner(const Host *host)
{
    return (ActionOwner){ host->pid, host->start_time, host->boot_id };
}

gboolean
host_owner_is_alive(const ActionOwner *owner, gpointer data)
{
    const Host *host = data;
    guint64 start_time;

    if (g_strcmp0(owner->boot_id, host->boot_id))
        return FALSE;
    return process_start_time(owner->pid, &start_time) && start_time == owner->start_time;
}
