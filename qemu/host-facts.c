/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The few things of a host that a QEMU command line depends on. They are a value, so that
 * `virtkeep argv` can show what any host would run, golden cases don't depend on the builder's
 * machine, and a missing huge page mount is found before a guest is touched.
 */
#include "qemu/host-facts.h"

static const HugePageMount assumed_mounts[] = {
    { 2ull << 20, "/dev/hugepages" },
    { 1ull << 30, "/dev/hugepages1G" },
};

static const HostFacts assumed = {
    .huge_pages = assumed_mounts,
    .n_huge_pages = G_N_ELEMENTS(assumed_mounts),
    .default_huge_page = 2ull << 20,
    .page_size = 4096,
    .memory_directory = "/var/lib/virtkeep/memory",
    .socket_directory = "/run/virtkeep",
    .spice_tls_directory = "/etc/pki/libvirt-spice",
};

const HostFacts *
host_facts_assumed(void)
{
    return &assumed;
}

const char *
host_facts_huge_page_mount(const HostFacts *facts, guint64 page_size)
{
    for (guint i = 0; i < facts->n_huge_pages; i++)
        if (facts->huge_pages[i].page_size == page_size)
            return facts->huge_pages[i].path;
    return NULL;
}

const char *
host_facts_spice_tls(const HostFacts *facts)
{
    return facts->spice_tls_directory ? facts->spice_tls_directory : "/etc/pki/libvirt-spice";
}

const char *
host_facts_storage_tls(const HostFacts *facts)
{
    return facts->storage_tls_directory ? facts->storage_tls_directory : "/etc/pki/qemu";
}

const char *
host_facts_chardev_tls(const HostFacts *facts)
{
    return facts->chardev_tls_directory ? facts->chardev_tls_directory : "/etc/pki/libvirt-chardev";
}

const char *
host_facts_secrets(const HostFacts *facts)
{
    return facts->secret_directory ? facts->secret_directory : "/etc/virtkeep/secrets";
}
