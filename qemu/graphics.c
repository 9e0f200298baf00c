/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Displays that people connect to. A VNC port that the file leaves open is left to QEMU (`to=`: the
 * first free one from 5900 on; query-vnc says which), so that two guests starting at once can't
 * collide. SPICE has no such search: 5900 stands here, and whoever launches puts a free port into
 * the resolved domain.
 *
 * A password never stands on a command line, which every user of the host can read: only that there
 * is one, which keeps everybody out until it is set over QMP.
 */
#include "model/graphics.h"

#include <gio/gio.h>
#include <string.h>

#include "model/audio.h"
#include "qemu/companion.h"
#include "qemu/device.h"
#include "qemu/need.h"

#define FIRST_PORT 5900
#define FIRST_WEBSOCKET 5700
#define LAST_PORT 65535
#define LAST_DISPLAY (LAST_PORT - FIRST_PORT)
#define DEFAULT_ADDRESS "127.0.0.1"

/* For whom the run directory lets in, which is its user. */
#define BUS_CONFIGURATION                                                                          \
    "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"         \
    "  \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"                         \
    "<busconfig>\n"                                                                                \
    "  <type>virtkeep</type>\n"                                                                    \
    "  <listen>unix:path=%s</listen>\n"                                                            \
    "  <auth>EXTERNAL</auth>\n"                                                                    \
    "  <policy context=\"default\">\n"                                                             \
    "    <allow own=\"*\"/>\n"                                                                     \
    "    <allow send_destination=\"*\"/>\n"                                                        \
    "    <allow receive_sender=\"*\"/>\n"                                                          \
    "  </policy>\n"                                                                                \
    "</busconfig>\n"

/* Where it listens: the first <listen>, else the older attributes. */
static GraphicsListen
effective_listen(const Graphics *graphics)
{
    GraphicsListen listen = { LISTEN_ADDRESS, graphics->listen, graphics->socket };

    if (graphics->socket)
        listen.type = LISTEN_SOCKET;
    if (list_length(graphics->listens)) {
        const GraphicsListen *first = list_at(graphics->listens, 0, GraphicsListen);

        listen.type = first->type;
        listen.address = first->address ? first->address : graphics->listen;
        listen.socket = first->socket ? first->socket : graphics->socket;
    }
    if (!listen.address)
        listen.address = (char *) DEFAULT_ADDRESS;
    return listen;
}

static char *
socket_path(const DeviceContext *context, const GraphicsListen *listen, const char *name)
{
    if (listen->socket)
        return g_strdup(listen->socket);
    return g_strdup_printf("%s/%s.sock", context->facts->socket_directory, name);
}

static bool
is_open(const OptInt *port, const Graphics *graphics)
{
    return graphics->auto_port == TRISTATE_ON || !port->is_set || port->value < 0;
}

/* The address of the network's bridge; for show that of everyone, where it is not known. */
static char *
network_address(const DeviceContext *context, const Graphics *graphics)
{
    const HostFacts *facts = context->facts;
    const GraphicsListen *first =
        list_length(graphics->listens) ? list_at(graphics->listens, 0, GraphicsListen) : NULL;
    char *address = NULL;

    if (!first || first->type != LISTEN_NETWORK)
        return NULL;
    if (facts->find_address)
        address = facts->find_address(facts->networks, first->network);
    if (address)
        return address;
    (facts->is_for_show ? validation_warning : validation_error)(
        &context->at, "listen[0]/@network", "no-network",
        "the configuration names no network '%s', or its bridge has no address", first->network);
    return g_strdup(DEFAULT_ADDRESS);
}

static void
add_vnc_address(const DeviceContext *context, const Graphics *graphics, GString *text)
{
    GraphicsListen listen = effective_listen(graphics);
    g_autofree char *network = network_address(context, graphics);
    gint64 port = graphics->port.value;
    bool is_ipv6;

    if (network)
        listen.address = network;
    is_ipv6 = strchr(listen.address, ':') != NULL;

    if (listen.type == LISTEN_NONE) {
        g_string_append(text, "none");
        return;
    }
    if (listen.type == LISTEN_SOCKET) {
        g_autofree char *path = socket_path(context, &listen, "vnc");
        g_autofree char *address = g_strconcat("unix:", path, NULL);

        return option_text_add(text, "vnc", address);
    }
    g_string_append_printf(text, is_ipv6 ? "[%s]" : "%s", listen.address);
    if (is_open(&graphics->port, graphics))
        g_string_append_printf(text, ":0,to=%d", LAST_DISPLAY);
    else
        g_string_append_printf(text, ":%" G_GINT64_FORMAT, port - FIRST_PORT);
}

static const char *
audio_id(const Domain *domain, const Graphics *graphics)
{
    const Audio *audio = domain_audio(domain, &graphics->audio);

    return audio ? audio->info.alias : NULL;
}

static void
spell_vnc(const DeviceContext *context, const Graphics *graphics, CommandLine *line)
{
    static const char *const share_names[] = {
        [0] = NULL,
        [SHARE_ALLOW_EXCLUSIVE] = "allow-exclusive",
        [SHARE_FORCE_SHARED] = "force-shared",
        [SHARE_IGNORE] = "ignore",
    };
    g_autoptr(GString) text = g_string_new(NULL);

    add_vnc_address(context, graphics, text);
    /* A websocket left open is 5700 plus the display's number. */
    if (graphics->websocket.is_set && graphics->websocket.value < 0)
        option_text_add(text, "websocket", "on");
    else if (graphics->websocket.is_set)
        option_text_add_uint(text, "websocket", graphics->websocket.value);
    option_text_add(text, "share", share_names[graphics->share_policy]);
    if (graphics->power_control)
        option_text_add_tristate(text, "power-control", graphics->power_control);
    if (graphics->password)
        option_text_add(text, "password", "on");
    option_text_add(text, "audiodev", audio_id(context->at.domain, graphics));
    command_line_add(line, "-vnc", text->str);
}

static void
add_spice_address(const DeviceContext *context, const Graphics *graphics, GString *text)
{
    GraphicsListen listen = effective_listen(graphics);
    g_autofree char *network = network_address(context, graphics);
    bool has_plain = graphics_has_plain_port(graphics);

    if (network)
        listen.address = network;
    if (listen.type == LISTEN_SOCKET) {
        g_autofree char *path = socket_path(context, &listen, "spice");

        option_text_add(text, "unix", "on");
        return option_text_add(text, "addr", path);
    }
    if (listen.type == LISTEN_NONE || (!has_plain && !graphics_needs_tls(graphics)))
        return option_text_add(text, "port", "0");
    if (has_plain)
        option_text_add_uint(
            text, "port", is_open(&graphics->port, graphics) ? FIRST_PORT : graphics->port.value);
    option_text_add(text, "addr", listen.address);
    if (!graphics_needs_tls(graphics))
        return;
    option_text_add_uint(text, "tls-port",
                         is_open(&graphics->tls_port, graphics) ? FIRST_PORT + 1
                                                                : graphics->tls_port.value);
    option_text_add(text, "x509-dir", host_facts_spice_tls(context->facts));
}

static void
add_spice_channels(const Graphics *graphics, GString *text)
{
    static const char *const keys[] = { NULL, NULL, "tls-channel", "plaintext-channel" };

    if (keys[graphics->default_mode])
        option_text_add(text, keys[graphics->default_mode], "default");
    for (guint i = 0; i < list_length(graphics->channels); i++) {
        const SpiceChannel *channel = list_at(graphics->channels, i, SpiceChannel);

        if (keys[channel->mode])
            option_text_add(text, keys[channel->mode], spice_channel_names[channel->name]);
    }
}

static void
spell_spice(const DeviceContext *context, const Graphics *graphics, CommandLine *line)
{
    static const char *const image_names[] = { NULL,  "auto_glz", "auto_lz", "quic",
                                               "glz", "lz",       "off" };
    static const char *const jpeg_names[] = { NULL, "auto", "never", "always" };
    static const char *const streaming[] = { NULL, "filter", "all", "off" };
    g_autoptr(GString) text = g_string_new(NULL);

    add_spice_address(context, graphics, text);
    if (!graphics->password)
        option_text_add(text, "disable-ticketing", "on");
    if (graphics->mouse_mode)
        option_text_add_switch(text, "agent-mouse", graphics->mouse_mode == MOUSE_CLIENT);
    option_text_add(text, "image-compression", image_names[graphics->image_compression]);
    option_text_add(text, "jpeg-wan-compression", jpeg_names[graphics->jpeg_compression]);
    option_text_add(text, "zlib-glz-wan-compression", jpeg_names[graphics->zlib_compression]);
    option_text_add_tristate(text, "playback-compression", graphics->playback_compression);
    option_text_add(text, "streaming-video", streaming[graphics->streaming]);
    if (graphics->clipboard_copypaste == TRISTATE_OFF)
        option_text_add(text, "disable-copy-paste", "on");
    if (graphics->filetransfer == TRISTATE_OFF)
        option_text_add(text, "disable-agent-file-xfer", "on");
    add_spice_channels(graphics, text);
    option_text_add_tristate(text, "gl", graphics->gl);
    option_text_add(text, "rendernode", graphics->render_node);
    option_text_add(text, "seamless-migration", "on");
    command_line_add(line, "-spice", text->str);
}

static char *
dbus_socket(const DeviceContext *context)
{
    return g_strdup_printf("%s/dbus.sock", context->facts->socket_directory);
}

/* Those that are -display's. */
static void
spell_display(const DeviceContext *context, const Graphics *graphics, CommandLine *line)
{
    g_autoptr(GString) text = g_string_new(NULL);
    bool is_dbus = graphics->type == GRAPHICS_DBUS;
    bool is_p2p = graphics->p2p == TRISTATE_ON;
    g_autofree char *socket = dbus_socket(context);
    g_autofree char *own = g_strconcat("unix:path=", socket, NULL);

    option_text_add(text, NULL,
                    is_dbus                                   ? "dbus"
                    : graphics->type == GRAPHICS_EGL_HEADLESS ? "egl-headless"
                                                              : "sdl");
    if (is_dbus && is_p2p)
        option_text_add(text, "p2p", "on");
    else if (is_dbus)
        option_text_add(text, "addr", graphics->address ? graphics->address : own);
    option_text_add_tristate(text, "gl", graphics->gl);
    option_text_add(text, "rendernode", graphics->render_node);
    if (is_dbus && graphics->audio.is_set)
        option_text_add(text, "audiodev", audio_id(context->at.domain, graphics));
    command_line_add(line, "-display", text->str);
    if (graphics->fullscreen == TRISTATE_ON)
        command_line_add(line, "-full-screen", NULL);
}

/* A bus of the domain's own: whoever can enter its run directory may look at the display. */
static void
graphics_companions(const DeviceContext *context, gconstpointer device, GPtrArray *companions)
{
    const Graphics *graphics = device;
    const char *directory = context->facts->socket_directory;
    g_autofree char *socket = dbus_socket(context);
    g_autofree char *escaped = g_dbus_address_escape_value(socket);
    Companion *bus;

    if (graphics->type != GRAPHICS_DBUS || graphics->p2p == TRISTATE_ON || graphics->address)
        return;
    bus = companion_add(context, companions, "dbus-daemon", "dbus", NULL, NULL);
    bus->socket = g_steal_pointer(&socket);
    bus->file = g_build_filename(directory, "dbus.conf", NULL);
    bus->content = g_markup_printf_escaped(BUS_CONFIGURATION, escaped);
    companion_argumentf(bus, "--config-file=%s", bus->file);
    companion_argument(bus, "--nofork");
    companion_argument(bus, "--nopidfile");
    companion_argument(bus, "--nosyslog");
}

static void
graphics_options(const DeviceContext *context, gconstpointer device, CommandLine *line)
{
    const Graphics *graphics = device;

    if (graphics->type == GRAPHICS_VNC)
        spell_vnc(context, graphics, line);
    else if (graphics->type == GRAPHICS_SPICE)
        spell_spice(context, graphics, line);
    else if (graphics->type != GRAPHICS_RDP) /* a program beside QEMU */
        spell_display(context, graphics, line);
    if (graphics->keymap)
        command_line_add(line, "-k", graphics->keymap);
}

static bool
expire_password(Monitor *monitor, const Graphics *graphics, GError **error)
{
    g_autoptr(GDateTime) end = graphics->password_valid_to ? graphics_password_end(graphics) : NULL;
    Json *arguments = json_new_object();
    g_autofree char *time =
        end ? g_strdup_printf("%" G_GINT64_FORMAT, g_date_time_to_unix(end)) : g_strdup("never");

    json_set_string(arguments, "protocol", graphics->type == GRAPHICS_VNC ? "vnc" : "spice");
    json_set_string(arguments, "time", time);
    return monitor_run(monitor, "expire_password", arguments, error);
}

static bool
graphics_prepare(Monitor *monitor, const Domain *domain, gconstpointer device, GError **error)
{
    const Graphics *graphics = device;
    Json *arguments;

    if (!graphics->password || graphics->type == GRAPHICS_RDP)
        return true;
    arguments = json_new_object();
    json_set_string(arguments, "protocol", graphics->type == GRAPHICS_VNC ? "vnc" : "spice");
    json_set_string(arguments, "password", graphics->password);
    json_set_string(arguments, "connected", connected_names[graphics->connected]);
    return monitor_run(monitor, "set_password", arguments, error) &&
           (!graphics->password_valid_to || expire_password(monitor, graphics, error));
}

/* Where VNC listens, as display-update wants it: ports, not displays. */
static Json *
vnc_address(const DeviceContext *context, const Graphics *graphics)
{
    GraphicsListen listen = effective_listen(graphics);
    g_autofree char *network = network_address(context, graphics);
    bool is_chosen = is_open(&graphics->port, graphics);
    g_autofree char *port = g_strdup_printf("%" G_GINT64_FORMAT,
                                            is_chosen ? (gint64) FIRST_PORT : graphics->port.value);
    Json *address = json_new_object();

    if (listen.type == LISTEN_SOCKET) {
        g_autofree char *path = socket_path(context, &listen, "vnc");

        json_set_string(address, "type", "unix");
        json_set_string(address, "path", path);
        return address;
    }
    json_set_string(address, "type", "inet");
    json_set_string(address, "host", network ? network : listen.address);
    json_set_string(address, "port", port);
    if (is_chosen)
        json_set_uint(address, "to", LAST_PORT);
    return address;
}

/* Takes @address. */
static bool
listen_at(Monitor *monitor, Json *address, GError **error)
{
    Json *arguments = json_new_object(), *addresses = json_new_array();

    json_append(addresses, address);
    json_set_string(arguments, "type", "vnc");
    json_set(arguments, "addresses", addresses);
    return monitor_run(monitor, "display-update", arguments, error);
}

/* A display that can't listen where it should listens nowhere (QEMU 7.2): so it is sent back, and
 * the guest's people still see it. */
static bool
update_address(const DeviceContext *context, Monitor *monitor, const Graphics *before,
               const Graphics *after, GError **error)
{
    g_autoptr(Json) from = vnc_address(context, before), to = vnc_address(context, after);

    if (json_equal(from, to) || listen_at(monitor, json_copy(to), error))
        return true;
    (void) listen_at(monitor, json_copy(from), NULL);
    return false;
}

/* prepare() says the password, and until when it holds if it does not hold for ever. */
static bool
graphics_update(const DeviceContext *context, Monitor *monitor, gconstpointer before,
                gconstpointer after, GError **error)
{
    const Graphics *a = before, *b = after;

    if (b->type == GRAPHICS_VNC && !update_address(context, monitor, a, b, error))
        return false;
    return !a->password_valid_to || b->password_valid_to || !b->password ||
           expire_password(monitor, b, error);
}

static void
graphics_needs(const DeviceContext *context, gconstpointer device, GPtrArray *needs)
{
    const Graphics *graphics = device;
    g_autofree char *network = network_address(context, graphics);

    if (graphics_needs_tls(graphics))
        need_add(context, needs, HOST_DIRECTORY, "@tlsPort", host_facts_spice_tls(context->facts));
    need_add(context, needs, HOST_CHARACTER, "gl/@rendernode", graphics->render_node);
}

static char *
graphics_launch_refusal(const Domain *domain, gconstpointer device)
{
    return ((const Graphics *) device)->type == GRAPHICS_RDP
               ? g_strdup("virtkeep does not start qemu-rdp")
               : NULL;
}

const DeviceSpelling graphics_spelling = {
    .kind = &graphics_kind,
    .companions = graphics_companions,
    .options = graphics_options,
    .prepare = graphics_prepare,
    .update = graphics_update,
    .needs = graphics_needs,
    .launch_refusal = graphics_launch_refusal,
};
