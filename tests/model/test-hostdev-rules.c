/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules of devices of the host, a row each (tests/model/rules.h).
 *
 * A SCSI unit is either an adapter's or a server's, and has a drive address in the bounds of its
 * controller; what is said in words of the other kind is refused.
 */
#include "tests/model/rules.h"

#define HOSTDEV(type, more) "<hostdev mode='subsystem' type='" type "'>" more "</hostdev>"
#define SCSI(more) HOSTDEV("scsi", more)
#define ADAPTER(unit) "<adapter name='scsi_host0'/><address bus='0' target='0' unit='" unit "'/>"
#define UNIT(unit) "<source>" ADAPTER(unit) "</source>"
#define ISCSI(more)                                                                                \
    "<source protocol='iscsi' name='iqn.2000-01.org:a/1'><host name='h'/>" more "</source>"
#define LSI "<controller type='scsi' index='0' model='lsilogic'/>"

static const Rule rules[] = {
    /* SCSI units of an adapter */
    { NULL, "", SCSI(UNIT("0")) },
    { NULL, "", SCSI(UNIT("18446744073709551615") "<readonly/><shareable/>") },
    { NULL, "", SCSI(UNIT("0")) SCSI(UNIT("1")) },
    { "hostdev-duplicate", "", SCSI(UNIT("0")) SCSI(UNIT("0")) },
    { "hostdev-source", "", SCSI("<source><adapter name='scsi_host0'/></source>") },
    { "hostdev-source", "", SCSI("<source><address bus='0' target='0' unit='0'/></source>") },
    { "hostdev-source", "",
      SCSI("<source><adapter name='ata0'/><address bus='0' target='0' unit='0'/></source>") },
    { "hostdev-source", "", SCSI("<source name='n'>" ADAPTER("0") "</source>") },
    { NULL, "", "<hostdev type='scsi' sgio='filtered' rawio='yes'>" UNIT("0") "</hostdev>" },
    { "not-supported", "", "<hostdev type='scsi' sgio='unfiltered'>" UNIT("0") "</hostdev>" },
    /* of a server */
    { NULL, "", SCSI(ISCSI("")) },
    { NULL, "", SCSI(ISCSI("<initiator><iqn name='i'/></initiator>")) },
    { NULL, "", SCSI(ISCSI("<auth username='u'><secret type='iscsi' usage='s'/></auth>")) },
    { "storage-auth", "",
      SCSI(ISCSI("<auth username='u'><secret type='ceph' usage='s'/></auth>")) },
    { "storage-auth", "", SCSI(ISCSI("<auth username='u'><secret type='iscsi'/></auth>")) },
    { "storage-hosts", "", SCSI(ISCSI("<host name='i'/>")) },
    { "storage-name", "", SCSI("<source protocol='iscsi'><host name='h'/></source>") },
    { "storage-name", "", SCSI("<source protocol='iscsi' name='t/x'><host name='h'/></source>") },
    { "hostdev-source", "", SCSI(ISCSI(ADAPTER("0"))) },
    { "hostdev-duplicate", "", SCSI(ISCSI("")) SCSI(ISCSI("")) },
    /* addresses */
    { NULL, "", SCSI(UNIT("0") "<address type='drive' controller='1' target='4' unit='300'/>") },
    { "address-drive", "", SCSI(UNIT("0") "<address type='drive' bus='1'/>") },
    { "hostdev-address", "", SCSI(UNIT("0") "<address type='pci' slot='9'/>") },
    { NULL, "", LSI SCSI(UNIT("0") "<address type='drive' unit='7'/>") },
    { "address-drive", "", LSI SCSI(UNIT("0") "<address type='drive' unit='8'/>") },
    { "address-drive", "", LSI SCSI(UNIT("0") "<address type='drive' target='1'/>") },
    /* which USB devices may be redirected */
    { NULL, "", "<redirfilter><usbdev class='0xff' version='1.10' allow='yes'/></redirfilter>" },
    { "redirfilter", "", "<redirfilter><usbdev class='256' allow='yes'/></redirfilter>" },
    { "redirfilter", "", "<redirfilter><usbdev vendor='x' allow='yes'/></redirfilter>" },
    { "redirfilter", "", "<redirfilter><usbdev product='-2' allow='yes'/></redirfilter>" },
    { "redirfilter", "", "<redirfilter><usbdev version='110' allow='yes'/></redirfilter>" },
    { "missing-attribute", "", "<redirfilter><usbdev class='8'/></redirfilter>" },
    { "hostdev-teaming", "",
      HOSTDEV("pci", "<source><address bus='1' slot='2' function='0'/></source>"
                     "<teaming type='persistent' persistent='ua-a'/>") },
    /* the other types have none of it */
    { "not-here", "",
      HOSTDEV("pci", "<source><address bus='1' slot='2' function='0'/></source><readonly/>") },
};

int
main(void)
{
    return rules_check(rules, G_N_ELEMENTS(rules));
}
