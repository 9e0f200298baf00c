/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor: KVM, the emulators of the configuration, and firmware.
 *
 * KVM is used, not looked at (qemu/kvm-trial.h), once by ourselves and once by each emulator that
 * has it compiled in. Emulators are asked what they can do; what virtkeep wants of them beyond
 * starting is the virtio-mem device.
 */
#include "controller/doctor.h"

#include <string.h>

#include "model/json.h"
#include "qemu/kvm-trial.h"
#include "qemu/probe.h"

#define KVM_TIMEOUT_US (5 * G_USEC_PER_SEC)

static const char *const firmware_directories[] = {
    "/etc/qemu/firmware",
    "/usr/share/qemu/firmware",
    NULL,
};

/* /proc/cpuinfo has a flag of hardware virtualization. */
static bool
has_hardware_virtualization(void)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL))
        return true; /* unknown: no reason to warn */
    return !strstr(text, "\nflags") || strstr(text, " vmx") || strstr(text, " svm");
}

static bool
check_kvm(Findings *findings)
{
    g_autofree char *reason = NULL;

    switch (kvm_try(KVM_TIMEOUT_US, &reason)) {
    case KVM_WORKS:
        if (has_hardware_virtualization())
            findings_add(findings, FINDING_OK, "kvm", NULL, "a virtual CPU runs");
        else
            findings_add(findings, FINDING_WARN, "kvm",
                         "use type='qemu' unless you know that guests run on it",
                         "a virtual CPU runs, but the CPU shows no hardware virtualization: this "
                         "KVM is emulated, and guests may hang or abort");
        return true;
    case KVM_ABSENT:
        findings_add(findings, FINDING_WARN, "kvm",
                     "enable virtualization in the firmware (or nesting on the host), load "
                     "kvm_intel or kvm_amd; or use type='qemu', which is slow",
                     "%s: guests of type='kvm' won't start", reason);
        return false;
    case KVM_DENIED:
        findings_add(findings, FINDING_WARN, "kvm",
                     "run as root or as a member of the group that owns /dev/kvm",
                     "%s: guests of type='kvm' won't start", reason);
        return false;
    case KVM_BROKEN:
        findings_add(findings, FINDING_FAIL, "kvm", "use type='qemu', which is slow", "broken: %s",
                     reason);
        return false;
    case KVM_UNKNOWN:
        findings_add(findings, FINDING_OK, "kvm", NULL, "%s", reason);
        return false;
    }
    g_assert_not_reached();
}

static void
check_emulator(const char *path, bool has_kvm, Findings *findings)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Capabilities) capabilities = probe_emulator(path, PROBE_DEFAULT_TIMEOUT_US, &error);
    g_autofree char *reason = NULL;
    guint major, minor, micro;

    if (!capabilities) {
        findings_add(findings, FINDING_FAIL, "qemu",
                     "install it, or change 'emulators' in virtkeep.yaml", "%s: %s", path,
                     error->message);
        return;
    }
    capabilities_version(capabilities, &major, &minor, &micro);
    findings_add(findings, FINDING_OK, "qemu", NULL, "%s: version %u.%u.%u, %s", path, major, minor,
                 micro, capabilities_target(capabilities));
    if (!capabilities_has_device(capabilities, "virtio-mem-pci"))
        findings_add(findings, FINDING_WARN, "qemu", "install a newer QEMU",
                     "%s has no virtio-mem: memory devices of that model won't start", path);
    if (!has_kvm || strcmp(capabilities_target(capabilities), "x86_64"))
        return;
    if (!capabilities_has_kvm(capabilities))
        findings_add(findings, FINDING_WARN, "qemu-kvm", "install a QEMU that has it",
                     "%s was built without KVM", path);
    else if (kvm_try_emulator(path, KVM_TIMEOUT_US, &reason))
        findings_add(findings, FINDING_OK, "qemu-kvm", NULL, "%s runs firmware with KVM", path);
    else
        findings_add(findings, FINDING_FAIL, "qemu-kvm", "use type='qemu', which is slow",
                     "broken: %s with KVM and the host's CPU: %s", path, reason);
}

/* ---- firmware ---- */

/* Files that a descriptor names and that aren't there; NULL when all are. Caller frees. */
static char *
missing_image(const Json *descriptor)
{
    static const char *const parts[] = { "executable", "nvram-template", NULL };
    const Json *mapping = json_get(descriptor, "mapping");
    const char *flat = json_get_string(mapping, "filename");

    if (flat && !g_file_test(flat, G_FILE_TEST_EXISTS))
        return g_strdup(flat);
    for (guint i = 0; parts[i]; i++) {
        const char *file = json_get_string(json_get(mapping, parts[i]), "filename");

        if (file && !g_file_test(file, G_FILE_TEST_EXISTS))
            return g_strdup(file);
    }
    return NULL;
}

static bool
check_descriptor(const char *path, Findings *findings)
{
    g_autofree char *text = NULL;
    g_autofree char *missing = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Json) json = NULL;
    gsize length;

    if (g_file_get_contents(path, &text, &length, &error))
        json = json_parse(text, length, &error);
    if (!json) {
        findings_add(findings, FINDING_WARN, "firmware", "mend or remove it", "%s: %s", path,
                     error->message);
        return false;
    }
    missing = missing_image(json);
    if (missing)
        findings_add(findings, FINDING_WARN, "firmware", "install the firmware's package",
                     "%s names %s, which does not exist", path, missing);
    return !missing;
}

static void
check_firmware(Findings *findings)
{
    guint n_good = 0;

    for (guint i = 0; firmware_directories[i]; i++) {
        g_autoptr(GDir) directory = g_dir_open(firmware_directories[i], 0, NULL);
        const char *name;

        while (directory && (name = g_dir_read_name(directory))) {
            g_autofree char *path = g_build_filename(firmware_directories[i], name, NULL);

            if (g_str_has_suffix(name, ".json"))
                n_good += check_descriptor(path, findings);
        }
    }
    if (n_good > 0)
        findings_add(findings, FINDING_OK, "firmware", NULL, "%u firmware descriptor%s", n_good,
                     n_good == 1 ? "" : "s");
    else
        findings_add(findings, FINDING_WARN, "firmware", "install UEFI firmware (OVMF, edk2)",
                     "no firmware descriptors: <os firmware='efi'> won't find any");
}

void
doctor_check_qemu(const Config *config, Findings *findings)
{
    bool has_kvm = check_kvm(findings);

    for (guint i = 0; i < config->emulators->len; i++)
        check_emulator(config->emulators->pdata[i], has_kvm, findings);
    check_firmware(findings);
}
