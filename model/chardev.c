/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Character devices. What the host side is (type, source, protocol, log) is the same for all of
 * them, so those rows are written once; each element adds its target: a serial port, a console,
 * a channel between host and guest.
 *
 * The first console of type serial is libvirt's other name for serial port 0; reconcile/resolve
 * joins the two, here they are what the file says.
 */
#include "model/chardev.h"

#include <gio/gio.h>
#include <string.h>

#include "model/default.h"
#include "model/graphics.h"
#include "model/security-label.h"

const char *const chardev_type_names[] = {
    [CHARDEV_NULL] = "null",
    [CHARDEV_VC] = "vc",
    [CHARDEV_PTY] = "pty",
    [CHARDEV_DEV] = "dev",
    [CHARDEV_FILE] = "file",
    [CHARDEV_PIPE] = "pipe",
    [CHARDEV_STDIO] = "stdio",
    [CHARDEV_UDP] = "udp",
    [CHARDEV_TCP] = "tcp",
    [CHARDEV_UNIX] = "unix",
    [CHARDEV_SPICEVMC] = "spicevmc",
    [CHARDEV_SPICEPORT] = "spiceport",
    [CHARDEV_QEMU_VDAGENT] = "qemu-vdagent",
    [CHARDEV_DBUS] = "dbus",
    [CHARDEV_NMDM] = "nmdm",
    NULL,
};
static const char *const mode_names[] = {
    [CHARDEV_CONNECT] = "connect",
    [CHARDEV_BIND] = "bind",
    NULL,
};
const char *const chardev_protocol_names[] = {
    [CHARDEV_RAW] = "raw",
    [CHARDEV_TELNET] = "telnet",
    [CHARDEV_TELNETS] = "telnets",
    [CHARDEV_TLS] = "tls",
    NULL,
};
static const char *const serial_target_names[] = {
    [CHARDEV_TARGET_ISA_SERIAL] = "isa-serial",
    [CHARDEV_TARGET_USB_SERIAL] = "usb-serial",
    [CHARDEV_TARGET_PCI_SERIAL] = "pci-serial",
    NULL,
};
static const char *const target_names[] = {
    [CHARDEV_TARGET_ISA_SERIAL] = "isa-serial",
    [CHARDEV_TARGET_USB_SERIAL] = "usb-serial",
    [CHARDEV_TARGET_PCI_SERIAL] = "pci-serial",
    [CHARDEV_TARGET_SERIAL] = "serial",
    [CHARDEV_TARGET_VIRTIO] = "virtio",
    [CHARDEV_TARGET_ISA_DEBUG] = "isa-debug",
    [CHARDEV_TARGET_GUESTFWD] = "guestfwd",
    [CHARDEV_TARGET_XEN] = "xen",
    [CHARDEV_TARGET_SCLP] = "sclp",
    [CHARDEV_TARGET_SCLP_LM] = "sclplm",
    [CHARDEV_TARGET_SYSTEM] = "system-serial",
    [CHARDEV_TARGET_SPAPR_VIO] = "spapr-vio-serial",
    NULL,
};
static const char *const mouse_names[] = {
    [CHARDEV_MOUSE_SERVER] = "server",
    [CHARDEV_MOUSE_CLIENT] = "client",
    NULL,
};

static const Field source_fields[] = {
    FIELD_ENUM(ChardevSource, mode, mode_names, .path = "@mode",
               .doc = "Whether QEMU listens (`bind`) or connects."),
    FIELD_PATH(ChardevSource, path, .path = "@path", .doc = "File, device or socket."),
    FIELD_STRING(ChardevSource, host, .path = "@host", .doc = "Host name or address."),
    FIELD_STRING(ChardevSource, service, .path = "@service", .doc = "Port."),
    FIELD_STRING(ChardevSource, channel, .path = "@channel", .doc = "spiceport: channel name."),
    FIELD_ON_OFF(ChardevSource, append, .path = "@append", .doc = "Keep what the file has."),
    FIELD_YES_NO(ChardevSource, reconnect, .path = "reconnect/@enabled",
                 .doc = "tcp, unix: connect again when the connection is lost."),
    FIELD_UINT(ChardevSource, reconnect_timeout, .path = "reconnect/@timeout",
               .doc = "tcp, unix: seconds before that."),
    FIELD_YES_NO(ChardevSource, tls, .path = "@tls", .doc = "tcp: TLS on the connection."),
    { .type = TYPE_NONE,
      .path = "@tlsFromConfig",
      .is_output = true,
      .doc = "libvirt's note that `tls` is its own default." },
    FIELD_YES_NO(ChardevSource, clipboard_copypaste, .path = "clipboard/@copypaste",
                 .is_needed = true, .doc = "qemu-vdagent: share the clipboard."),
    FIELD_ENUM(ChardevSource, mouse_mode, mouse_names, .path = "mouse/@mode", .is_needed = true,
               .doc = "qemu-vdagent: who draws the pointer."),
    FIELD_REFUSED("it is bhyve's", .path = "@master", .doc = "nmdm: one side."),
    FIELD_REFUSED("it is bhyve's", .path = "@slave", .doc = "nmdm: the other side."),
    FIELD_LIST(ChardevSource, labels, &device_label_schema, .path = "seclabel",
               .no_effect = SECURITY_LABEL_NO_EFFECT, .doc = "SELinux and AppArmor labels."),
    FIELD_END,
};

const Schema chardev_source_schema = {
    .element = "source",
    .size = sizeof(ChardevSource),
    .fields = source_fields,
    .doc = "The host side of a character device.",
};

#define CHARDEV_FIELDS                                                                             \
    CHARDEV_BACKEND_FIELDS(Chardev, , "", .absent = CHARDEV_PTY, ), DEVICE_INFO_FIELDS(Chardev)

#define TTY_REPORT                                                                                 \
    {                                                                                              \
        .type = TYPE_NONE, .path = "@tty", .is_output = true,                                      \
        .doc = "libvirt's report of the pty."                                                      \
    }

static const Field serial_fields[] = {
    CHARDEV_BACKEND_ROWS(Chardev, , "", CHANGE_LIVE, .absent = CHARDEV_PTY, ),
    DEVICE_INFO_FIELDS(Chardev),
    TTY_REPORT,
    FIELD_ENUM(Chardev, target_type, target_names, .path = "target/@type",
               .doc = "`isa-serial` (default), `usb-serial`, `pci-serial` or `isa-debug`."),
    FIELD_UINT(Chardev, target_port, .path = "target/@port", .max = 255, .doc = "Port number."),
    FIELD_STRING(Chardev, target_model, .path = "target/model/@name",
                 .doc = "QEMU's device; follows from the type."),
    FIELD_END,
};
static const Field parallel_fields[] = {
    CHARDEV_FIELDS,
    TTY_REPORT,
    FIELD_UINT(Chardev, target_port, .path = "target/@port", .max = 2, .doc = "Port number."),
    FIELD_NO_EFFECT("a parallel port is a parallel port", .path = "target/@type",
                    .doc = "Not read."),
    FIELD_END,
};
static const Field console_fields[] = {
    CHARDEV_FIELDS,
    TTY_REPORT,
    FIELD_ENUM(Chardev, target_type, target_names, .path = "target/@type",
               .doc = "`serial` (default) or `virtio`."),
    FIELD_UINT(Chardev, target_port, .path = "target/@port", .max = 255, .doc = "Port number."),
    FIELD_END,
};
static const Field channel_fields[] = {
    CHARDEV_FIELDS,
    FIELD_ENUM(Chardev, target_type, target_names, .path = "target/@type", .is_required = true,
               .doc = "`virtio` or `guestfwd`."),
    FIELD_STRING(Chardev, target_address, .path = "target/@address",
                 .doc = "guestfwd: IP address that the guest connects to."),
    FIELD_UINT(Chardev, target_port, .path = "target/@port", .min = 1, .max = 65535,
               .doc = "guestfwd: TCP port that the guest connects to."),
    FIELD_STRING(Chardev, target_name, .path = "target/@name",
                 .doc = "Name the guest finds the port under."),
    { .type = TYPE_NONE,
      .path = "target/@state",
      .is_output = true,
      .doc = "libvirt's report of the guest's side." },
    FIELD_END,
};

static const char *const redirdev_buses[] = { NULL, "usb", NULL };
static const Field redirdev_fields[] = {
    CHARDEV_BACKEND_FIELDS(Chardev, , "", .is_required = true, ),
    DEVICE_INFO_FIELDS(Chardev),
    FIELD_ENUM(Chardev, target_type, redirdev_buses, .path = "@bus", .doc = "`usb`."),
    DEVICE_BOOT_FIELDS(Chardev),
    FIELD_END,
};

static char *
channel_key(gconstpointer item)
{
    return g_strdup(((const Chardev *) item)->target_name);
}

static const Schema serial_schema = {
    .element = "serial", .size = sizeof(Chardev), .fields = serial_fields, .doc = "A serial port."
};
static const Schema parallel_schema = { .element = "parallel",
                                        .size = sizeof(Chardev),
                                        .fields = parallel_fields,
                                        .doc = "A parallel port." };
static const Schema console_schema = { .element = "console",
                                       .size = sizeof(Chardev),
                                       .fields = console_fields,
                                       .doc = "A console; the first is serial port 0." };
static const Schema channel_schema = { .element = "channel",
                                       .size = sizeof(Chardev),
                                       .fields = channel_fields,
                                       .key = channel_key,
                                       .doc = "A port between host and guest, for agents." };

static const Schema redirdev_schema = { .element = "redirdev",
                                        .size = sizeof(Chardev),
                                        .fields = redirdev_fields,
                                        .doc = "A USB device that somebody hands in from afar." };

const ChardevSource *
chardev_source(const Chardev *chardev)
{
    return list_length(chardev->sources) ? list_at(chardev->sources, 0, ChardevSource) : NULL;
}

static const bool needs_path[] = {
    [CHARDEV_DEV] = true,
    [CHARDEV_FILE] = true,
    [CHARDEV_PIPE] = true,
    [CHARDEV_UNIX] = true,
};

/* "/var/lib/libvirt/qemu/channel/target/domain-3-web/NAME", in some versions "…/channel/3-web/NAME"
 * or "…/channel/target/web.NAME": what libvirt once made up for a guest of its own. */
static bool
has_generated_path(const Chardev *chardev)
{
    static const char directory[] = "/libvirt/qemu/channel/";
    const ChardevSource *source = chardev_source(chardev);
    const char *rest = source && source->path ? strstr(source->path, directory) : NULL, *name;

    if (!rest || chardev->type != CHARDEV_UNIX || !chardev->target_name)
        return false;
    rest += strlen(directory);
    if (g_str_has_prefix(rest, "target/"))
        rest += strlen("target/");
    name = strchr(rest, '/');
    if (name)
        return (g_str_has_prefix(rest, "domain-") || g_ascii_isdigit(*rest)) &&
               g_str_equal(name + 1, chardev->target_name);
    return g_str_has_suffix(rest, chardev->target_name) &&
           strlen(rest) > strlen(chardev->target_name) + 1 &&
           rest[strlen(rest) - strlen(chardev->target_name) - 1] == '.';
}

/* UDP has an end to listen at and one to send to; the others have one. */
static void
validate_sources(const Validation *v, const Chardev *chardev, const char *at)
{
    guint most = chardev->type == CHARDEV_UDP ? 2 : 1;
    bool is_inet = chardev->type == CHARDEV_TCP || chardev->type == CHARDEV_UDP;
    bool has_end = !is_inet;

    for (guint i = 0; i < list_length(chardev->sources); i++) {
        const ChardevSource *source = list_at(chardev->sources, i, ChardevSource);
        g_autofree char *self = g_strdup_printf("%ssource[%u]", at, i);

        if (i >= most)
            validation_error(v, self, "chardev-source", "backend '%s' has at most %u <source>",
                             chardev_type_names[chardev->type], most);
        has_end |= source->service && (chardev->type == CHARDEV_UDP ? source->mode != CHARDEV_BIND
                                                                    : source->host != NULL);
    }
    if (!has_end)
        validation_error(v, NULL, "chardev-source", "<source host='…' service='…'/> is missing");
}

/* Some backends are SPICE's own. */
static void
validate_spice(const Validation *v, const Chardev *chardev, const char *field)
{
    bool is_spice = chardev->type == CHARDEV_SPICEVMC || chardev->type == CHARDEV_SPICEPORT;

    if (is_spice && !domain_has_spice(v->domain))
        validation_error(v, field, "no-spice", "backend '%s' needs <graphics type='spice'>",
                         chardev_type_names[chardev->type]);
}

static void
validate_source(const Validation *v, const Chardev *chardev, const ChardevSource *source,
                const char *at)
{
    g_autofree char *self = g_strconcat(at, "source[0]", NULL);
    g_autofree char *reconnect = g_strconcat(at, "source[0]/reconnect/@enabled", NULL);
    g_autofree char *timeout = g_strconcat(at, "source[0]/reconnect/@timeout", NULL);

    device_labels_validate(v, self, source->labels);
    if (!source->reconnect)
        return;
    if (has_generated_path(chardev))
        validation_error(v, reconnect, "chardev-reconnect",
                         "nobody listens at a path that libvirt made up: it is not kept, and "
                         "without a path QEMU listens");
    else if (chardev->type != CHARDEV_TCP && chardev->type != CHARDEV_UNIX)
        validation_error(v, reconnect, "chardev-reconnect", "only sockets can reconnect");
    else if (source->mode == CHARDEV_BIND ||
             (chardev->type == CHARDEV_UNIX && !source->mode && !source->path))
        validation_error(v, reconnect, "chardev-reconnect", "only mode 'connect' can reconnect");
    if (source->reconnect == TRISTATE_ON && !source->reconnect_timeout.value)
        validation_error(v, timeout, "chardev-reconnect", "seconds before reconnecting, not 0");
}

void
validate_chardev_backend(const Validation *v, const Chardev *chardev, const char *at)
{
    const ChardevSource *source = chardev_source(chardev);
    g_autofree char *type = g_strconcat(at, "@type", NULL);
    g_autofree char *protocol = g_strconcat(at, "protocol/@type", NULL);
    g_autofree char *log = g_strconcat(at, "log", NULL);

    if (!chardev->type)
        return;
    if (source)
        validate_source(v, chardev, source, at);
    validate_spice(v, chardev, type);
    if (chardev->log_append && !chardev->log_file)
        validation_error(v, log, "missing-attribute", "<log> needs the attribute 'file'");
    if (chardev->type == CHARDEV_NMDM)
        validation_error(v, type, "not-supported", "backend 'nmdm' is bhyve's");
    if (chardev->type == CHARDEV_UNIX && (!source || !source->path) &&
        chardev->target_type == CHARDEV_TARGET_VIRTIO)
        return; /* libvirt makes a path up: so does the launch, in the run directory */
    if (chardev->type < (int) G_N_ELEMENTS(needs_path) && needs_path[chardev->type] &&
        (!source || !source->path))
        validation_error(v, NULL, "chardev-source", "<source path='…'/> is missing");
    validate_sources(v, chardev, at);
    if ((chardev->type == CHARDEV_SPICEPORT || chardev->type == CHARDEV_DBUS) &&
        (!source || !source->channel))
        validation_error(v, NULL, "chardev-source", "<source channel='…'/> is missing");
    if (chardev->protocol == CHARDEV_TELNETS || chardev->protocol == CHARDEV_TLS)
        validation_error(v, protocol, "not-supported",
                         "QEMU has no protocol '%s'; <source tls='yes'> is TLS",
                         chardev_protocol_names[chardev->protocol]);
}

static void
validate_backend(const Validation *v, const Chardev *chardev)
{
    validate_chardev_backend(v, chardev, "");
}

/* SPICE's agent talks through a port of its own. */
static void
validate_no_agent(const Validation *v, const Chardev *chardev)
{
    if (chardev->type == CHARDEV_SPICEVMC || chardev->type == CHARDEV_QEMU_VDAGENT)
        validation_error(v, "@type", "chardev-agent", "backend '%s' is for channels of type virtio",
                         chardev_type_names[chardev->type]);
}

static void
validate_agent(const Validation *v, const Chardev *channel)
{
    if (channel->type != CHARDEV_SPICEVMC && channel->type != CHARDEV_QEMU_VDAGENT)
        return;
    if (channel->target_type != CHARDEV_TARGET_VIRTIO)
        validate_no_agent(v, channel);
    else if (channel->type == CHARDEV_SPICEVMC && channel->target_name &&
             !g_str_equal(channel->target_name, "com.redhat.spice.0"))
        validation_error(v, "target/@name", "chardev-agent",
                         "SPICE's agent only knows the name 'com.redhat.spice.0'");
}

/* QEMU's own network knows IPv4 here. */
static void
validate_guestfwd(const Validation *v, const Chardev *channel)
{
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(channel->target_address);

    if (!address || g_inet_address_get_family(address) != G_SOCKET_FAMILY_IPV4)
        validation_error(v, "target/@address", "channel-guestfwd", "'%s' is no IPv4 address",
                         channel->target_address);
}

static void
serial_validate(const Validation *v, gconstpointer item)
{
    const Chardev *serial = item;
    int type = serial->target_type ? serial->target_type : CHARDEV_TARGET_ISA_SERIAL;

    validate_backend(v, serial);
    validate_no_agent(v, serial);
    if (serial->target_type && serial->target_type > CHARDEV_TARGET_PCI_SERIAL &&
        serial->target_type != CHARDEV_TARGET_ISA_DEBUG)
        validation_error(
            v, "target/@type", "bad-value",
            "a serial port's target can't be '%s': isa-serial, usb-serial or pci-serial",
            target_names[serial->target_type]);
    if (serial->target_model && type < (int) G_N_ELEMENTS(serial_target_names) - 1 &&
        g_strcmp0(serial->target_model, serial_target_names[type]))
        validation_error(v, "target/model/@name", "bad-value", "model '%s' does not fit type '%s'",
                         serial->target_model, serial_target_names[type]);
    if (serial->target_model && type == CHARDEV_TARGET_ISA_DEBUG &&
        strcmp(serial->target_model, "isa-debugcon"))
        validation_error(v, "target/model/@name", "bad-value",
                         "model '%s' does not fit type 'isa-debug'", serial->target_model);
}

static void
console_validate(const Validation *v, gconstpointer item)
{
    const Chardev *console = item;

    validate_backend(v, console);
    validate_no_agent(v, console);
    if (console->target_type && console->target_type != CHARDEV_TARGET_SERIAL &&
        console->target_type != CHARDEV_TARGET_VIRTIO)
        validation_error(v, "target/@type", "bad-value",
                         "a console's target can't be '%s': serial or virtio",
                         target_names[console->target_type]);
    if (console->type == CHARDEV_UNIX &&
        (!chardev_source(console) || !chardev_source(console)->path))
        validation_error(v, NULL, "chardev-source", "<source path='…'/> is missing");
}

/* The first console is serial port 0 by another name, and that is the only such name there is. */
static void
console_or_port_validate(const Validation *v, gconstpointer item)
{
    const Chardev *console = item;

    console_validate(v, item);
    if (console->target_type != CHARDEV_TARGET_VIRTIO && v->domain->consoles->pdata[0] != item)
        validation_error(v, NULL, "console-serial", "only the first console can be a serial port");
}

static void
channel_validate(const Validation *v, gconstpointer item)
{
    const Chardev *channel = item;

    validate_backend(v, channel);
    validate_agent(v, channel);
    if (channel->target_type && channel->target_type != CHARDEV_TARGET_VIRTIO &&
        channel->target_type != CHARDEV_TARGET_GUESTFWD)
        validation_error(v, "target/@type", "bad-value",
                         "a channel's target is 'virtio' or 'guestfwd', not '%s'",
                         target_names[channel->target_type]);
    if (channel->target_type == CHARDEV_TARGET_GUESTFWD &&
        (!channel->target_address || !channel->target_port.is_set))
        validation_error(v, "target", "channel-guestfwd", "guestfwd needs address and port");
    else if (channel->target_type == CHARDEV_TARGET_GUESTFWD)
        validate_guestfwd(v, channel);
    if (channel->target_type == CHARDEV_TARGET_VIRTIO &&
        (channel->target_address || channel->target_port.is_set))
        validation_error(v, "target", "not-here", "address and port are guestfwd's");
    for (guint i = 0; channel->target_name && i < list_length(v->domain->channels); i++) {
        const Chardev *other = list_at(v->domain->channels, i, Chardev);

        if (other == channel)
            break;
        if (!g_strcmp0(other->target_name, channel->target_name))
            validation_error(v, "target/@name", "channel-duplicate",
                             "another channel is named '%s'", channel->target_name);
    }
}

static void
redirdev_validate(const Validation *v, gconstpointer item)
{
    validate_backend(v, item);
}

static DeviceBus
redirdev_bus(const Domain *domain, gconstpointer item)
{
    return BUS_USB;
}

static DeviceBus
serial_bus(const Domain *domain, gconstpointer item)
{
    switch (((const Chardev *) item)->target_type) {
    case CHARDEV_TARGET_PCI_SERIAL:
        return BUS_PCI;
    case CHARDEV_TARGET_USB_SERIAL:
        return BUS_USB;
    default:
        return BUS_ISA;
    }
    return BUS_ISA;
}

static DeviceBus
virtio_serial_bus(const Domain *domain, gconstpointer item)
{
    return ((const Chardev *) item)->target_type == CHARDEV_TARGET_VIRTIO ? BUS_VIRTIO_SERIAL
                                                                          : BUS_NONE;
}

static void
serial_fill_defaults(const Domain *domain, gpointer device)
{
    static const char *const models[] = {
        [CHARDEV_TARGET_ISA_SERIAL] = "isa-serial",
        [CHARDEV_TARGET_USB_SERIAL] = "usb-serial",
        [CHARDEV_TARGET_PCI_SERIAL] = "pci-serial",
        [CHARDEV_TARGET_ISA_DEBUG] = "isa-debugcon",
    };
    Chardev *serial = device;
    int address = serial->info.address ? serial->info.address->type : ADDRESS_ABSENT;

    if (address == ADDRESS_PCI || address == ADDRESS_USB)
        default_enum(&serial->target_type, address == ADDRESS_PCI ? CHARDEV_TARGET_PCI_SERIAL
                                                                  : CHARDEV_TARGET_USB_SERIAL);
    default_enum(&serial->target_type, CHARDEV_TARGET_ISA_SERIAL);
    if (serial->target_type < (int) G_N_ELEMENTS(models) && models[serial->target_type])
        default_string(&serial->target_model, models[serial->target_type]);
}

static void
channel_fill_defaults(const Domain *domain, gpointer device)
{
    Chardev *channel = device;
    ChardevSource *source;

    if (!has_generated_path(channel))
        return;
    source = channel->sources->pdata[0];
    g_clear_pointer(&source->path, g_free);
    source->mode = CHARDEV_BIND;
}

static void
console_fill_defaults(const Domain *domain, gpointer device)
{
    Chardev *console = device;

    default_enum(&console->target_type, CHARDEV_TARGET_SERIAL);
}

/* QEMU 7.2 exchanges the host side under UARTs only ("Chardev user does not support chardev
 * hotswap"). */
static bool
is_uart(const Chardev *serial)
{
    return serial->target_type != CHARDEV_TARGET_USB_SERIAL &&
           serial->target_type != CHARDEV_TARGET_ISA_DEBUG;
}

static bool
is_exchangeable(const Chardev *serial)
{
    switch ((ChardevType) serial->type) {
    case CHARDEV_NULL:
    case CHARDEV_PTY:
    case CHARDEV_DEV:
    case CHARDEV_FILE:
    case CHARDEV_PIPE:
    case CHARDEV_UNIX:
        return true;
    case CHARDEV_TCP: /* credentials would have to come and go with it */
        return serial->protocol != CHARDEV_TLS && chardev_source(serial) &&
               chardev_source(serial)->tls != TRISTATE_ON;
    case CHARDEV_VC:
    case CHARDEV_STDIO:
    case CHARDEV_UDP:
    case CHARDEV_SPICEVMC:
    case CHARDEV_SPICEPORT:
    case CHARDEV_QEMU_VDAGENT:
    case CHARDEV_DBUS:
    case CHARDEV_NMDM:
        return false;
    }
    return false;
}

/* The new one is there before the old one goes, and takes the path with it. */
static bool
listens_at_same_place(const Chardev *a, const Chardev *b)
{
    const ChardevSource *x = chardev_source(a), *y = chardev_source(b);

    return a->type == b->type && x && y && x->mode == CHARDEV_BIND && y->mode == CHARDEV_BIND &&
           !g_strcmp0(x->path, y->path) && !g_strcmp0(x->service, y->service);
}

static ChangeClass
serial_change_class(gconstpointer before, gconstpointer after, const Field *field)
{
    const Chardev *a = before, *b = after;

    if (field->change != CHANGE_LIVE)
        return field->change;
    return is_uart(a) && is_uart(b) && is_exchangeable(a) && is_exchangeable(b) &&
                   !listens_at_same_place(a, b)
               ? CHANGE_LIVE
               : CHANGE_RESTART;
}

const DeviceKind serial_kind = {
    .name = "serial",
    .list_offset = offsetof(Domain, serials),
    .schema = &serial_schema,
    .validate = serial_validate,
    .fill_defaults = serial_fill_defaults,
    .change_class = serial_change_class,
    .bus = serial_bus,
    .pci_rank = 14,
    .usb_rank = 4,
    .alias_prefix = "serial",
};
const DeviceKind parallel_kind = {
    .name = "parallel",
    .list_offset = offsetof(Domain, parallels),
    .schema = &parallel_schema,
    .validate = console_validate,
    .alias_prefix = "parallel",
};
const DeviceKind console_kind = {
    .name = "console",
    .list_offset = offsetof(Domain, consoles),
    .schema = &console_schema,
    .validate = console_or_port_validate,
    .fill_defaults = console_fill_defaults,
    .bus = virtio_serial_bus,
    .alias_prefix = "console",
};
/* guestfwd is slirp's, set up at boot. */
static bool
channel_plugs(gconstpointer device)
{
    return ((const Chardev *) device)->target_type == CHARDEV_TARGET_VIRTIO;
}

const DeviceKind channel_kind = {
    .name = "channel",
    .list_offset = offsetof(Domain, channels),
    .schema = &channel_schema,
    .validate = channel_validate,
    .fill_defaults = channel_fill_defaults,
    .is_pluggable = channel_plugs,
    .bus = virtio_serial_bus,
    .alias_prefix = "channel",
};
const DeviceKind redirdev_kind = {
    .name = "redirdev",
    .list_offset = offsetof(Domain, redirdevs),
    .schema = &redirdev_schema,
    .validate = redirdev_validate,
    .is_pluggable = device_plugs,
    .bus = redirdev_bus,
    .usb_rank = 7,
    .alias_prefix = "redir",
};
