/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domain files for tests of commands. Shutdown takes one second by policy: the firmware never
 * powers off, so that is how long a stop takes.
 */
#include "tests/cli/domain-file.h"

static char *
memory_text(const DomainFile *file)
{
    if (!file->has_memory_device)
        return g_strdup("");
    return g_strdup_printf("    <memory model='virtio-mem'><target>"
                           "<size unit='MiB'>256</size><node>0</node>"
                           "<block unit='MiB'>2</block><requested unit='MiB'>%u</requested>"
                           "</target></memory>\n",
                           file->requested_mib);
}

char *
domain_file_xml(const DomainFile *file)
{
    unsigned vcpus = file->vcpus ? file->vcpus : 1;
    g_autofree char *memory = memory_text(file);

    return g_strdup_printf(
        "<domain type='qemu'>\n"
        "  <name>%s</name>\n"
        "  <metadata>\n"
        "    <vk:policy xmlns:vk='urn:virtkeep:policy:1' shutdown-timeout='1s' %s/>\n"
        "  </metadata>\n"
        "  <maxMemory slots='1' unit='MiB'>1024</maxMemory>\n"
        "  <memory unit='MiB'>%u</memory>\n%s%s"
        "  <vcpu>%u</vcpu>\n"
        "  <os><type arch='x86_64' machine='q35'>hvm</type></os>\n"
        "  <cpu><numa><cell id='0' cpus='0-%u' memory='64' unit='MiB'/></numa></cpu>\n"
        "  <devices>\n%s%s  </devices>\n"
        "</domain>\n",
        file->name, file->policy ? file->policy : "", file->has_memory_device ? 320 : 64,
        file->has_shared_memory
            ? "  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>\n"
            : "",
        file->head ? file->head : "", vcpus, vcpus - 1, memory, file->devices ? file->devices : "");
}

void
domain_file_write(Scratch *scratch, const DomainFile *file)
{
    g_autofree char *path = g_strdup_printf("domains/%s.xml", file->name);
    g_autofree char *xml = domain_file_xml(file);

    g_free(scratch_write(scratch, path, xml));
}
