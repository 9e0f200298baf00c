/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest seen from outside, without virtkeep's help: a test that compares what virtkeep
 * says with what the guest says must not learn the latter from virtkeep.
 *
 * The first serial port goes to a file of the scratch directory (console/NAME.log), which
 * QEMU empties when it starts; the second one is a UNIX socket (console/NAME.sock) that QEMU
 * listens on, for one client at a time. A command is one connection: line out, line in. QEMU drops
 * what the guest says while nobody is connected, so an answer that nobody waited for can't be taken
 * for the next one's.
 */
#include "tests/support/guest.h"

#include "tests/support/deadline.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define EXIT_SKIPPED 77
#define DOMAIN_BOOT_MIB 512
#define DOMAIN_DEVICE_MIB 1024
#define DOMAIN_BLOCK_KIB 2048

void
guest_require_image(void)
{
    const char *const argv[] = { GUEST_BUILD_SCRIPT, GUEST_IMAGE_DIR, NULL };
    g_autoptr(GError) error = NULL;
    g_autofree char *err = NULL;
    int status;

    if (!g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &err, &status,
                      &error))
        g_error("guest: %s", error->message);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
        printf("skipped, no guest image: %s", err);
        exit(EXIT_SKIPPED);
    }
    if (!g_spawn_check_wait_status(status, &error))
        g_error("guest: %s: %s\n%s", GUEST_BUILD_SCRIPT, error->message, err);
}

static char *
memory_device_xml(const Guest *guest, unsigned max_mib)
{
    if (guest->has_no_memory_device)
        return g_strdup("");
    return g_strdup_printf("    <memory model='virtio-mem'>\n"
                           "      <target>\n"
                           "        <size unit='MiB'>%u</size>\n"
                           "        <node>0</node>\n"
                           "        <block unit='KiB'>%u</block>\n"
                           "        <requested unit='MiB'>%u</requested>\n"
                           "      </target>\n"
                           "    </memory>\n",
                           max_mib, guest->block_kib ? guest->block_kib : DOMAIN_BLOCK_KIB,
                           guest->requested_mib);
}

static char *
metadata_xml(const Guest *guest)
{
    if (!guest->policy)
        return g_strdup("");
    return g_strdup_printf("  <metadata>\n"
                           "    <vk:policy xmlns:vk='urn:virtkeep:policy:1' %s/>\n"
                           "  </metadata>\n",
                           guest->policy);
}

static const char domain_format[] =
    "<domain type='qemu'>\n"
    "  <name>%s</name>\n"
    "%s" /* metadata */
    "  <maxMemory slots='16' unit='MiB'>%u</maxMemory>\n"
    "  <memory unit='MiB'>%u</memory>\n"
    "  <vcpu>2</vcpu>\n"
    "  <os>\n"
    "    <type arch='x86_64' machine='q35'>hvm</type>\n"
    "    <kernel>%s/vmlinuz</kernel>\n"
    "    <initrd>%s/initramfs.cpio.gz</initrd>\n"
    "    <cmdline>console=ttyS0 quiet loglevel=1 %s</cmdline>\n"
    "  </os>\n"
    "  <features><acpi/></features>\n"
    "  <cpu mode='maximum'>\n"
    "    <numa><cell id='0' cpus='0-1' memory='%u' unit='MiB'/></numa>\n"
    "  </cpu>\n"
    "  <devices>\n"
    "    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n"
    "    <controller type='usb' model='none'/>\n"
    "    <serial type='file'>\n"
    "      <source path='%s/console/%s.log'/>\n"
    "      <target port='0'/>\n"
    "    </serial>\n"
    "    <serial type='unix'>\n"
    "      <source mode='bind' path='%s/console/%s.sock'/>\n"
    "      <target port='1'/>\n"
    "    </serial>\n"
    "    <memballoon model='%s'/>\n"
    "%s%s" /* memory device, more devices */
    "  </devices>\n"
    "</domain>\n";

char *
guest_domain_xml(Scratch *scratch, const Guest *guest)
{
    g_autofree char *console = scratch_mkdir(scratch, "console");
    unsigned boot_mib = guest->boot_mib ? guest->boot_mib : DOMAIN_BOOT_MIB;
    unsigned max_mib = guest->max_mib ? guest->max_mib : DOMAIN_DEVICE_MIB;
    g_autofree char *memory = memory_device_xml(guest, max_mib);
    g_autofree char *metadata = metadata_xml(guest);
    /* libvirt's <memory> counts the memory devices' sizes in. */
    unsigned total_mib = boot_mib + (guest->has_no_memory_device ? 0 : max_mib);
    const char *dir = scratch_dir(scratch);

    return g_strdup_printf(domain_format, guest->name, metadata, 8 * (boot_mib + max_mib),
                           total_mib, GUEST_IMAGE_DIR, GUEST_IMAGE_DIR,
                           guest->cmdline ? guest->cmdline : "", boot_mib, dir, guest->name, dir,
                           guest->name, guest->has_no_balloon ? "none" : "virtio", memory,
                           guest->devices ? guest->devices : "");
}

void
guest_write_domain(Scratch *scratch, const Guest *guest)
{
    g_autofree char *name = g_strdup_printf("domains/%s.xml", guest->name);
    g_autofree char *xml = guest_domain_xml(scratch, guest);

    g_free(scratch_write(scratch, name, xml));
}

char *
guest_console(Scratch *scratch, const char *name)
{
    g_autofree char *path = g_strdup_printf("console/%s.log", name);
    char *text = scratch_read(scratch, path);

    return text ? text : g_strdup("");
}

unsigned
guest_n_boots(Scratch *scratch, const char *name)
{
    g_autofree char *console = guest_console(scratch, name);
    unsigned n_boots = 0;

    for (const char *at = console; (at = strstr(at, "READY")); at += strlen("READY"))
        n_boots++;
    return n_boots;
}

bool
guest_is_ready(Scratch *scratch, const char *name)
{
    return guest_n_boots(scratch, name) > 0;
}

bool
guest_has_panicked(Scratch *scratch, const char *name)
{
    g_autofree char *console = guest_console(scratch, name);

    return strstr(console, "Kernel panic") != NULL;
}

static bool
parse_info(const char *text, GuestInfo *ret_info)
{
    char virtio_mem[16];
    char balloon[16];
    GuestInfo info = { 0 };

    if (sscanf(text,
               "INFO MemTotal: %" G_GUINT64_FORMAT " kB MemAvailable: %" G_GUINT64_FORMAT
               " kB SUnreclaim: %" G_GUINT64_FORMAT " kB virtio_mem: %15s virtio_balloon: %15s"
               " oom_kill: %u uptime: %lf",
               &info.mem_total, &info.mem_available, &info.unmovable_slab, virtio_mem, balloon,
               &info.n_oom_kills, &info.uptime) != 7)
        return false;
    info.mem_total *= 1024;
    info.mem_available *= 1024;
    info.unmovable_slab *= 1024;
    info.has_virtio_mem = strcmp(virtio_mem, "loaded") == 0;
    info.has_balloon = strcmp(balloon, "loaded") == 0;
    *ret_info = info;
    return true;
}

bool
guest_last_info(Scratch *scratch, const char *name, GuestInfo *ret_info)
{
    g_autofree char *console = guest_console(scratch, name);
    char *end = strrchr(console, '\n');
    char *line;

    /* Only whole lines: the last one may be half written. */
    if (!end)
        return false;
    *end = '\0';
    line = g_strrstr(console, "INFO ");
    return line && parse_info(line, ret_info);
}

guint64
guest_mem_total(Scratch *scratch, const char *name)
{
    GuestInfo info = { 0 };

    return guest_last_info(scratch, name, &info) ? info.mem_total : 0;
}

guint64
guest_base_total(Scratch *scratch, const char *name)
{
    g_autofree char *console = guest_console(scratch, name);
    const char *line = strstr(console, "BASE ");
    guint64 total = 0;

    /* Only a whole line: the last one may be half written. */
    if (!line || !strchr(line, '\n') ||
        sscanf(line, "BASE MemTotal: %" G_GUINT64_FORMAT " kB", &total) != 1)
        return 0;
    return total * 1024;
}

bool
guest_has_total(Scratch *scratch, const char *name, guint64 total)
{
    guint64 has = guest_mem_total(scratch, name);

    return (has > total ? has - total : total - has) < (guint64) 1 << 20;
}

static int
connect_commands(Scratch *scratch, const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/console/%s.sock", scratch_dir(scratch),
             name);
    if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
        fail_msg("guest %s: %s: %s", name, address.sun_path, g_strerror(errno));
    return fd;
}

static void
send_line(int fd, const char *command)
{
    g_autofree char *line = g_strconcat(command, "\n", NULL);

    if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t) strlen(line))
        fail_msg("guest: cannot send %s: %s", command, g_strerror(errno));
}

/* A whole line without its end, or NULL where the deadline passed or QEMU ended. */
static char *
receive_line(int fd, double seconds)
{
    g_autoptr(GString) line = g_string_new(NULL);
    Deadline deadline = deadline_in(seconds);

    for (;;) {
        gint64 left_us = deadline.end_us - g_get_monotonic_time();
        struct pollfd readable = { .fd = fd, .events = POLLIN };
        char c;

        if (left_us <= 0 || poll(&readable, 1, (int) (left_us / 1000) + 1) < 0)
            return NULL;
        if (!readable.revents)
            continue;
        if (read(fd, &c, 1) != 1)
            return NULL;
        if (c == '\n')
            return g_strdup(line->str);
        if (c != '\r')
            g_string_append_c(line, c);
    }
}

char *
guest_command(Scratch *scratch, const char *name, double seconds, const char *command)
{
    int fd = connect_commands(scratch, name);
    char *answer;

    send_line(fd, command);
    answer = receive_line(fd, seconds);
    close(fd);
    if (!answer) {
        g_autofree char *console = guest_console(scratch, name);

        print_error("guest %s: no answer to \"%s\"; its console:\n%s\n", name, command, console);
        fail();
    }
    return answer;
}

void
guest_run(Scratch *scratch, const char *name, double seconds, const char *command,
          GuestInfo *ret_info)
{
    g_autofree char *answer = guest_command(scratch, name, seconds, command);
    const char *info = g_strrstr(answer, "INFO ");
    GuestInfo parsed = { 0 };

    if (!g_str_has_prefix(answer, "OK") || !info || !parse_info(info, &parsed))
        fail_msg("guest %s: %s: %s", name, command, answer);
    if (ret_info)
        *ret_info = parsed;
}
