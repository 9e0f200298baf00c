/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an image needs of the host: its file, device, directory or socket, and the secrets and
 * certificates by which it is opened. An image on a server needs only the latter.
 *
 * What is a member of <source> by type stands in one table; the rest (volumes, NVMe devices, login,
 * encryption) is found where it applies.
 */
#include "qemu/need.h"
#include "qemu/storage-pool.h"

/* "source/@file". Caller frees. */
static char *
below(const StorageNeed *storage, const char *field)
{
    return g_strconcat(storage->field, "/", field, NULL);
}

static void
add_path(const DeviceContext *context, GPtrArray *needs, const StorageNeed *storage)
{
    const StorageSource *source = storage->source;
    const struct {
        HostNeedKind kind;
        const char *field, *path;
    } rows[] = {
        [DISK_FILE] = { HOST_IMAGE, "@file", source->file },
        [DISK_BLOCK] = { HOST_BLOCK, "@dev", source->dev },
        [DISK_DIR] = { HOST_DIRECTORY, "@dir", source->dir },
        [DISK_VHOST_USER] = { source->reconnect == TRISTATE_ON ? 0 : HOST_SOCKET, "@path",
                              source->path },
        [DISK_VHOST_VDPA] = { HOST_CHARACTER, "@dev", source->dev },
    };
    bool is_writable = storage->type == DISK_FILE || storage->type == DISK_BLOCK;
    g_autofree char *field = NULL;

    if (storage->type >= (int) G_N_ELEMENTS(rows) || !rows[storage->type].path)
        return;
    field = below(storage, rows[storage->type].field);
    if (storage->type == DISK_VHOST_USER && source->reconnect == TRISTATE_ON)
        return; /* QEMU waits for it */
    need_add(context, needs, rows[storage->type].kind, field, rows[storage->type].path);
    if (storage->is_written && is_writable)
        need_set_written(needs);
}

static void
add_volume(const DeviceContext *context, GPtrArray *needs, const StorageNeed *storage)
{
    g_autofree char *field = below(storage, "@volume");
    StoragePlace place = { 0 };

    if (!storage_find_volume(context, storage->field, storage->source, &place))
        return;
    if (place.path) {
        need_add(context, needs,
                 storage->format == DISK_FORMAT_FAT ? HOST_DIRECTORY
                 : place.is_device                  ? HOST_BLOCK
                                                    : HOST_IMAGE,
                 field, place.path);
        if (storage->is_written)
            need_set_written(needs);
    }
    storage_place_clear(&place);
}

static void
add_nvme(const DeviceContext *context, GPtrArray *needs, const StorageNeed *storage)
{
    const StorageSource *source = storage->source;
    g_autofree char *field = below(storage, "address");
    g_autofree char *managed = below(storage, "@managed");

    if (source->managed == TRISTATE_ON)
        validation_error(&context->at, managed, "not-launchable",
                         "virtkeep does not take devices from the host's driver yet: do it "
                         "yourself and say managed='no'");
    need_add_pci(context, needs, field, source->pci_domain.value, source->pci_bus.value,
                 source->pci_slot.value, source->pci_function.value);
}

static void
add_server(const DeviceContext *context, GPtrArray *needs, const StorageNeed *storage)
{
    const StorageSource *source = storage->source;
    g_autofree char *config = below(storage, "config/@file");
    g_autofree char *key = below(storage, "identity/@keyfile");
    g_autofree char *agent = below(storage, "identity/@agentsock");
    g_autofree char *tls = below(storage, "@tls");
    g_autofree char *cookies = below(storage, "cookies");

    need_add(context, needs, HOST_IMAGE, config, source->config);
    need_add(context, needs, HOST_SECRET, key, source->key_file);
    need_add(context, needs, HOST_SOCKET, agent, source->agent_socket);
    /* A command line is no place for them, and no file has them yet. */
    if (list_length(source->cookies))
        validation_error(&context->at, cookies, "not-launchable",
                         "virtkeep can't hand cookies to QEMU yet");
    if (source->tls == TRISTATE_ON)
        need_add(context, needs, HOST_DIRECTORY, tls, host_facts_storage_tls(context->facts));
    for (guint i = 0; i < list_length(source->hosts); i++) {
        g_autofree char *place = g_strdup_printf("host[%u]/@socket", i);
        g_autofree char *field = below(storage, place);

        need_add(context, needs, HOST_SOCKET, field,
                 list_at(source->hosts, i, StorageHost)->socket);
    }
}

static void
add_secrets(const DeviceContext *context, GPtrArray *needs, const StorageNeed *storage)
{
    const GPtrArray *secrets = storage->encryption ? storage->encryption->secrets : NULL;

    if (storage->auth)
        need_add_secret(context, needs, storage->field, &storage->auth->secret);
    for (guint i = 0; i < list_length(secrets); i++)
        need_add_secret(context, needs, storage->field, list_at(secrets, i, SecretReference));
}

static void
add_data_store(const DeviceContext *context, GPtrArray *needs, const StorageNeed *storage)
{
    const StorageImage *store = storage->source->data_store;
    g_autofree char *field = below(storage, "dataStore/source");
    const StorageNeed data = {
        .field = field,
        .type = store && store->type ? store->type : DISK_FILE,
        .source = store ? store->source : NULL,
        .auth = store && store->source ? store->source->auth : NULL,
        .is_written = storage->is_written,
    };

    need_add_storage(context, needs, &data);
}

static void
add_reservations(const DeviceContext *context, GPtrArray *needs, const StorageNeed *storage)
{
    g_autofree char *field = below(storage, "reservations");

    need_add(context, needs, HOST_SOCKET, field, storage->source->reservations_path);
}

void
need_add_storage(const DeviceContext *context, GPtrArray *needs, const StorageNeed *storage)
{
    if (!storage->source)
        return;
    add_path(context, needs, storage);
    if (storage->type == DISK_VOLUME && storage->source->pool)
        add_volume(context, needs, storage);
    if (storage->type == DISK_NVME)
        add_nvme(context, needs, storage);
    if (storage->type == DISK_NETWORK)
        add_server(context, needs, storage);
    add_secrets(context, needs, storage);
    add_data_store(context, needs, storage);
    add_reservations(context, needs, storage);
}
