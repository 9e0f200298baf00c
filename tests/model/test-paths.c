/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the paths of a document lead: relative ones are from its file's directory, whichever the
 * program runs in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/chardev.h"
#include "model/disk.h"
#include "model/spec.h"
#include "model/storage-source.h"

/* Relative paths are from the file's directory, absolute ones stay, and names are no paths. */
static void
test_paths(void **state)
{
    static const char text[] =
        "<domain type='qemu'><name>t</name><memory>65536</memory><os>"
        "<type arch='x86_64' machine='q35'>hvm</type>"
        "<kernel>boot/vmlinuz</kernel><initrd>/initrd</initrd><cmdline>a/b</cmdline></os><devices>"
        "<disk type='file'><driver type='qcow2'/><source file='../disk.img'/><backingStore "
        "type='file'>"
        "<format type='raw'/><source file='./base.img'/></backingStore><target dev='vda'/></disk>"
        "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
        "<disk type='network'><source protocol='nbd' name='a/b'><host name='h'/></source>"
        "<target dev='vdb' bus='virtio'/></disk>"
        "<channel type='unix'><source mode='bind' path='agent.sock'/>"
        "<target type='virtio' name='a.0'/></channel></devices></domain>";
    g_autoptr(Spec) spec = spec_parse("/etc/domains/web/t.xml", text, strlen(text));
    const Disk *disk = list_at(spec->domain->disks, 0, Disk);
    const Disk *network = list_at(spec->domain->disks, 2, Disk);
    const Chardev *channel = list_at(spec->domain->channels, 0, Chardev);

    assert_true(spec_is_valid(spec));
    assert_string_equal(spec->domain->kernel, "/etc/domains/web/boot/vmlinuz");
    assert_string_equal(spec->domain->initrd, "/initrd");
    assert_string_equal(spec->domain->cmdline, "a/b");
    assert_string_equal(disk->source->file, "/etc/domains/disk.img");
    assert_string_equal(disk->backing->source->file, "/etc/domains/web/base.img");
    assert_string_equal(network->source->name, "a/b");
    assert_string_equal(chardev_source(channel)->path, "/etc/domains/web/agent.sock");
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_paths) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
