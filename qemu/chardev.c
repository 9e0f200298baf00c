/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Serial and parallel ports, consoles and channels: one host side (the chardev), four kinds of
 * guest sides.
 *
 * A console of type serial is a second name for serial port 0 and spells nothing. A channel on a
 * UNIX socket that has no path gets one in the domain's run directory, named by the device. QEMU is
 * never asked to wait for a client (wait=off): a guest starts whether or not anyone listens.
 */
#include "qemu/chardev.h"

#include "model/chardev.h"
#include "model/redir-filter.h"
#include "qemu/device.h"
#include "qemu/need.h"

static const char *const backend_types[] = {
    [CHARDEV_NULL] = "null",
    [CHARDEV_VC] = "vc",
    [CHARDEV_PTY] = "pty",
    [CHARDEV_DEV] = "serial",
    [CHARDEV_FILE] = "file",
    [CHARDEV_PIPE] = "pipe",
    [CHARDEV_STDIO] = "stdio",
    [CHARDEV_UDP] = "udp",
    [CHARDEV_TCP] = "socket",
    [CHARDEV_UNIX] = "socket",
    [CHARDEV_SPICEVMC] = "spicevmc",
    [CHARDEV_SPICEPORT] = "spiceport",
    [CHARDEV_QEMU_VDAGENT] = "qemu-vdagent",
    [CHARDEV_DBUS] = "dbus",
    [CHARDEV_NMDM] = "null", /* refused by the model */
};

static Json *
address_tree(const char *type, Json *data)
{
    Json *address = json_new_object();

    json_set_string(address, "type", type);
    json_set(address, "data", data);
    return address;
}

static Json *
inet_address(const ChardevSource *source, const char *default_host)
{
    Json *data = json_new_object();

    json_set_string(data, "host", source->host ? source->host : default_host);
    json_set_string(data, "port", source->service ? source->service : "0");
    return address_tree("inet", data);
}

static Json *
unix_address(const DeviceContext *context, const DeviceInfo *info, const ChardevSource *source)
{
    g_autofree char *own =
        g_strdup_printf("%s/%s.sock", context->facts->socket_directory, info->alias);
    Json *data = json_new_object();

    json_set_string(data, "path", source && source->path ? source->path : own);
    return address_tree("unix", data);
}

static void
add_socket(const Chardev *chardev, const ChardevSource *source, Json *address, Json *data)
{
    /* A channel that names no path is for others to connect to. */
    bool is_server =
        source && source->mode ? source->mode == CHARDEV_BIND : !source || !source->path;

    json_set(data, "addr", address);
    if (chardev->protocol == CHARDEV_TELNET)
        json_set_bool(data, "telnet", true);
    json_set_bool(data, "server", is_server);
    if (is_server)
        json_set_bool(data, "wait", false);
    else if (source && source->reconnect)
        json_set_uint(data, "reconnect",
                      source->reconnect == TRISTATE_ON ? source->reconnect_timeout.value : 0);
}

static bool
has_tls(const Chardev *chardev)
{
    const ChardevSource *source = chardev_source(chardev);

    return chardev->type == CHARDEV_TCP && source && source->tls == TRISTATE_ON;
}

static char *
credentials_id(const DeviceInfo *info)
{
    return g_strdup_printf("objchar%s_tls0", info->alias);
}

static void
add_credentials(const DeviceContext *context, const Chardev *chardev, const DeviceInfo *info,
                GPtrArray *backends)
{
    const ChardevSource *source = chardev_source(chardev);
    g_autofree char *id = credentials_id(info);
    bool is_server = source->mode == CHARDEV_BIND;
    Json *tree = json_new_object();

    json_set_string(tree, "qom-type", "tls-creds-x509");
    json_set_string(tree, "id", id);
    json_set_string(tree, "dir", host_facts_chardev_tls(context->facts));
    json_set_string(tree, "endpoint", is_server ? "server" : "client");
    json_set_bool(tree, "verify-peer", true);
    backend_add(backends, BACKEND_OBJECT, tree);
}

static void
add_vdagent(const ChardevSource *source, Json *data)
{
    json_set_bool(data, "clipboard", source && source->clipboard_copypaste == TRISTATE_ON);
    json_set_bool(data, "mouse", source && source->mouse_mode == CHARDEV_MOUSE_CLIENT);
}

static void
add_udp(const Chardev *chardev, Json *data)
{
    for (guint i = 0; i < list_length(chardev->sources); i++) {
        const ChardevSource *source = list_at(chardev->sources, i, ChardevSource);
        bool is_local = source->mode == CHARDEV_BIND;

        json_set(data, is_local ? "local" : "remote",
                 inet_address(source, is_local ? "" : "127.0.0.1"));
    }
}

static Json *
data_tree(const DeviceContext *context, const Chardev *chardev, const DeviceInfo *info,
          const char *spice_type)
{
    const ChardevSource *source = chardev_source(chardev);
    Json *data = json_new_object();

    switch ((ChardevType) chardev->type) {
    case CHARDEV_DEV:
    case CHARDEV_PIPE:
        json_set_string(data, "device", source ? source->path : NULL);
        break;
    case CHARDEV_FILE:
        json_set_string(data, "out", source ? source->path : NULL);
        device_tree_add_tristate(data, "append", source ? source->append : 0);
        break;
    case CHARDEV_UDP:
        add_udp(chardev, data);
        break;
    case CHARDEV_TCP:
        if (source)
            add_socket(chardev, source, inet_address(source, "127.0.0.1"), data);
        if (has_tls(chardev)) {
            g_autofree char *id = credentials_id(info);

            json_set_string(data, "tls-creds", id);
        }
        break;
    case CHARDEV_UNIX:
        add_socket(chardev, source, unix_address(context, info, source), data);
        break;
    case CHARDEV_SPICEVMC:
        json_set_string(data, "type", spice_type);
        break;
    case CHARDEV_QEMU_VDAGENT:
        add_vdagent(source, data);
        break;
    case CHARDEV_DBUS:
        json_set_string(data, "name", source ? source->channel : NULL);
        break;
    case CHARDEV_SPICEPORT:
        json_set_string(data, "fqdn", source ? source->channel : NULL);
        break;
    case CHARDEV_NULL:
    case CHARDEV_VC:
    case CHARDEV_PTY:
    case CHARDEV_STDIO:
    case CHARDEV_NMDM:
        break;
    }
    json_set_string(data, "logfile", chardev->log_file);
    if (chardev->log_file)
        device_tree_add_tristate(data, "logappend", chardev->log_append);
    return data;
}

static void
add_backend(const DeviceContext *context, const Chardev *chardev, const DeviceInfo *info,
            const char *type, const char *spice_type, GPtrArray *backends)
{
    g_autofree char *id = backend_name("char", info);
    Json *properties = json_new_object();
    Json *backend = json_new_object();

    if (has_tls(chardev))
        add_credentials(context, chardev, info, backends);
    json_set_string(backend, "type", type);
    json_set(backend, "data", data_tree(context, chardev, info, spice_type));
    json_set_string(properties, "id", id);
    json_set(properties, "backend", backend);
    backend_add(backends, BACKEND_CHARDEV, properties);
}

void
chardev_add_backend(const DeviceContext *context, const Chardev *chardev, const DeviceInfo *info,
                    const char *spice_type, GPtrArray *backends)
{
    add_backend(context, chardev, info, backend_types[chardev->type], spice_type, backends);
}

Json *
socket_client_tree(const char *id, const char *path)
{
    Json *properties = json_new_object(), *backend = json_new_object(), *data = json_new_object();
    Json *address = json_new_object();

    json_set_string(address, "path", path);
    json_set(data, "addr", address_tree("unix", address));
    json_set_bool(data, "server", false);
    json_set_string(backend, "type", "socket");
    json_set(backend, "data", data);
    json_set_string(properties, "id", id);
    json_set(properties, "backend", backend);
    return properties;
}

static void
chardev_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Chardev *chardev = device;

    chardev_add_backend(context, chardev, &chardev->info, "vdagent", backends);
}

/* A host device that is a parallel port is another backend than one that is a serial port. */
static void
parallel_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Chardev *chardev = device;

    add_backend(context, chardev, &chardev->info,
                chardev->type == CHARDEV_DEV ? "parallel" : backend_types[chardev->type], NULL,
                backends);
}

static bool
is_serial_port(const Chardev *console)
{
    return !console->target_type || console->target_type == CHARDEV_TARGET_SERIAL;
}

static void
console_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    if (!is_serial_port(device))
        chardev_backends(context, device, backends);
}

static Json *
port_tree(const DeviceContext *context, const Chardev *chardev, const char *driver)
{
    g_autofree char *backend = backend_name("char", &chardev->info);
    Json *tree = device_tree_new(context, driver);

    json_set_string(tree, "chardev", backend);
    device_tree_add_info(context, tree, &chardev->info);
    return tree;
}

static Json *
serial_properties(const DeviceContext *context, gconstpointer device)
{
    static const char *const drivers[] = {
        [0] = "isa-serial",
        [CHARDEV_TARGET_ISA_SERIAL] = "isa-serial",
        [CHARDEV_TARGET_USB_SERIAL] = "usb-serial",
        [CHARDEV_TARGET_PCI_SERIAL] = "pci-serial",
        [CHARDEV_TARGET_ISA_DEBUG] = "isa-debugcon",
        [CHARDEV_TARGET_SPAPR_VIO] = NULL, /* it and the others: refused by the model */
    };
    const Chardev *serial = device;
    const char *driver = drivers[serial->target_type];
    Json *tree;

    if (!driver)
        return NULL;
    tree = port_tree(context, serial, driver);
    if (g_str_equal(driver, "isa-serial"))
        device_tree_add_uint(tree, "index", &serial->target_port);
    return tree;
}

static Json *
parallel_properties(const DeviceContext *context, gconstpointer device)
{
    const Chardev *parallel = device;
    const GPtrArray *all = context->at.domain->parallels;
    Json *tree = port_tree(context, parallel, "isa-parallel");
    guint place = 0;

    while (place < all->len && all->pdata[place] != device)
        place++;
    /* QEMU counts by itself where the ports are in order. */
    if (parallel->target_port.is_set && parallel->target_port.value != place)
        device_tree_add_uint(tree, "index", &parallel->target_port);
    return tree;
}

static Json *
console_properties(const DeviceContext *context, gconstpointer device)
{
    const Chardev *console = device;
    Json *tree;

    if (is_serial_port(console))
        return NULL;
    tree = port_tree(context, console, "virtconsole");
    /* QEMU places consoles by itself (port 0 of the first bus with room), as under libvirt: the
     * port was only reserved. */
    json_remove(tree, "bus");
    json_remove(tree, "nr");
    return tree;
}

/* A port that the guest reaches by connecting to an address of QEMU's user network. */
static void
add_guestfwd(const Chardev *channel, GPtrArray *backends)
{
    g_autofree char *rule =
        g_strdup_printf("tcp:%s:%" G_GUINT64_FORMAT "-chardev:char%s", channel->target_address,
                        channel->target_port.value, channel->info.alias);
    Json *rules = json_new_array(), *item = json_new_object(), *tree = json_new_object();

    json_set_string(item, "str", rule);
    json_append(rules, item);
    json_set_string(tree, "type", "user");
    json_set(tree, "guestfwd", rules);
    json_set_string(tree, "id", channel->info.alias);
    backend_add(backends, BACKEND_NETDEV, tree);
}

static void
channel_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Chardev *channel = device;

    chardev_backends(context, device, backends);
    if (channel->target_type == CHARDEV_TARGET_GUESTFWD)
        add_guestfwd(channel, backends);
}

static Json *
channel_properties(const DeviceContext *context, gconstpointer device)
{
    const Chardev *channel = device;
    Json *tree;

    if (channel->target_type == CHARDEV_TARGET_GUESTFWD)
        return NULL;
    tree = port_tree(context, channel, "virtserialport");
    if (channel->target_name)
        json_set_string(tree, "name", channel->target_name);
    else if (channel->type == CHARDEV_SPICEVMC || channel->type == CHARDEV_QEMU_VDAGENT)
        json_set_string(tree, "name", "com.redhat.spice.0");
    return tree;
}

static void
redirdev_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Chardev *redirdev = device;

    chardev_add_backend(context, redirdev, &redirdev->info, "usbredir", backends);
}

/* One number of a rule, with the digits that it has; -1 is any. */
static void
add_rule_number(GString *filter, gint number, int n_digits)
{
    if (number < 0)
        g_string_append(filter, "-1:");
    else
        g_string_append_printf(filter, "0x%0*X:", n_digits, (guint) number);
}

/* "CLASS:VENDOR:PRODUCT:VERSION:ALLOW|…" (QEMU's docs/system/devices/usb.rst: usb-redir). */
static char *
redir_filter(const Domain *domain)
{
    GString *filter = g_string_new(NULL);

    for (guint i = 0; i < list_length(domain->redir_rules); i++) {
        const RedirRule *rule = list_at(domain->redir_rules, i, RedirRule);
        gint class_ = -1, vendor = -1, product = -1, version = -1;

        redir_rule_number(rule->class_, 0xff, &class_);
        redir_rule_number(rule->vendor, 0xffff, &vendor);
        redir_rule_number(rule->product, 0xffff, &product);
        redir_rule_version(rule->version, &version);
        if (i)
            g_string_append_c(filter, '|');
        add_rule_number(filter, class_, 2);
        add_rule_number(filter, vendor, 4);
        add_rule_number(filter, product, 4);
        add_rule_number(filter, version, 4);
        g_string_append_c(filter, rule->allow == TRISTATE_ON ? '1' : '0');
    }
    return g_string_free(filter, FALSE);
}

static Json *
redirdev_properties(const DeviceContext *context, gconstpointer device)
{
    Json *tree = port_tree(context, device, "usb-redir");

    if (list_length(context->at.domain->redir_rules)) {
        g_autofree char *filter = redir_filter(context->at.domain);

        json_set_string(tree, "filter", filter);
    }
    return tree;
}

static void
chardev_needs(const DeviceContext *context, gconstpointer device, GPtrArray *needs)
{
    need_add_chardev(context, needs, device);
}

static void
console_needs(const DeviceContext *context, gconstpointer device, GPtrArray *needs)
{
    if (!is_serial_port(device))
        chardev_needs(context, device, needs);
}

/* The new host side under the port, which the guest does not see go. */
static bool
serial_update(const DeviceContext *context, Monitor *monitor, gconstpointer before,
              gconstpointer after, GError **error)
{
    g_autoptr(GPtrArray) backends = g_ptr_array_new_with_free_func((GDestroyNotify) backend_free);
    const Backend *backend;

    chardev_backends(context, after, backends);
    g_assert(backends->len == 1);
    backend = backends->pdata[0];
    return monitor_run(monitor, "chardev-change", json_copy(backend->properties), error);
}

const DeviceSpelling redirdev_spelling = {
    .kind = &redirdev_kind,
    .backends = redirdev_backends,
    .properties = redirdev_properties,
    .needs = chardev_needs,
};
const DeviceSpelling serial_spelling = {
    .kind = &serial_kind,
    .backends = chardev_backends,
    .properties = serial_properties,
    .update = serial_update,
    .needs = chardev_needs,
};
const DeviceSpelling parallel_spelling = {
    .kind = &parallel_kind,
    .backends = parallel_backends,
    .properties = parallel_properties,
    .needs = chardev_needs,
};
const DeviceSpelling console_spelling = {
    .kind = &console_kind,
    .backends = console_backends,
    .properties = console_properties,
    .needs = console_needs,
};
const DeviceSpelling channel_spelling = {
    .kind = &channel_kind,
    .backends = channel_backends,
    .properties = channel_properties,
    .needs = chardev_needs,
};
