/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum {
    GRAPHICS_VNC = 1,
    GRAPHICS_SPICE,
    GRAPHICS_SDL,
    GRAPHICS_EGL_HEADLESS,
    GRAPHICS_DBUS,
    GRAPHICS_RDP,
    GRAPHICS_DESKTOP
} GraphicsType;
typedef enum { LISTEN_ADDRESS = 1, LISTEN_SOCKET, LISTEN_NONE, LISTEN_NETWORK } ListenType;
typedef struct GraphicsListen {
    int type;
    char *address, *socket, *network;
} GraphicsListen;

typedef enum { CHANNEL_ANY = 1, CHANNEL_SECURE, CHANNEL_INSECURE } ChannelMode;
typedef struct SpiceChannel {
    int name, mode; /* spice_channel_names; ChannelMode */
} SpiceChannel;

typedef struct Graphics {
    DeviceInfo info;
    int type;
    OptInt port, tls_port, websocket; /* -1 = choose */
    int auto_port;                    /* yes/no */
    char *listen, *socket, *keymap;
    GPtrArray *listens; /* GraphicsListen */
    int share_policy;
    char *password; /* never printed by status, plan or history */
    int image_compression, jpeg_compression, zlib_compression, playback_compression; /* spice */
    int streaming, clipboard_copypaste, filetransfer, mouse_mode;
    char *password_valid_to; /* ISO 8601, UTC */
    int connected;           /* connected_names: what a new password does to viewers */
    int default_mode;        /* spice: ChannelMode */
    GPtrArray *channels;     /* SpiceChannel */
    int gl;                  /* yes/no */
    char *render_node;
    int power_control; /* vnc: yes/no */
    OptUint audio;     /* vnc, dbus: id of an <audio> */
    int fullscreen;    /* sdl: yes/no */
    char *address;     /* dbus: of the bus */
    int p2p;           /* dbus: yes/no */
    char *username;    /* rdp */
    int multi_user, replace_user; /* rdp: yes/no */
} Graphics;

extern const DeviceKind graphics_kind;
extern const char *const image_compression_names[], *const jpeg_compression_names[],
                                                        *const streaming_names[];
typedef enum { SHARE_ALLOW_EXCLUSIVE = 1, SHARE_FORCE_SHARED, SHARE_IGNORE } SharePolicy;
typedef enum { MOUSE_SERVER = 1, MOUSE_CLIENT } MouseMode;
extern const char *const spice_channel_names[], *const connected_names[];
/* Whether SPICE must have a TLS port. With autoport a given one is as little meant as the port is. */
bool graphics_needs_tls(const Graphics *graphics);
/* Whether SPICE has a port without TLS: where the file gives one, and with autoport unless all
 * channels must be secure (so libvirt; without any port it listens nowhere). */
bool graphics_has_plain_port(const Graphics *graphics);
/* When the password ends to hold, which must be said; NULL = no time. Caller frees. */
GDateTime *graphics_password_end(const Graphics *graphics);
/* Whether there is a SPICE display, which what talks through SPICE needs. */
bool domain_has_spice(const Domain *domain);
