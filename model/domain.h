/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/device.h"
#include "model/schema.h"

/*
 * Domain: a virtual machine as libvirt's domain XML describes it. As parsed it is the Spec's
 * content; after reconcile/resolve the same type with every address, alias and implied device
 * filled in. Immutable once made: pass it const. Sizes are bytes.
 */
typedef enum { DOMAIN_TYPE_QEMU = 1, DOMAIN_TYPE_KVM } DomainType;

typedef enum { ACTION_DESTROY = 1, ACTION_RESTART, ACTION_PRESERVE, ACTION_RENAME_RESTART,
               ACTION_COREDUMP_DESTROY, ACTION_COREDUMP_RESTART } LifecycleAction;

typedef enum { NUMA_MODE_STRICT = 1, NUMA_MODE_PREFERRED, NUMA_MODE_INTERLEAVE,
               NUMA_MODE_RESTRICTIVE } NumaMode;

typedef enum { MEMORY_SOURCE_ANONYMOUS = 1, MEMORY_SOURCE_FILE, MEMORY_SOURCE_MEMFD } MemorySource;
typedef enum { MEMORY_ACCESS_SHARED = 1, MEMORY_ACCESS_PRIVATE } MemoryAccess;
typedef enum { ALLOCATION_IMMEDIATE = 1, ALLOCATION_ONDEMAND } MemoryAllocation;

typedef struct HugePage {
    OptUint size; /* bytes */
    char *nodeset; /* guest NUMA nodes; NULL = all others */
} HugePage;

typedef struct MemoryNode { /* numatune/memnode */
    OptUint cell;
    int mode;
    char *nodeset;
} MemoryNode;

typedef struct Lease { /* devices/lease: read, and without effect */
    char *lockspace, *key, *path;
    OptUint offset;
} Lease;

typedef enum { BOOT_FD = 1, BOOT_HD, BOOT_CDROM, BOOT_NETWORK } BootDevice;
typedef struct Boot { int device; } Boot;

typedef enum { CPU_CACHE_EMULATE = 1, CPU_CACHE_PASSTHROUGH, CPU_CACHE_DISABLE } CpuCacheMode;
typedef enum { PHYS_ADDR_PASSTHROUGH = 1, PHYS_ADDR_EMULATE } PhysAddrMode;
typedef enum { CPU_CUSTOM = 1, CPU_HOST_MODEL, CPU_HOST_PASSTHROUGH, CPU_MAXIMUM } CpuMode;
typedef enum { CPU_FEATURE_FORCE = 1, CPU_FEATURE_REQUIRE, CPU_FEATURE_OPTIONAL,
               CPU_FEATURE_DISABLE, CPU_FEATURE_FORBID } CpuFeaturePolicy;
typedef struct CpuFeature { char *name; int policy; } CpuFeature;

typedef struct NumaCache { OptUint level; int associativity, policy; OptUint size, line; } NumaCache;
/* The names of data types: access, read, write. Latency in ns, bandwidth in bytes a second. */
typedef struct NumaInterconnect {
    OptUint initiator, target, cache;
    int type;
    OptUint value;
} NumaInterconnect;
typedef struct NumaDistance { OptUint cell, value; } NumaDistance;
typedef struct NumaCell {
    OptUint id;
    char *cpus;    /* canonical set, NULL = none */
    OptUint memory; /* bytes */
    int access;    /* MemoryAccess */
    int discard;   /* yes/no */
    GPtrArray *distances; /* NumaDistance */
    GPtrArray *caches;    /* NumaCache */
} NumaCell;

typedef enum { CLOCK_OFFSET_UTC = 1, CLOCK_OFFSET_LOCALTIME, CLOCK_OFFSET_TIMEZONE,
               CLOCK_OFFSET_VARIABLE, CLOCK_OFFSET_ABSOLUTE } ClockOffset;
typedef enum { TIMER_PLATFORM = 1, TIMER_PIT, TIMER_RTC, TIMER_HPET, TIMER_TSC, TIMER_KVMCLOCK,
               TIMER_HYPERVCLOCK, TIMER_ARMVTIMER } TimerName;
typedef enum { TRACK_BOOT = 1, TRACK_GUEST, TRACK_WALL, TRACK_REALTIME } TimerTrack;
typedef enum { CLOCK_BASIS_UTC = 1, CLOCK_BASIS_LOCALTIME } ClockBasis;
typedef enum { TICK_DELAY = 1, TICK_CATCHUP, TICK_MERGE, TICK_DISCARD } TickPolicy;
typedef struct ClockTimer {
    int name;
    int present; /* yes/no */
    int tick_policy;
    int track; /* TimerTrack */
    OptUint frequency; /* Hz */
    int mode;
    OptUint catchup_threshold, catchup_slew, catchup_limit;
} ClockTimer;

typedef enum { LOADER_ROM = 1, LOADER_PFLASH } LoaderType;
typedef enum { FIRMWARE_BIOS = 1, FIRMWARE_EFI } Firmware;
typedef enum { FIRMWARE_RAW = 1, FIRMWARE_QCOW2 } FirmwareFormat;
typedef enum { FIRMWARE_FEATURE_SECURE_BOOT = 1,
               FIRMWARE_FEATURE_ENROLLED_KEYS } FirmwareFeatureName;
typedef struct FirmwareFeature { int name; int enabled; /* yes/no */ } FirmwareFeature;
typedef enum { SMBIOS_EMULATE = 1, SMBIOS_HOST, SMBIOS_SYSINFO } SmbiosMode;
typedef enum { ACPI_TABLE_SLIC = 1, ACPI_TABLE_MSDM, ACPI_TABLE_RAW,
               ACPI_TABLE_RAWSET } AcpiTableType;
typedef struct AcpiTable { int type; char *file; } AcpiTable;
typedef struct GenerationId { char *guid; /* NULL: to be made up */ } GenerationId;
typedef enum { IOAPIC_KVM = 1, IOAPIC_QEMU } IoapicDriver;

struct Domain {
    int type; /* DomainType */
    char *name;
    char *uuid;
    char *title, *description;
    char *metadata; /* canonical XML text */

    OptUint max_memory;       /* maxMemory: ceiling for memory devices */
    OptUint max_memory_slots;
    OptUint memory;           /* boot memory plus the sizes of all memory devices */
    int dump_core;            /* on/off */
    OptUint current_memory;   /* balloon target */

    bool has_huge_pages;
    GPtrArray *huge_pages; /* HugePage */
    bool no_share_pages, is_locked, is_discard;
    int memory_source, memory_access, memory_allocation;
    OptUint allocation_threads;

    OptUint iothreads;            /* how many I/O threads */
    GPtrArray *iothread_ids;      /* IoThread (model/iothread.h): those with a number of their own */
    OptUint main_pool_min, main_pool_max; /* defaultiothread: worker threads of the main loop */
    GPtrArray *throttle_groups;   /* Throttle (model/throttle.h) */

    OptUint vcpus, vcpus_current;
    int vcpu_placement; /* Placement */
    char *vcpu_cpuset;
    GPtrArray *vcpu_list; /* Vcpu, model/tuning.h */
    struct CpuTune *cpu_tune;
    struct MemoryLimits *memory_limits;
    struct BlockTune *block_tune;

    int numa_mode, numa_placement;
    char *numa_nodeset;
    GPtrArray *memory_nodes; /* MemoryNode */

    int firmware; /* Firmware */
    char *os_type, *arch, *machine;
    char *loader;
    int loader_readonly, loader_secure, loader_stateless; /* yes/no */
    int loader_type, loader_format;                       /* LoaderType, FirmwareFormat */
    GPtrArray *firmware_features;                         /* FirmwareFeature */
    char *nvram, *nvram_template;
    int nvram_type; /* DiskType */
    int nvram_format, nvram_template_format; /* FirmwareFormat */
    struct StorageSource *nvram_source; /* instead of nvram */
    char *kernel, *initrd, *cmdline, *dtb, *shim;
    GPtrArray *acpi_tables; /* AcpiTable */
    int smbios_mode;        /* SmbiosMode */
    GPtrArray *sysinfos;    /* Sysinfo, model/sysinfo.h */
    GenerationId *generation;
    struct LaunchSecurity *launch_security;
    GPtrArray *labels; /* SecurityLabel, model/security-label.h */
    struct QemuCommandLine *qemu_command_line; /* model/qemu-namespace.h */
    struct QemuOverrides *qemu_overrides;
    GPtrArray *boots; /* Boot */
    int boot_menu;    /* yes/no */
    OptUint boot_menu_timeout; /* ms */
    int bios_use_serial;
    OptInt bios_reboot_timeout; /* ms, -1 = never */

    bool acpi, apic, pae;
    int apic_eoi, vmport, smm, pmu, ps2, pv_spinlock, vmcoreinfo; /* on/off */
    /* The element is there; with no state that is "on": ask domain_feature_state(). */
    bool has_vmport, has_smm, has_pmu, has_pv_spinlock, has_vmcoreinfo;
    OptUint tseg;         /* bytes */
    OptUint tcg_tb_cache; /* bytes */
    int async_teardown;   /* yes/no */
    int ioapic_driver;    /* IoapicDriver */
    struct Hyperv *hyperv;
    int kvm_hidden, kvm_hint_dedicated, kvm_poll_control, kvm_pv_ipi, kvm_dirty_ring; /* on/off */
    OptUint kvm_dirty_ring_size; /* entries */

    int cpu_mode, cpu_match, cpu_check, cpu_migratable;
    char *cpu_model, *cpu_vendor_id, *cpu_vendor;
    int cpu_fallback;
    OptUint sockets, dies, clusters, modules, cores, threads;
    int cpu_cache_mode; /* CpuCacheMode */
    OptUint cpu_cache_level;
    GPtrArray *latencies, *bandwidths; /* NumaInterconnect */
    GPtrArray *cpu_features; /* CpuFeature */
    GPtrArray *cells;        /* NumaCell */
    int max_phys_addr_mode;  /* PhysAddrMode */
    OptUint max_phys_addr_bits, max_phys_addr_limit;

    int clock_offset;
    char *clock_timezone;
    int clock_basis;        /* ClockBasis */
    char *clock_adjustment; /* seconds, or "reset" */
    OptInt clock_start;     /* seconds since 1970 */
    GPtrArray *timers; /* ClockTimer */

    int on_poweroff, on_reboot, on_crash; /* LifecycleAction */
    int on_lockfailure;
    GPtrArray *leases;                    /* Lease */
    GPtrArray *redir_rules;               /* RedirRule, model/redir-filter.h */
    int suspend_to_mem, suspend_to_disk;  /* yes/no */

    char *emulator;
    /* Devices, one list a kind; items begin with a DeviceInfo. */
    GPtrArray *disks, *controllers, *interfaces, *hostdevs, *serials, *parallels, *consoles, *channels, *inputs,
        *graphics, *videos, *balloons, *rngs, *memories;
    GPtrArray *audios, *sounds, *watchdogs, *panics, *tpms, *vsocks, *shmems, *iommus, *cryptos,
        *pstores, *smartcards, *hubs, *filesystems, *redirdevs;
};

extern const Schema domain_schema;

void domain_free(Domain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Domain, domain_free)
Domain *domain_copy(const Domain *domain);
char *domain_format(const Domain *domain); /* canonical XML text; caller frees */
/* From text that we wrote ourselves (state): NULL with G_IO_ERROR_INVALID_DATA when it is bad. */
Domain *domain_parse_own(const char *xml, GError **error);

/* Every rule that needs more than one field; what libvirt refuses is refused here, at the field
 * that can be mended. Rules that depend on this host (THP size, files) are not here. */
void domain_validate(const Domain *domain, const PositionMap *positions, Diagnostics *diagnostics);

/* Whether @name can name a domain: it also names files and directories. */
bool domain_name_is_valid(const char *name);
/* Boot memory in bytes: NUMA cells' sum where there are cells, else memory less devices. */
guint64 domain_boot_memory(const Domain *domain);
bool domain_is_q35(const Domain *domain);
bool domain_has_pci(const Domain *domain); /* all machines but isapc */
/* Whether the file says anything of a variable store. */
bool domain_has_nvram(const Domain *domain);
/* How many virtual CPUs are there at start. */
guint domain_vcpus_current(const Domain *domain);
/* A cell's number: its place when it has none of its own. */
guint64 domain_cell_id(const Domain *domain, guint index);
/* Whether memory's costs are described (latencies, bandwidths, caches of cells). */
bool domain_has_hmat(const Domain *domain);
/* A feature whose element alone means "on", as a Tristate and as "is it on". */
int domain_feature_state(bool is_there, int state);
bool domain_feature_is_on(bool is_there, int state);
/* Whether SCSI controller @index addresses disks by unit alone (lsilogic). */
bool domain_scsi_is_narrow(const Domain *domain, guint64 index);
