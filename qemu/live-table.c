/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is done for each change of a running domain, as a table.
 *
 * It does nothing: the commands are in the update functions of the kinds (DeviceSpelling.update),
 * domain-live and hot-plug. That a field is live at all is said by its row of the schema and by
 * nothing else; here stands what the row can't know, since model/ has no QEMU: the means, the
 * guest's part, the test. The page made of both (docs/live-changes.md) fails its test when a live
 * field has no row here, a row no live field, or a test is named that is not there, so the table
 * can't tell of more or less than there is.
 */
#include "qemu/live-table.h"

#define GUEST_NOTHING "nothing"
#define GUEST_LETS_GO "lets it go (PCI), within its own time; a reset does too"

#define CPUS(test) "tests/cli/test-live-cpus.c test_" #test
#define KINDS(test) "tests/cli/test-live-kinds.c test_" #test
#define FIELDS(test) "tests/cli/test-live-fields.c test_" #test
#define LINKS(test) "tests/cli/test-live-links.c test_" #test
#define WALK(machine) "tests/qemu/test-walk.c test_" #machine
#define MEDIUM "blockdev-add, -open-tray, -remove-medium, -insert-medium, -close-tray, -del"
#define TRAY "opens a tray that it holds locked"
#define DISKS "tests/cli/test-live-disks.c "
#define MEDIA "tests/cli/test-live-media.c "

#define COMES_AND_GOES "tests/cli/test-devices.c test_devices_come"

/* clang-format off */
const LiveFact live_facts[] = {
    /* devices that come and go */
    { "devices/disk", "object-add, blockdev-add, device_add; device_del, blockdev-del, object-del",
      GUEST_LETS_GO, DISKS "test_disks_come_and_go" },
    { "devices/controller", "device_add; device_del", GUEST_LETS_GO, WALK(q35) },
    { "devices/interface",
      "its link made, getfd, netdev_add, device_add; device_del, netdev_del, the link removed",
      GUEST_LETS_GO, LINKS(tap) },
    { "devices/hostdev", "device_add; device_del; a SCSI unit: blockdev-add, blockdev-del",
      GUEST_LETS_GO "; USB: nothing", KINDS(usb_host) },
    { "devices/channel", "chardev-add, device_add; device_del, chardev-remove", GUEST_NOTHING, WALK(q35) },
    { "devices/input", "device_add; device_del", GUEST_LETS_GO "; USB: nothing", COMES_AND_GOES },
    { "devices/rng", "object-add, device_add; device_del, object-del", GUEST_LETS_GO,
      COMES_AND_GOES },
    { "devices/memory", "object-add, device_add; a DIMM leaves by device_del, object-del",
      "takes and gives the blocks; a DIMM is let go by ACPI; a virtio-mem device, once it is empty, "
      "like others (PCI), where QEMU can (8.2), else it stays until the next start", "tests/guest/test-live.c test_dimm_comes_and_goes" },
    { "devices/watchdog", "device_add; device_del", GUEST_LETS_GO, WALK(pc) },
    { "devices/vsock", "device_add; device_del", GUEST_LETS_GO, KINDS(host_devices) },
    { "devices/shmem", "object-add or chardev-add, device_add; device_del", GUEST_LETS_GO, KINDS(shmem) },
    { "devices/crypto", "object-add, device_add; device_del, object-del", GUEST_LETS_GO, WALK(pc) },
    { "devices/filesystem",
      "virtiofsd, chardev-add, device_add; device_del, chardev-remove, virtiofsd ended",
      GUEST_LETS_GO, "tests/cli/test-companions.c test_filesystem_plugged" },
    { "devices/redirdev", "chardev-add, device_add; device_del, chardev-remove", GUEST_NOTHING, WALK(q35) },

    /* fields of devices */
    { "devices/memory/target/requested", "qom-set requested-size, in steps",
      "plugs and unplugs blocks; a move that stands still is Stalled",
      "tests/guest/test-apply.c test_memory_follows_edits" },
    { "devices/memballoon/stats/@period", "qom-set guest-stats-polling-interval", GUEST_NOTHING,
      "tests/cli/test-devices.c test_statistics_period" },
    { "devices/*/boot/@order", "qom-set bootindex", "reads it at its next reset",
      FIELDS(boot_order) },
    { "os/boot*", "qom-set bootindex of the devices", "reads it at its next reset",
      FIELDS(boot_devices) },
    { "on_reboot", "set-action", GUEST_NOTHING, FIELDS(on_reboot_ends) },
    { "devices/watchdog/@action", "watchdog-set-action", GUEST_NOTHING, FIELDS(watchdog_action) },
    { "devices/graphics/@passwd", "set_password, where there was one", GUEST_NOTHING,
      "tests/cli/test-displays.c test_password" },
    { "devices/graphics/@passwdValidTo", "expire_password, where there is a password",
      GUEST_NOTHING, FIELDS(vnc_password) },
    { "devices/graphics/*", "VNC without WebSocket: display-update; viewers stay connected",
      GUEST_NOTHING, FIELDS(vnc_address) },
    { "devices/serial/*", "UARTs: chardev-change, from and to files, pipes, devices, ptys, UNIX "
      "sockets and TCP without TLS", GUEST_NOTHING, FIELDS(serial) },
    { "devices/interface/link/@state", "set_link", "sees its carrier",
      "tests/guest/test-live.c test_link_follows" },
    { "devices/interface/source/@bridge", "netlink: the tap is moved to it", GUEST_NOTHING,
      LINKS(bridge) },
    { "devices/interface/source/@network", "netlink: the tap is moved to its bridge",
      GUEST_NOTHING, LINKS(network) },
    { "devices/interface/vlan*", "netlink: the port's VLANs", GUEST_NOTHING, LINKS(vlans) },
    { "devices/interface/port/@isolated", "netlink: the port is isolated or not", GUEST_NOTHING,
      LINKS(bridge) },

    /* memory */
    { "currentMemory", "balloon", "moves pages into its balloon and out of it, in its own time; one "
      "that does not is Stalled", "tests/guest/test-live.c test_balloon" },

    /* virtual CPUs and I/O threads */
    { "vcpu/@current", "query-hotpluggable-cpus, device_add; with KVM device_del",
      "brings it online; lets one go (ACPI)", "tests/guest/test-live.c test_vcpus_come" },
    { "vcpus/*", "query-hotpluggable-cpus, device_add; with KVM device_del",
      "brings it online; lets one go (ACPI)", CPUS(vcpus_listed) },
    { "iothreads", "object-add; object-del once no device uses it", GUEST_NOTHING,
      CPUS(iothreads_come_and_go) },
    { "iothreadids/iothread", "object-add; object-del once no device uses it", GUEST_NOTHING,
      CPUS(iothreads_come_and_go) },
    { "iothreadids/*", "qom-set of the object", GUEST_NOTHING, CPUS(iothread_settings) },

    /* what the host gives */
    { "vcpu/@cpuset", "sched_setaffinity of each thread without a pin", GUEST_NOTHING, CPUS(pins) },
    { "cputune/*pin*", "sched_setaffinity of the threads", GUEST_NOTHING, CPUS(pins) },
    { "cputune/*sched*", "sched_setscheduler of the threads", GUEST_NOTHING, CPUS(schedulers) },
    { "cputune", "what its elements say", GUEST_NOTHING, CPUS(pins) },
    { "cputune/shares", "cpu.weight of the cgroup", GUEST_NOTHING, CPUS(cpu_limits) },
    { "cputune/global_*", "cpu.max of the cgroup", GUEST_NOTHING, CPUS(cpu_limits) },
    { "cputune/*period", "cpu.max of the threads' cgroups", GUEST_NOTHING, CPUS(thread_limits) },
    { "cputune/*quota", "cpu.max of the threads' cgroups", GUEST_NOTHING, CPUS(thread_limits) },
    { "memtune*", "memory.max, memory.high, memory.swap.max, where memory was limited before",
      GUEST_NOTHING, CPUS(memory_limits) },
    { "blkiotune/weight", "io.weight of the cgroup", GUEST_NOTHING, CPUS(block_weight) },
    { "blkiotune", "io.weight of the cgroup", GUEST_NOTHING, CPUS(block_weight) },
    { "blkiotune/device*", "io.weight, io.max of the cgroup", GUEST_NOTHING,
      "tests/qemu/test-cgroup-limits.c test_changes" },

    { "devices/disk/@type", MEDIUM, TRAY, MEDIA "test_medium_changes" },
    { "devices/disk/driver/@type", MEDIUM, TRAY, MEDIA "test_medium_changes" },
    { "devices/disk/source", MEDIUM " (CD-ROM, floppy); block_resize where a raw image has grown",
      TRAY, MEDIA "test_medium_changes" },
    { "devices/disk/backingStore", MEDIUM, TRAY, MEDIA "test_medium_chain" },
    { "devices/disk/readonly", MEDIUM " (floppy)", GUEST_NOTHING, MEDIA "test_floppy" },
    { "devices/disk/driver/@cache", "blockdev-reopen, where the guest's write cache stays as it is",
      GUEST_NOTHING, DISKS "test_reopened" },
    { "devices/disk/driver/@discard", "blockdev-reopen", GUEST_NOTHING, DISKS "test_reopened" },
    { "devices/disk/driver/@detect_zeroes", "blockdev-reopen", GUEST_NOTHING,
      DISKS "test_reopened" },
    { "devices/disk/driver/metadata_cache/max_size", "blockdev-reopen", GUEST_NOTHING,
      DISKS "test_reopened" },
    { "devices/disk/driver/@copy_on_read", "blockdev-add, qom-set drive", GUEST_NOTHING,
      DISKS "test_filters" },
    { "devices/disk/throttlefilters/throttlefilter*", "blockdev-add, qom-set drive", GUEST_NOTHING,
      DISKS "test_filters" },
    { "devices/disk/iotune*", "block_set_io_throttle", GUEST_NOTHING, DISKS "test_iotune" },

    /* fields of the domain */
    { "throttlegroups/throttlegroup*", "object-add, qom-set limits, object-del", GUEST_NOTHING,
      DISKS "test_throttle_groups" },

    /* what virtkeep itself goes by */
    { "metadata/vk:policy/*", "none: virtkeep goes by it from the next pass", GUEST_NOTHING,
      "tests/controller/test-config.c test_policy_precedence" },

    { NULL, NULL, NULL, NULL },
};
/* clang-format on */

const LiveFact *
live_fact_find(const char *path)
{
    for (const LiveFact *fact = live_facts; fact->path; fact++)
        if (g_pattern_match_simple(fact->path, path))
            return fact;
    return NULL;
}
