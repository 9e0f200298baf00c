/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/json.h"
#include "model/sysinfo.h"

/*
 * HostFacts: what a command line needs to know of the host, passed in by the caller, so that
 * building one reads no file and no clock. Borrowed; NULL members mean "not there".
 */
typedef struct HugePageMount {
    guint64 page_size; /* bytes */
    const char *path;  /* where a hugetlbfs with these pages is mounted */
} HugePageMount;

/* What a network of the configuration is: one of bridge, direct, user. */
typedef struct HostNetwork {
    char *bridge;
    bool is_made; /* the bridge: made where it is not there */
    char *direct; /* a link of the host to put macvtap devices on */
    int mode;     /* MacvtapMode */
    bool is_user; /* QEMU's user networking */
} HostNetwork;

/* Descriptors that QEMU has for one interface: @n_queues from @first on, then as many of vhost's
 * where it has them. */
typedef struct HostLink {
    const char *alias; /* the interface's */
    const char
        *prefix; /* "P" where they were passed as "P10", "P11", …; NULL: numbers of QEMU's own */
    guint first, n_queues;
    bool has_vhost;
} HostLink;
/* A storage pool: a directory, or a target of an iSCSI server. */
typedef struct StoragePool {
    const char *path; /* NULL: iscsi */
    const char *host, *target;
    guint port;
} StoragePool;

typedef struct HostFacts {
    const HugePageMount *huge_pages;
    guint n_huge_pages;
    guint64 default_huge_page; /* bytes: Hugepagesize of /proc/meminfo; 0 = none */
    guint64 page_size;         /* bytes: the system's own */
    /* An existing directory for guest memory backed by ordinary files. QEMU makes a nameless file
     * in it, so nothing is left behind. */
    const char *memory_directory;
    /* Where sockets go that the domain names no path for: RUN/NAME. */
    const char *socket_directory;
    /* What host-model means here (qemu/host-model.h), for a domain that asks for it; NULL = not
     * known. */
    const Json *host_model;
    const char *spice_tls_directory; /* certificates for SPICE (x509-dir); NULL = none */
    const char *bridge_helper;    /* qemu-bridge-helper's path; NULL = leave it to QEMU's default */
    const char *secret_directory; /* files of secrets; NULL = /etc/virtkeep/secrets */
    const char *storage_tls_directory; /* certificates for NBD; NULL = /etc/pki/qemu */
    const char *chardev_tls_directory; /* for character devices; NULL = /etc/pki/libvirt-chardev */
    /* False: there is no such pool. NULL function: there are none. */
    gboolean (*find_pool)(gconstpointer pools, const char *name, StoragePool *ret_pool);
    gconstpointer pools;
    /* NULL: there is no such network. NULL function: there are none. */
    const HostNetwork *(*find_network)(gconstpointer networks, const char *name);
    gconstpointer networks;
    /* The address of a network's bridge; NULL: no such network, or no address. Caller frees. NULL
     * function: none is known. */
    char *(*find_address)(gconstpointer networks, const char *name);
    /* The generic device of a SCSI unit ("/dev/sg3"); NULL: there is no such unit. Caller frees.
     * NULL function: the command line is for show. */
    char *(*find_scsi_generic)(gconstpointer scsi, guint adapter, guint bus, guint target,
                               guint64 unit);
    gconstpointer scsi;
    /* The configured path of a helper program; NULL: look for it by name. */
    const char *(*find_helper)(gconstpointer helpers, const char *program);
    gconstpointer helpers;
    const char *tpm_directory; /* where emulated TPMs keep their state, one directory a uuid */
    guint user, group;         /* whose processes they are: ours */
    gboolean
        can_make_links; /* taps and the like can be made here; otherwise the bridge helper does */
    const HostLink *links; /* what was opened for the interfaces; NULL = nothing */
    guint n_links;
    /* The command line is shown, not run: what launch would pass as descriptors or find on the host
     * has a placeholder. */
    gboolean is_for_show;
    /* Whether <qemu:commandline> and its like take effect: arbitrary code. */
    gboolean is_qemu_namespace_allowed;
    const Sysinfo *sysinfo; /* the host's own SMBIOS strings; NULL: it tells none */
    gint64 now;             /* wall clock, us; for <clock offset='variable'> */
} HostFacts;

/* Facts of no particular host, for showing a command line where it will not run: 4 KiB pages,
 * 2 MiB and 1 GiB huge pages at systemd's mount points. Static. */
const HostFacts *host_facts_assumed(void);
/* Directories of certificates and secrets, with their defaults. Borrowed. */
const char *host_facts_spice_tls(const HostFacts *facts);
const char *host_facts_storage_tls(const HostFacts *facts);
const char *host_facts_chardev_tls(const HostFacts *facts);
const char *host_facts_secrets(const HostFacts *facts);
/* Where huge pages of @page_size bytes are mounted; NULL when they are not. Borrowed. */
const char *host_facts_huge_page_mount(const HostFacts *facts, guint64 page_size);
