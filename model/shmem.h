/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum { SHMEM_IVSHMEM = 1, SHMEM_PLAIN, SHMEM_DOORBELL } ShmemModel;
typedef enum { SHMEM_MASTER = 1, SHMEM_PEER } ShmemRole;

typedef struct Shmem {
    DeviceInfo info;
    char *name;
    int model, role;
    OptUint size; /* bytes */
    bool has_server, has_msi;
    char *server_path;
    int msi_enabled; /* yes/no */
    OptUint vectors;
    int ioeventfd; /* on/off */
} Shmem;

extern const DeviceKind shmem_kind;
