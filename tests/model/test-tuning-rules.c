/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules of <cputune> and <vcpus> that a document breaks by itself, a row each
 * (tests/model/rules.h). What depends on the host is for tests/cli/test-tuning.c.
 */
#include "tests/model/rules.h"

#define TUNE(more) "<vcpu>4</vcpu><iothreads>2</iothreads><cputune>" more "</cputune>"
#define VCPUS(more) "<vcpu>2</vcpu><vcpus>" more "</vcpus>"

static const Rule rules[] = {
    /* pins */
    { NULL, TUNE("<vcpupin vcpu='3' cpuset='1-4,^2'/>"), "" },
    { "vcpus", TUNE("<vcpupin vcpu='3' cpuset='1'/><vcpupin vcpu='3' cpuset='2'/>"), "" },
    { NULL, TUNE("<vcpupin vcpu='4' cpuset='1'/>"), "" }, /* libvirt drops it; a warning here */
    { NULL, TUNE("<iothreadpin iothread='2' cpuset='1'/>"), "" },
    { "iothread", TUNE("<iothreadpin iothread='3' cpuset='1'/>"), "" },
    /* schedulers */
    { NULL,
      TUNE("<vcpusched vcpus='0-1' scheduler='batch'/>"
           "<vcpusched vcpus='2' scheduler='rr' priority='1'/>"),
      "" },
    { "missing-attribute", TUNE("<vcpusched vcpus='2' scheduler='rr'/>"), "" },
    { "cputune",
      TUNE("<vcpusched vcpus='0-1' scheduler='batch'/>"
           "<vcpusched vcpus='1' scheduler='idle'/>"),
      "" },
    { "vcpus", TUNE("<vcpusched vcpus='3-4' scheduler='batch'/>"), "" },
    { NULL, TUNE("<iothreadsched iothreads='1-2' scheduler='idle'/>"), "" },
    { "iothread", TUNE("<iothreadsched iothreads='0' scheduler='idle'/>"), "" },
    /* quotas */
    { NULL, TUNE("<quota>-1</quota><period>1000</period>"), "" },
    { "cputune", TUNE("<quota>999</quota>"), "" },
    { "cputune", TUNE("<iothread_quota>17592186044416</iothread_quota>"), "" },
    { "not-supported", "<memtune><min_guarantee>1</min_guarantee></memtune>", "" },
    /* virtual CPUs */
    { NULL,
      VCPUS("<vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>"
            "<vcpu id='1' enabled='yes' hotpluggable='yes' order='2'/>"),
      "" },
    { "vcpus", VCPUS("<vcpu id='0' enabled='yes' hotpluggable='yes'/>"), "" },
    { "vcpus", VCPUS("<vcpu id='1' enabled='no' hotpluggable='no'/>"), "" },
    { "vcpus", VCPUS("<vcpu id='2' enabled='yes' hotpluggable='yes'/>"), "" },
};

int
main(void)
{
    return rules_check(rules, G_N_ELEMENTS(rules));
}
