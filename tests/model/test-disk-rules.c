/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules of disks, their images, limits and threads, a row each (tests/model/rules.h).
 *
 * Rows go by what they are about, each with the document nearest to good that breaks the one rule,
 * beside a good one where the rule has an exception.
 */
#include "tests/model/rules.h"

#define VDA "<target dev='vda' bus='virtio'/>"
#define SDA "<target dev='sda' bus='scsi'/>"
#define FILE_A "<source file='/a'/>"
#define DISK(more) "<disk type='file'>" more "</disk>"
#define NET(source) "<disk type='network'>" source VDA "</disk>"
#define HOST "<host name='h'/>"
#define PASS "<secret type='passphrase' usage='u'/>"
#define LUKS "<encryption format='luks'>" PASS "</encryption>"

static const Rule rules[] = {
    { NULL, "", DISK(FILE_A VDA) },
    { NULL, "", "<disk>" FILE_A VDA "</disk>" },
    { "disk-source", "", DISK(VDA) },
    { NULL, "", DISK("<source file='a'/>" VDA) },
    { NULL, "", "<disk device='cdrom'><target dev='sda' bus='sata'/></disk>" },
    { "disk-source", "", "<disk device='cdrom'><target dev='sda' bus='usb'/></disk>" },
    { "not-here", "", "<disk type='block'><source dev='/d' file='/a'/>" VDA "</disk>" },
    /* identity */
    { NULL, "", DISK(FILE_A SDA "<vendor>12345678</vendor><product>1234567890123456</product>") },
    { "disk-identity", "", DISK(FILE_A SDA "<vendor>123456789</vendor>") },
    { "disk-identity", "", DISK(FILE_A SDA "<product>12345678901234567</product>") },
    { "disk-identity", "", DISK(FILE_A SDA "<wwn>12</wwn>") },
    { "disk-identity", "", DISK(FILE_A SDA "<serial>a/b</serial>") },
    { "disk-bus", "", DISK(FILE_A VDA "<vendor>V</vendor>") },
    { "disk-bus", "", DISK(FILE_A VDA "<wwn>5000c50015ea71ac</wwn>") },
    /* buses */
    { "disk-bus", "", DISK("<driver queues='2'/>" FILE_A SDA) },
    { "disk-bus", "", DISK("<driver ioeventfd='on'/>" FILE_A SDA) },
    { "virtio-only", "", DISK("<driver iommu='on'/>" FILE_A SDA) },
    { NULL, "", DISK(FILE_A "<target dev='sda' bus='sd'/>") },
    { "disk-sd", "",
      "<disk type='dir'><source dir='/d'/><target dev='sda' bus='sd'/><readonly/></disk>" },
    { "disk-read-only", "", DISK(FILE_A "<target dev='sda' bus='sata'/><readonly/>") },
    { "disk-tray", "", DISK(FILE_A "<target dev='vda' tray='open'/>") },
    { "address-drive", "", DISK(FILE_A SDA "<address type='drive' bus='1'/>") },
    { "address-drive", "", DISK(FILE_A "<target dev='hda'/><address type='drive' target='1'/>") },
    /* luns */
    { NULL, "", "<disk type='block' device='lun'><source dev='/d'/>" SDA "</disk>" },
    { "disk-lun", "", "<disk type='file' device='lun'>" FILE_A SDA "</disk>" },
    { "disk-lun", "", "<disk type='block' device='lun'><source dev='/d'/>" VDA "</disk>" },
    { "disk-lun", "", "<disk rawio='yes'>" FILE_A VDA "</disk>" },
    { "disk-lun", "",
      "<disk type='block'><source dev='/d'><reservations managed='yes'/></source>" SDA "</disk>" },
    { "storage-reservations", "",
      "<disk type='block' device='lun'><source dev='/d'><reservations managed='no'/></source>" SDA
      "</disk>" },
    /* formats */
    { "disk-format", "", DISK("<driver type='iso'/>" FILE_A VDA) },
    { "disk-format", "", DISK("<driver type='dir'/>" FILE_A VDA) },
    { "disk-format", "", DISK("<driver type='fat'/>" FILE_A VDA) },
    { "disk-read-only", "", "<disk type='dir'><source dir='/d'/>" VDA "</disk>" },
    { "disk-format", "", DISK("<driver discard_no_unref='on'/>" FILE_A VDA) },
    { "disk-format", "",
      DISK("<driver><metadata_cache><max_size>1</max_size></metadata_cache></driver>" FILE_A VDA) },
    { "disk-format", "",
      DISK("<source file='/a'><dataStore type='file'><source "
           "file='/b'/></dataStore></source>" VDA) },
    { "disk-source", "",
      DISK("<driver type='qcow2'/><source file='/a'><dataStore type='network'/></source>" VDA) },
    { "storage-name", "",
      DISK("<driver type='qcow2'/><source file='/a'><dataStore type='network'>"
           "<source protocol='http'>" HOST "</source></dataStore></source>" VDA) },
    { "disk-backing", "",
      DISK(FILE_A VDA "<backingStore type='file'><format type='raw'/><source file='/b'/>"
                      "</backingStore>") },
    { "disk-source", "",
      DISK("<driver type='qcow2'/>" FILE_A VDA
           "<backingStore type='file'><format type='raw'/></backingStore>") },
    { "disk-shareable", "", DISK("<driver type='qcow2'/>" FILE_A VDA "<shareable/>") },
    { "disk-read-only", "", DISK("<driver copy_on_read='on'/>" FILE_A VDA "<readonly/>") },
    { "disk-io", "", DISK("<driver io='native'/>" FILE_A VDA) },
    { NULL, "", DISK("<driver io='native' cache='none'/>" FILE_A VDA) },
    /* network */
    { NULL, "", NET("<source protocol='nbd'>" HOST "</source>") },
    { "storage-hosts", "", NET("<source protocol='nbd'/>") },
    { "storage-name", "",
      "<disk type='network' device='cdrom'><source name='x'/><target dev='hda'/></disk>" },
    { "storage-hosts", "", NET("<source protocol='iscsi' name='i/1'/>") },
    { "storage-hosts", "", NET("<source protocol='iscsi' name='i'>" HOST HOST "</source>") },
    { "storage-name", "", NET("<source protocol='iscsi' name='i/x'>" HOST "</source>") },
    { "storage-name", "", NET("<source protocol='http'>" HOST "</source>") },
    { "storage-name", "", NET("<source protocol='rbd' name='x'/>") },
    { "storage-hosts", "",
      NET("<source protocol='http' name='x'><host transport='unix' socket='/s'/></source>") },
    { "not-supported", "", NET("<source protocol='sheepdog' name='x'/>") },
    { "storage-option", "",
      NET("<source protocol='ftp' name='x'>" HOST "<cookies><cookie name='a'>b</cookie></cookies>"
          "</source>") },
    { "storage-auth", "",
      NET("<source protocol='iscsi' name='i'>" HOST
          "<auth username='u'><secret type='ceph' usage='x'/></auth></source>") },
    { "storage-auth", "",
      NET("<auth username='u'><secret type='iscsi' usage='x'/></auth>"
          "<source protocol='iscsi' name='i'>" HOST
          "<auth username='u'><secret type='iscsi' usage='x'/></auth></source>") },
    { "disk-startup", "",
      NET("<source protocol='nbd' startupPolicy='optional'>" HOST "</source>") },
    /* encryption */
    { NULL, "", DISK("<source file='/a'>" LUKS "</source>" VDA) },
    { "storage-encryption", "", DISK(FILE_A VDA "<encryption format='luks'/>") },
    { "storage-encryption", "", DISK("<source file='/a'>" LUKS "</source>" VDA LUKS) },
    { "storage-encryption", "",
      DISK(FILE_A VDA "<encryption format='luks2'>" PASS "</encryption>") },
    { "storage-encryption", "",
      DISK(FILE_A VDA "<encryption format='luks' engine='librbd'>" PASS "</encryption>") },
    { "not-supported", "",
      DISK(FILE_A VDA "<encryption format='luks'>" PASS "<cipher name='aes'/></encryption>") },
    /* limits */
    { "throttle-total", "",
      DISK(FILE_A VDA "<iotune><total_bytes_sec>1</total_bytes_sec>"
                      "<read_bytes_sec>1</read_bytes_sec></iotune>") },
    { "throttle-burst", "",
      DISK(FILE_A VDA "<iotune><read_iops_sec_max_length>1</read_iops_sec_max_length></iotune>") },
    { "throttle-burst", "",
      DISK(FILE_A VDA "<iotune><read_iops_sec>9</read_iops_sec>"
                      "<read_iops_sec_max>8</read_iops_sec_max></iotune>") },
    { "throttle-burst", "",
      DISK(FILE_A VDA "<iotune><read_iops_sec_max>8</read_iops_sec_max></iotune>") },
    { "throttle-group", "",
      DISK(FILE_A VDA "<throttlefilters><throttlefilter group='g'/></throttlefilters>") },
    /* threads */
    { NULL, "<iothreads>1</iothreads>", DISK("<driver iothread='1'/>" FILE_A VDA) },
    { "iothread", "<iothreads>1</iothreads>", DISK("<driver iothread='2'/>" FILE_A VDA) },
    { "iothread", "<iothreadids><iothread id='2'/><iothread id='2'/></iothreadids>", "" },
    { "iothread", "<iothreads>2</iothreads>",
      DISK("<driver queues='2'><iothreads><iothread id='1'><queue id='0'/></iothread>"
           "<iothread id='2'/></iothreads></driver>" FILE_A VDA) },
    { "iothread", "<iothreads>2</iothreads>",
      DISK("<driver queues='2'><iothreads><iothread id='1'><queue id='0'/></iothread>"
           "</iothreads></driver>" FILE_A VDA) },
    { "controller-virtio", "<iothreads>1</iothreads>",
      "<controller type='scsi' model='lsilogic'><driver iothread='1'/></controller>" },
    /* vhost-user */
    { NULL, "<memoryBacking><access mode='shared'/></memoryBacking>",
      "<disk type='vhostuser'><source type='unix' path='/s'/>" VDA "</disk>" },
    { "disk-vhost-user", "",
      "<disk type='vhostuser'><source type='unix' path='/s'/>" VDA "</disk>" },
    { "disk-vhost-user", "<memoryBacking><access mode='shared'/></memoryBacking>",
      "<disk type='vhostuser'><source type='unix' path='/s'/>" VDA "<serial>1</serial></disk>" },
    /* transient */
    { "disk-transient", "", DISK(FILE_A VDA "<readonly/><transient/>") },
};

int
main(void)
{
    return rules_check(rules, G_N_ELEMENTS(rules));
}
