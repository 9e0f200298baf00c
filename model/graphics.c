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
               .doc = "`address`, `socket` or `none`."),
    FIELD_STRING(GraphicsListen, address, .path = "@address", .doc = "Address to listen on."),
    FIELD_STRING(GraphicsListen, socket, .path = "@socket", .doc = "Socket to listen on."),
    FIELD_END,
};
static const Schema listen_schema = {
    .element = "listen",
    .size = sizeof(GraphicsListen),
    .fields = listen_fields,
    .doc = "Where a display listens.",
};

#define VNC WHEN(Graphics, type, "@type", WHEN_IS(GRAPHICS_VNC))
#define SPICE WHEN(Graphics, type, "@type", WHEN_IS(GRAPHICS_SPICE))
#define EITHER WHEN(Graphics, type, "@type", WHEN_IS(GRAPHICS_VNC) | WHEN_IS(GRAPHICS_SPICE))

static const Field graphics_fields[] = {
    FIELD_ENUM(Graphics, type, type_names, .path = "@type", .is_required = true,
               .doc = "`vnc` or `spice`."),
    FIELD_INT(Graphics, port, .path = "@port", EITHER, .doc = "TCP port, -1 to choose one."),
    FIELD_INT(Graphics, tls_port, .path = "@tlsPort", SPICE, .doc = "TLS port, -1 to choose one."),
    FIELD_INT(Graphics, websocket, .path = "@websocket", VNC,
              .doc = "WebSocket port, -1 to choose one."),
    FIELD_YES_NO(Graphics, auto_port, .path = "@autoport", EITHER, .doc = "Choose the ports."),
    FIELD_STRING(Graphics, listen, .path = "@listen", EITHER,
                 .doc = "Address to listen on; 127.0.0.1 by default."),
    FIELD_STRING(Graphics, socket, .path = "@socket", VNC, .doc = "Listen on this socket instead."),
    FIELD_STRING(Graphics, keymap, .path = "@keymap", EITHER, .doc = "Keyboard layout."),
    FIELD_ENUM(Graphics, share_policy, share_names, .path = "@sharePolicy", VNC,
               .doc = "What a second viewer does to the first."),
    FIELD_STRING(Graphics, password, .path = "@passwd", EITHER, .is_secret = true,
                 .doc = "Password; set through the monitor, never on the command line."),
    FIELD_LIST(Graphics, listens, &listen_schema, .path = "listen", .doc = "Where it listens."),
    FIELD_ENUM(Graphics, image_compression, image_compression_names, .path = "image/@compression",
               SPICE, .doc = "Image compression."),
    FIELD_ENUM(Graphics, jpeg_compression, jpeg_compression_names, .path = "jpeg/@compression",
               SPICE, .doc = "JPEG compression for slow links."),
    FIELD_ENUM(Graphics, zlib_compression, jpeg_compression_names, .path = "zlib/@compression",
               SPICE, .doc = "zlib compression for slow links."),
    FIELD_ON_OFF(Graphics, playback_compression, .path = "playback/@compression", SPICE,
                 .doc = "Audio compression."),
    FIELD_ENUM(Graphics, streaming, streaming_names, .path = "streaming/@mode", SPICE,
               .doc = "Video stream detection."),
    FIELD_YES_NO(Graphics, clipboard_copypaste, .path = "clipboard/@copypaste", SPICE,
                 .doc = "Clipboard through the agent."),
    FIELD_YES_NO(Graphics, filetransfer, .path = "filetransfer/@enable", SPICE,
                 .doc = "File transfer through the agent."),
    FIELD_ENUM(Graphics, mouse_mode, mouse_names, .path = "mouse/@mode", SPICE,
               .doc = "Who draws the pointer."),
    DEVICE_INFO_FIELDS(Graphics),
    FIELD_END,
};

static const Schema graphics_schema = {
    .element = "graphics",
    .size = sizeof(Graphics),
    .fields = graphics_fields,
    .doc = "A display that people connect to.",
};

static void
graphics_validate(const Validation *v, gconstpointer item)
{
    const Graphics *graphics = item;

    if (!graphics->type)
        return;
    if (graphics->type != GRAPHICS_VNC && graphics->type != GRAPHICS_SPICE)
        return validation_error(v, "@type", "not-supported",
                                "graphics type '%s' is not supported yet; vnc and spice are",
                                type_names[graphics->type]);
    if (graphics->port.value > 65535 || graphics->port.value < -1)
        validation_error(v, "@port", "out-of-range", "no TCP port");
    if (graphics->type == GRAPHICS_VNC && graphics->port.value > 0 && graphics->port.value < 5900 &&
        !graphics->auto_port)
        validation_error(v, "@port", "out-of-range", "VNC ports begin at 5900");
    if (graphics->password && graphics->type == GRAPHICS_VNC && strlen(graphics->password) > 8)
        validation_error(v, "@passwd", "graphics-password",
                         "a VNC password has at most 8 characters");
    for (guint i = 0; i < list_length(graphics->listens); i++) {
        const GraphicsListen *listen = list_at(graphics->listens, i, GraphicsListen);

        if (listen->type == LISTEN_NETWORK)
            validation_error(v, "listen", "not-supported",
                             "listening on a libvirt network is not supported");
    }
}

const DeviceKind graphics_kind = {
    .name = "graphics",
    .list_offset = offsetof(Domain, graphics),
    .schema = &graphics_schema,
    .validate = graphics_validate,
    .alias_prefix = "graphics",
};
