/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Displays that people connect to: VNC and SPICE.
 *
 * A port of -1 (or autoport) is chosen at every start and is no part of the document, so it is not
 * what a running QEMU is compared by. Passwords are part of it, but are never printed: they go to
 * QEMU through the monitor before the guest runs, not on a command line that every user of the host
 * can read.
 */
#include "model/graphics.h"

#include <string.h>

#include "model/audio.h"

static const char *const type_names[] = {
    [GRAPHICS_VNC] = "vnc",         [GRAPHICS_SPICE] = "spice",
    [GRAPHICS_SDL] = "sdl",         [GRAPHICS_EGL_HEADLESS] = "egl-headless",
    [GRAPHICS_DBUS] = "dbus",       [GRAPHICS_RDP] = "rdp",
    [GRAPHICS_DESKTOP] = "desktop", NULL,
};
static const char *const listen_names[] = {
    [LISTEN_ADDRESS] = "address",
    [LISTEN_SOCKET] = "socket",
    [LISTEN_NONE] = "none",
    [LISTEN_NETWORK] = "network",
    NULL,
};
static const char *const share_names[] = {
    [SHARE_ALLOW_EXCLUSIVE] = "allow-exclusive",
    [SHARE_FORCE_SHARED] = "force-shared",
    [SHARE_IGNORE] = "ignore",
    NULL,
};
const char *const image_compression_names[] = { NULL,  "auto_glz", "auto_lz", "quic",
                                                "glz", "lz",       "off",     NULL };
const char *const jpeg_compression_names[] = { NULL, "auto", "never", "always", NULL };
const char *const streaming_names[] = { NULL, "filter", "all", "off", NULL };
static const char *const mouse_names[] = {
    [MOUSE_SERVER] = "server",
    [MOUSE_CLIENT] = "client",
    NULL,
};

static const Field listen_fields[] = {
    FIELD_ENUM(GraphicsListen, type, listen_names, .path = "@type", .is_required = true,
               .change = CHANGE_LIVE, .doc = "`address`, `network`, `socket` or `none`."),
    FIELD_STRING(GraphicsListen, address, .path = "@address", .change = CHANGE_LIVE,
                 .doc = "Address to listen on."),
    FIELD_STRING(GraphicsListen, network, .path = "@network", .change = CHANGE_LIVE,
                 .doc = "network: one of the configuration's; the address of its bridge."),
    FIELD_STRING(GraphicsListen, socket, .path = "@socket", .change = CHANGE_LIVE,
                 .doc = "Socket to listen on."),
    FIELD_END,
};
static const Schema listen_schema = {
    .element = "listen",
    .size = sizeof(GraphicsListen),
    .fields = listen_fields,
    .doc = "Where a display listens.",
};

const char *const spice_channel_names[] = { NULL,       "main",     "display", "inputs",
                                            "cursor",   "playback", "record",  "smartcard",
                                            "usbredir", "webdav",   NULL };
static const char *const channel_modes[] = {
    [CHANNEL_ANY] = "any",
    [CHANNEL_SECURE] = "secure",
    [CHANNEL_INSECURE] = "insecure",
    NULL,
};
static const Field spice_channel_fields[] = {
    FIELD_ENUM(SpiceChannel, name, spice_channel_names, .path = "@name", .is_required = true,
               .doc = "Which channel."),
    FIELD_ENUM(SpiceChannel, mode, channel_modes, .path = "@mode", .is_required = true,
               .doc = "`any`, `secure` (TLS only) or `insecure`."),
    FIELD_END,
};
static const Schema spice_channel_schema = { .element = "channel",
                                             .size = sizeof(SpiceChannel),
                                             .fields = spice_channel_fields,
                                             .doc = "How a SPICE channel is protected." };

const char *const connected_names[] = { NULL, "keep", "disconnect", "fail", NULL };

#define SDL WHEN(Graphics, type, "@type", WHEN_IS(GRAPHICS_SDL))
#define DBUS WHEN(Graphics, type, "@type", WHEN_IS(GRAPHICS_DBUS))
#define VNC WHEN(Graphics, type, "@type", WHEN_IS(GRAPHICS_VNC))
#define SPICE WHEN(Graphics, type, "@type", WHEN_IS(GRAPHICS_SPICE))
#define RDP WHEN(Graphics, type, "@type", WHEN_IS(GRAPHICS_RDP))
#define EITHER WHEN(Graphics, type, "@type", WHEN_IS(GRAPHICS_VNC) | WHEN_IS(GRAPHICS_SPICE))
#define SERVED                                                                                     \
    WHEN(Graphics, type, "@type",                                                                  \
         WHEN_IS(GRAPHICS_VNC) | WHEN_IS(GRAPHICS_SPICE) | WHEN_IS(GRAPHICS_RDP))

static const Field graphics_fields[] = {
    FIELD_ENUM(Graphics, type, type_names, .path = "@type", .is_required = true,
               .doc = "`vnc`, `spice`, `sdl`, `egl-headless` or `dbus`; `rdp` is not started."),
    FIELD_INT(Graphics, port, .path = "@port", SERVED, .change = CHANGE_LIVE,
              .doc =
                  "TCP port, -1 to choose one. SPICE has none where the file gives none, and with "
                  "autoport none where all channels must be `secure`; VNC always has one."),
    FIELD_INT(Graphics, tls_port, .path = "@tlsPort", SPICE, .min = (guint64) -1, .max = 65535,
              .doc = "TLS port, -1 to choose one; with autoport, there is one where the host has "
                     "certificates for it or a channel must be `secure`."),
    FIELD_INT(Graphics, websocket, .path = "@websocket", VNC,
              .doc = "WebSocket port, -1 to choose one."),
    FIELD_YES_NO(Graphics, auto_port, .path = "@autoport", SERVED, .change = CHANGE_LIVE,
                 .doc = "Choose the ports."),
    FIELD_STRING(Graphics, listen, .path = "@listen", SERVED, .change = CHANGE_LIVE,
                 .doc = "Address to listen on; 127.0.0.1 by default."),
    FIELD_STRING(Graphics, socket, .path = "@socket", VNC, .change = CHANGE_LIVE,
                 .doc = "Listen on this socket instead."),
    FIELD_STRING(Graphics, keymap, .path = "@keymap", EITHER, .doc = "Keyboard layout."),
    FIELD_ENUM(Graphics, share_policy, share_names, .path = "@sharePolicy", VNC,
               .doc = "What a second viewer does to the first."),
    FIELD_STRING(Graphics, password, .path = "@passwd", SERVED, .is_secret = true,
                 .change = CHANGE_LIVE,
                 .doc = "Password; set through the monitor, never on the command line."),
    FIELD_LIST(Graphics, listens, &listen_schema, .path = "listen", .change = CHANGE_LIVE,
               .doc = "Where it listens."),
    FIELD_ENUM(Graphics, image_compression, image_compression_names, .path = "image/@compression",
               .is_needed = true, SPICE, .doc = "Image compression."),
    FIELD_ENUM(Graphics, jpeg_compression, jpeg_compression_names, .path = "jpeg/@compression",
               .is_needed = true, SPICE, .doc = "JPEG compression for slow links."),
    FIELD_ENUM(Graphics, zlib_compression, jpeg_compression_names, .path = "zlib/@compression",
               .is_needed = true, SPICE, .doc = "zlib compression for slow links."),
    FIELD_ON_OFF(Graphics, playback_compression, .path = "playback/@compression", .is_needed = true,
                 SPICE, .doc = "Audio compression."),
    FIELD_ENUM(Graphics, streaming, streaming_names, .path = "streaming/@mode", .is_needed = true,
               SPICE, .doc = "Video stream detection."),
    FIELD_YES_NO(Graphics, clipboard_copypaste, .path = "clipboard/@copypaste", .is_needed = true,
                 SPICE, .doc = "Clipboard through the agent."),
    FIELD_YES_NO(Graphics, filetransfer, .path = "filetransfer/@enable", .is_needed = true, SPICE,
                 .doc = "File transfer through the agent."),
    FIELD_ENUM(Graphics, mouse_mode, mouse_names, .path = "mouse/@mode", .is_needed = true, SPICE,
               .doc = "Who draws the pointer."),
    FIELD_ENUM(Graphics, default_mode, channel_modes, .path = "@defaultMode", SPICE,
               .doc = "How channels are protected that no <channel> names."),
    FIELD_LIST(Graphics, channels, &spice_channel_schema, .path = "channel", SPICE,
               .doc = "How single channels are protected."),
    FIELD_YES_NO(Graphics, gl, .path = "gl/@enable", .is_needed = true,
                 WHEN(Graphics, type, "@type",
                      WHEN_IS(GRAPHICS_SPICE) | WHEN_IS(GRAPHICS_SDL) | WHEN_IS(GRAPHICS_DBUS)),
                 .doc = "OpenGL."),
    FIELD_STRING(
        Graphics, render_node, .path = "gl/@rendernode",
        WHEN(Graphics, type, "@type",
             WHEN_IS(GRAPHICS_SPICE) | WHEN_IS(GRAPHICS_EGL_HEADLESS) | WHEN_IS(GRAPHICS_DBUS)),
        .doc = "The host's GPU for OpenGL."),
    FIELD_YES_NO(Graphics, power_control, .path = "@powerControl", VNC,
                 .doc = "Viewers may switch the guest off."),
    FIELD_UINT(Graphics, audio, .path = "audio/@id", .is_needed = true,
               WHEN(Graphics, type, "@type", WHEN_IS(GRAPHICS_VNC) | WHEN_IS(GRAPHICS_DBUS)),
               .min = 1, .doc = "The <audio> whose sound goes to viewers."),
    FIELD_YES_NO(Graphics, fullscreen, .path = "@fullscreen", SDL, .doc = "sdl: whole screen."),
    FIELD_NO_EFFECT("QEMU's environment is virtkeep's own", .path = "@display",
                    .doc = "sdl: X display."),
    FIELD_NO_EFFECT("QEMU's environment is virtkeep's own", .path = "@xauth",
                    .doc = "sdl: X authority."),
    FIELD_STRING(Graphics, address, .path = "@address", DBUS, .doc = "dbus: address of the bus."),
    FIELD_YES_NO(Graphics, p2p, .path = "@p2p", DBUS,
                 .doc = "dbus: no bus, clients connect by QMP."),
    FIELD_STRING(Graphics, password_valid_to, .path = "@passwdValidTo", EITHER,
                 .change = CHANGE_LIVE,
                 .doc = "Until when the password holds (UTC, `2030-12-31T23:59:59`)."),
    FIELD_ENUM(Graphics, connected, connected_names, .path = "@connected", EITHER,
               .change = CHANGE_NONE,
               .doc = "What a new password does to viewers: `keep`, `disconnect` or `fail`."),
    FIELD_STRING(Graphics, username, .path = "@username", RDP, .doc = "rdp: user name."),
    FIELD_YES_NO(Graphics, multi_user, .path = "@multiUser", RDP, .doc = "rdp: many at once."),
    FIELD_YES_NO(Graphics, replace_user, .path = "@replaceUser", RDP,
                 .doc = "rdp: whether a second user takes over."),
    DEVICE_INFO_FIELDS(Graphics),
    FIELD_END,
};

static const Schema graphics_schema = {
    .element = "graphics",
    .size = sizeof(Graphics),
    .fields = graphics_fields,
    .doc = "A display that people connect to.",
};

static bool
has_secure_channel(const Graphics *graphics)
{
    bool is_secure = graphics->default_mode == CHANNEL_SECURE;

    for (guint i = 0; i < list_length(graphics->channels); i++)
        is_secure |= list_at(graphics->channels, i, SpiceChannel)->mode == CHANNEL_SECURE;
    return is_secure;
}

bool
graphics_needs_tls(const Graphics *graphics)
{
    if (graphics->type != GRAPHICS_SPICE)
        return false;
    return graphics->auto_port == TRISTATE_ON ? has_secure_channel(graphics)
                                              : graphics->tls_port.value != 0;
}

/* As all channels must be secure. */
static bool
is_secure_only(const Graphics *graphics)
{
    for (guint i = 0; i < list_length(graphics->channels); i++)
        if (list_at(graphics->channels, i, SpiceChannel)->mode == CHANNEL_INSECURE)
            return false;
    return graphics->default_mode == CHANNEL_SECURE;
}

bool
graphics_has_plain_port(const Graphics *graphics)
{
    return graphics->auto_port == TRISTATE_ON ? !is_secure_only(graphics)
                                              : graphics->port.value != 0;
}

GDateTime *
graphics_password_end(const Graphics *graphics)
{
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();

    return g_date_time_new_from_iso8601(graphics->password_valid_to, utc);
}

static bool
is_gl(const Graphics *graphics)
{
    return graphics->type == GRAPHICS_EGL_HEADLESS || graphics->gl == TRISTATE_ON;
}

bool
domain_has_spice(const Domain *domain)
{
    for (guint i = 0; i < list_length(domain->graphics); i++)
        if (list_at(domain->graphics, i, Graphics)->type == GRAPHICS_SPICE)
            return true;
    return false;
}

static bool
is_socket(const Graphics *graphics)
{
    return graphics->socket ||
           (list_length(graphics->listens) &&
            list_at(graphics->listens, 0, GraphicsListen)->type == LISTEN_SOCKET);
}

/* QEMU has one display of most types, one of OpenGL, and egl-headless only beside another. */
static void
validate_together(const Validation *v, const Graphics *graphics)
{
    bool has_viewers = list_length(v->domain->graphics) == 1;
    bool is_after = false;

    for (guint i = 0; i < list_length(v->domain->graphics); i++) {
        const Graphics *other = list_at(v->domain->graphics, i, Graphics);

        has_viewers |= other->type == GRAPHICS_VNC || other->type == GRAPHICS_SPICE;
        if (other == graphics)
            is_after = true;
        if (is_after)
            continue;
        if (other->type == graphics->type)
            validation_error(v, "@type", "duplicate-element", "there is another '%s' display",
                             type_names[other->type]);
        else if (is_gl(graphics) && is_gl(other))
            validation_error(v, "@type", "graphics-gl", "QEMU has one OpenGL display");
    }
    if (graphics->type == GRAPHICS_EGL_HEADLESS && !has_viewers)
        validation_error(v, "@type", "graphics-gl",
                         "'egl-headless' goes together only with vnc or spice");
}

/* The attributes @listen and @socket are older words for the first <listen>. */
static void
validate_listens(const Validation *v, const Graphics *graphics)
{
    const GraphicsListen *first =
        list_length(graphics->listens) ? list_at(graphics->listens, 0, GraphicsListen) : NULL;

    if (first && first->type == LISTEN_ADDRESS && graphics->listen && first->address &&
        !g_str_equal(graphics->listen, first->address))
        validation_error(v, "@listen", "graphics-listen", "the first <listen> says '%s'",
                         first->address);
    if (first && first->type == LISTEN_SOCKET && graphics->socket && first->socket &&
        !g_str_equal(graphics->socket, first->socket))
        validation_error(v, "@socket", "graphics-listen", "the first <listen> says '%s'",
                         first->socket);
    if (list_length(graphics->listens) > 1)
        validation_warning(v, "listen[1]", "no-effect", "QEMU listens at the first <listen> only");
    for (guint i = 0; i < list_length(graphics->listens); i++) {
        const GraphicsListen *listen = list_at(graphics->listens, i, GraphicsListen);
        g_autofree char *path = g_strdup_printf("listen[%u]", i);

        if (listen->socket && listen->type != LISTEN_SOCKET)
            validation_error(v, path, "not-here", "a socket is for type 'socket'");
    }
}

static void
graphics_validate(const Validation *v, gconstpointer item)
{
    const Graphics *graphics = item;

    if (!graphics->type)
        return;
    if (graphics->type == GRAPHICS_RDP)
        validation_warning(v, "@type", "not-launchable", "virtkeep does not start qemu-rdp");
    if (graphics->type == GRAPHICS_DESKTOP)
        return validation_error(v, "@type", "not-supported", "graphics type '%s' is not supported",
                                type_names[graphics->type]);
    validate_together(v, graphics);
    validate_audio_id(v, "audio/@id", &graphics->audio);
    if (graphics->p2p == TRISTATE_ON && graphics->address)
        validation_error(v, "@address", "graphics-dbus", "with p2p there is no bus");
    if (graphics->password_valid_to) {
        g_autoptr(GDateTime) time = graphics_password_end(graphics);

        if (!time)
            validation_error(v, "@passwdValidTo", "bad-value", "no time: '%s'",
                             graphics->password_valid_to);
    }
    if (graphics->type == GRAPHICS_VNC && graphics->connected && graphics->connected != 1)
        validation_error(v, "@connected", "not-here", "VNC only knows 'keep'");
    if (graphics->port.value > 65535 || graphics->port.value < -1)
        validation_error(v, "@port", "out-of-range", "no TCP port");
    if (graphics->type == GRAPHICS_VNC && graphics->port.value > 0 && graphics->port.value < 5900 &&
        !graphics->auto_port)
        validation_error(v, "@port", "out-of-range", "VNC ports begin at 5900");
    if (graphics->type == GRAPHICS_VNC && graphics->port.value <= 0 &&
        graphics->auto_port == TRISTATE_OFF && !is_socket(graphics))
        validation_error(v, "@autoport", "graphics-port", "and no port is given");
    if (graphics->password && graphics->type == GRAPHICS_VNC && strlen(graphics->password) > 8)
        validation_error(v, "@passwd", "graphics-password",
                         "a VNC password has at most 8 characters");
    if (has_secure_channel(graphics) && graphics->auto_port != TRISTATE_ON &&
        !graphics->tls_port.value)
        validation_error(v, NULL, "graphics-tls",
                         "a secure channel needs a tlsPort, or autoport='yes'");
    if (graphics->type == GRAPHICS_SPICE && !list_length(graphics->listens) &&
        !graphics_has_plain_port(graphics) && !graphics_needs_tls(graphics))
        validation_note(v, NULL, "graphics-listen",
                        "listens nowhere, without port, tlsPort and autoport='yes'");
    validate_listens(v, graphics);
    for (guint i = 0; i < list_length(graphics->listens); i++) {
        const GraphicsListen *listen = list_at(graphics->listens, i, GraphicsListen);

        if (listen->type == LISTEN_NETWORK && !listen->network)
            validation_error(v, "listen", "graphics-listen", "type 'network' needs a network");
    }
}

static bool
is_one_of(const Field *field, const size_t *offsets, guint n)
{
    for (guint i = 0; i < n; i++)
        if (field->offset == offsets[i])
            return true;
    return false;
}

/* Whether another address can take its place: VNC's alone; its websocket would stay where it is. */
static bool
has_movable_address(const Graphics *graphics)
{
    const GraphicsListen *first =
        list_length(graphics->listens) ? list_at(graphics->listens, 0, GraphicsListen) : NULL;

    return graphics->type == GRAPHICS_VNC && !graphics->websocket.is_set &&
           (!first || first->type != LISTEN_NONE);
}

static bool
has_served_password(const Graphics *graphics)
{
    return graphics->password &&
           (graphics->type == GRAPHICS_VNC || graphics->type == GRAPHICS_SPICE);
}

/* QEMU 7.2 can't begin to ask for a password, nor stop. */
static ChangeClass
graphics_change_class(gconstpointer before, gconstpointer after, const Field *field)
{
    static const size_t of_address[] = { offsetof(Graphics, port), offsetof(Graphics, auto_port),
                                         offsetof(Graphics, listen), offsetof(Graphics, socket),
                                         offsetof(Graphics, listens) };
    static const size_t of_password[] = { offsetof(Graphics, password),
                                          offsetof(Graphics, password_valid_to) };
    const Graphics *a = before, *b = after;
    bool is_live = true;

    if (is_one_of(field, of_address, G_N_ELEMENTS(of_address)))
        is_live = has_movable_address(a) && has_movable_address(b);
    else if (is_one_of(field, of_password, G_N_ELEMENTS(of_password)))
        is_live = a->type == b->type && has_served_password(a) && has_served_password(b);
    return is_live ? field->change : CHANGE_RESTART;
}

const DeviceKind graphics_kind = {
    .name = "graphics",
    .list_offset = offsetof(Domain, graphics),
    .schema = &graphics_schema,
    .validate = graphics_validate,
    .change_class = graphics_change_class,
    .alias_prefix = "graphics",
};
