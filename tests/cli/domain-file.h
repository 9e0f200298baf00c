/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/support/scratch.h"

/*
 * A small domain that runs on any machine with QEMU: no disk, no guest system, no KVM. It stays in
 * its firmware and does what it is told by signals and monitors only.
 */
typedef struct DomainFile {
    const char *name;
    unsigned vcpus;         /* 0: 1 */
    unsigned requested_mib; /* of a virtio-mem device of 256 MiB; it never arrives */
    bool has_memory_device;
    bool has_shared_memory; /* as virtiofs needs it */
    const char *policy;     /* attributes of vk:policy; NULL */
    const char *devices;    /* more elements of <devices>; NULL */
    const char *head;       /* more elements of <domain>; NULL */
} DomainFile;

/* Its XML; caller frees. */
char *domain_file_xml(const DomainFile *file);
/* Puts domains/NAME.xml into the scratch directory. */
void domain_file_write(Scratch *scratch, const DomainFile *file);
