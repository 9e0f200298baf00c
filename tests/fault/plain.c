/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the fault tests start again and again, so as small as a QEMU can be that still has all
 * that virtkeep looks at: a balloon that gives no statistics, a virtio-mem device without driver.
 */
#include "tests/fault/plain.h"

#include <unistd.h>

static const char format[] = "<domain type='qemu'>\n"
                             "  <name>%s</name>\n"
                             "  <metadata>\n"
                             "    <vk:policy xmlns:vk='urn:virtkeep:policy:1' %s/>\n"
                             "  </metadata>\n"
                             "  <maxMemory slots='4' unit='MiB'>1024</maxMemory>\n"
                             "  <memory unit='MiB'>320</memory>\n"
                             "  <vcpu>%u</vcpu>\n"
                             "  <os><type arch='x86_64' machine='q35'>hvm</type></os>\n"
                             "  <cpu mode='maximum'>\n"
                             "    <numa><cell id='0' cpus='0-%u' memory='64' unit='MiB'/></numa>\n"
                             "  </cpu>\n"
                             "  <devices>\n"
                             "    <emulator>%s</emulator>\n"
                             "    <controller type='usb' model='none'/>\n"
                             "    <memory model='virtio-mem'>\n"
                             "      <target>\n"
                             "        <size unit='MiB'>256</size>\n"
                             "        <node>0</node>\n"
                             "        <block unit='MiB'>2</block>\n"
                             "        <requested unit='MiB'>%u</requested>\n"
                             "      </target>\n"
                             "    </memory>\n"
                             "%s  </devices>\n"
                             "</domain>\n";

char *
plain_xml(const Plain *plain)
{
    unsigned vcpus = plain->vcpus ? plain->vcpus : 1;

    return g_strdup_printf(format, plain->name, plain->policy ? plain->policy : "", vcpus,
                           vcpus - 1, plain->emulator ? plain->emulator : PLAIN_EMULATOR,
                           plain->requested_mib, plain->devices ? plain->devices : "");
}

void
plain_write(Scratch *scratch, const Plain *plain)
{
    g_autofree char *name = g_strdup_printf("domains/%s.xml", plain->name);
    g_autofree char *xml = plain_xml(plain);

    g_free(scratch_write(scratch, name, xml));
}
