/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fields with a fixed default, written out.
 *
 * A resolved domain says them explicitly, so that a user who later writes the default into the
 * file has changed nothing, and so that the guest keeps what it was started with when a default
 * changes in a later version. One function a kind; they only ever fill in what is absent.
 */
#include "reconcile/defaults.h"

#include "model/chardev.h"
#include "model/controller.h"
#include "model/disk.h"
#include "model/input.h"
#include "model/interface.h"
#include "model/video.h"
#include "reconcile/resolution.h"

static void
set_string(char **member, const char *value)
{
    if (!*member)
        *member = g_strdup(value);
}

static void
set_enum(int *member, int value)
{
    if (!*member)
        *member = value;
}

static void
set_uint(OptUint *member, guint64 value)
{
    if (!member->is_set)
        *member = opt_uint(value);
}

static void
default_domain(Domain *domain)
{
    set_string(&domain->os_type, "hvm");
    set_string(&domain->arch, "x86_64");
    set_string(&domain->machine, "pc");
    set_uint(&domain->vcpus, 1);
    set_enum(&domain->clock_offset, CLOCK_OFFSET_UTC);
    set_enum(&domain->on_poweroff, ACTION_DESTROY);
    set_enum(&domain->on_reboot, ACTION_RESTART);
    set_enum(&domain->on_crash, ACTION_DESTROY);
}

static void
default_disk(Domain *domain, gpointer device, guint index)
{
    Disk *disk = device;

    set_enum(&disk->bus, disk_bus(disk));
    set_enum(&disk->device, disk->bus == DISK_BUS_FDC ? DISK_DEVICE_FLOPPY : DISK_DEVICE_DISK);
    set_string(&disk->driver_name, "qemu");
    set_enum(&disk->format, DISK_FORMAT_RAW);
    if (disk->device == DISK_DEVICE_CDROM)
        disk->is_read_only = true;
}

static void
default_controller(Domain *domain, gpointer device, guint index)
{
    Controller *controller = device;

    if (controller->type == CONTROLLER_USB)
        set_enum(&controller->model, CONTROLLER_MODEL_PIIX3_UHCI);
    if (controller->type != CONTROLLER_SCSI)
        return;
    if (controller->model == CONTROLLER_MODEL_AUTO)
        controller->model = 0;
    set_enum(&controller->model, CONTROLLER_MODEL_LSILOGIC);
}

static void
default_interface(Domain *domain, gpointer device, guint index)
{
    Interface *interface = device;

    set_string(&interface->model, "rtl8139");
}

static void
default_serial(Domain *domain, gpointer device, guint index)
{
    static const char *const models[] = {
        [CHARDEV_TARGET_ISA_SERIAL] = "isa-serial",
        [CHARDEV_TARGET_USB_SERIAL] = "usb-serial",
        [CHARDEV_TARGET_PCI_SERIAL] = "pci-serial",
        [CHARDEV_TARGET_ISA_DEBUG] = "isa-debugcon",
    };
    Chardev *serial = device;
    int address = serial->info.address ? serial->info.address->type : ADDRESS_ABSENT;

    set_enum(&serial->target_type, address == ADDRESS_PCI   ? CHARDEV_TARGET_PCI_SERIAL
                                   : address == ADDRESS_USB ? CHARDEV_TARGET_USB_SERIAL
                                                            : CHARDEV_TARGET_ISA_SERIAL);
    if (serial->target_type < (int) G_N_ELEMENTS(models) && models[serial->target_type])
        set_string(&serial->target_model, models[serial->target_type]);
}

static void
default_console(Domain *domain, gpointer device, guint index)
{
    Chardev *console = device;

    set_enum(&console->target_type, CHARDEV_TARGET_SERIAL);
}

static void
default_input(Domain *domain, gpointer device, guint index)
{
    Input *input = device;

    set_enum(&input->bus, input_bus(input));
}

#define MIB ((guint64) 1 << 20)

static void
round_to_power_of_two(OptUint *size)
{
    guint64 power = 1;

    if (!size->value)
        return;
    while (power < size->value)
        power *= 2;
    size->value = power;
}

static void
default_video(Domain *domain, gpointer device, guint index)
{
    static const guint vram[] = { [VIDEO_VGA] = 16,
                                  [VIDEO_CIRRUS] = 16,
                                  [VIDEO_VMVGA] = 16,
                                  [VIDEO_QXL] = 64,
                                  [VIDEO_BOCHS] = 16 };
    Video *video = device;

    set_enum(&video->model, VIDEO_CIRRUS);
    if (index == 0 && video->model != VIDEO_NONE)
        set_enum(&video->primary, TRISTATE_ON);
    if (video->model != VIDEO_NONE)
        set_uint(&video->heads, 1);
    if (video->model < (int) G_N_ELEMENTS(vram) && vram[video->model])
        set_uint(&video->vram, vram[video->model] * MIB);
    if (video->model != VIDEO_QXL)
        return;
    set_uint(&video->ram, 64 * MIB);
    set_uint(&video->vgamem, 16 * MIB);
    round_to_power_of_two(&video->ram);
    round_to_power_of_two(&video->vram);
    round_to_power_of_two(&video->vgamem);
}

static const struct {
    const DeviceKind *kind;
    void (*fill)(Domain *domain, gpointer device, guint index);
} defaults[] = {
    { &disk_kind, default_disk },           { &controller_kind, default_controller },
    { &interface_kind, default_interface }, { &serial_kind, default_serial },
    { &console_kind, default_console },     { &input_kind, default_input },
    { &video_kind, default_video },
};

void
resolve_defaults(Domain *domain)
{
    default_domain(domain);
    for (guint k = 0; k < G_N_ELEMENTS(defaults); k++) {
        const GPtrArray *list = domain_devices(domain, defaults[k].kind);

        for (guint i = 0; i < list_length(list); i++)
            defaults[k].fill(domain, list->pdata[i], i);
    }
}
