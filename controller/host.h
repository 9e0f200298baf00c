/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/config.h"
#include "qemu/host-facts.h"
#include "qemu/stray.h"
#include "state/journal.h"

/*
 * Host: what passes need to know of this machine, read once at start: sizes of pages, mounts of
 * huge pages, who we are. Immutable; shared by all threads.
 */
typedef struct Host {
    char *seed;         /* /etc/machine-id: what derived uuids are made of; "" when there is none */
    char *boot_id;      /* "unknown" when it can't be read */
    guint64 thp_size;   /* bytes; 2 MiB when it can't be read (libvirt's rule) */
    gint64 pid;         /* this process, as the journal's owner */
    guint64 start_time; /* clock ticks since boot */
    guint64 page_size, default_huge_page;
    gboolean can_make_links; /* CAP_NET_ADMIN */
    GPtrArray *firmware;     /* FirmwareImage: by descriptor, then well-known */
    GArray *huge_pages;      /* HugePageMount, paths owned */
    char *sysfs;             /* "/sys" */
    Strays *strays;          /* its own lock */
    Sysinfo *sysinfo;        /* SMBIOS strings, as far as we may read them; NULL = none */
} Host;

Host *host_new(void);
void host_free(Host *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Host, host_free)

/* For one domain's command line; borrows @host and the two paths. @memory_directory: where guest
 * memory goes that is backed by ordinary files: never a tmpfs such as RUN, whose size is a limit.
 */
HostFacts host_facts(const Host *host, const char *run_directory, const char *memory_directory,
                     gint64 now);
/* The configuration's pools, networks and helpers; borrows @config. */
void host_facts_add_pools(HostFacts *facts, const Config *config);
/* This host's devices, where it is not only shown what they would be; borrows @host. */
void host_facts_add_devices(HostFacts *facts, const Host *host);
ActionOwner host_owner(const Host *host);
/* Whether the process that owns an action still lives (@data: Host). */
gboolean host_owner_is_alive(const ActionOwner *owner, gpointer data);
