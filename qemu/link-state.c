/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the cable is in.
 *
 * QEMU 7.2 takes set_link and tells nobody about it: no event, no property, and neither `info
 * network` nor query-rx-filter shows it. The guest does see it, in a register of its card, and that
 * is what is read here, as the guest would: where the card's registers are by query-pci, then `xp`,
 * which reads guest-physical memory. None of these registers changes by being read.
 *
 *     card         BAR, offset     up is
 *     virtio       4, 0x2000       bit 0 of `status`, behind the MAC address (virtio 1.2, 5.1.4)
 *     rtl8139      1, 0x58         bit 2 of MSR clear
 *     e1000(e)     0, 0x08         bit 1 of STATUS set; clear says nothing: so it is also for half
 * a second of every negotiation that the driver begins
 *
 * Nothing is known of a card that the firmware or the guest has not mapped yet (before the guest
 * was let go, during its reboot, just plugged), of other models, and of a virtio card without its
 * modern registers. The address is the guest's to move while it is asked for: what is read there is
 * believed only where it looks like such a register, a virtio card's by the MAC address that stands
 * in front of it. So a guest that gave its card another MAC address is not looked at.
 */
#include "qemu/link-state.h"

#include <string.h>

#define READ "human-monitor-command"
#define MOST_BYTES 8

typedef enum { LINK_UNKNOWN, LINK_IS_UP, LINK_IS_DOWN } LinkReading;

typedef struct Card {
    guint16 vendor, device;
    guint bar;
    guint offset, size; /* bytes that are read there */
    bool has_mac;       /* in front of the register; it must be the card's */
    guint at;           /* which of these bytes has it */
    guint8 mask, fixed; /* bits of that byte that are always so */
    guint8 bit;         /* the link's */
    bool is_down_bit;   /* set means down */
    bool is_down_open;  /* down may be something else than a link taken down */
} Card;

#define VIRTIO(id)                                                                                 \
    {                                                                                              \
        .vendor = 0x1af4, .device = (id), .bar = 4, .offset = 0x2000, .size = 8, .has_mac = true,  \
        .at = 6, .mask = 0xfc, .bit = 0x01                                                         \
    }
/* The first byte of STATUS: full duplex, 1000 Mb/s. */
#define E1000(id)                                                                                  \
    {                                                                                              \
        .vendor = 0x8086, .device = (id), .bar = 0, .offset = 8, .size = 1, .mask = 0x81,          \
        .fixed = 0x81, .bit = 0x02, .is_down_open = true                                           \
    }

static const Card cards[] = {
    VIRTIO(0x1000),
    VIRTIO(0x1041),
    { .vendor = 0x10ec,
      .device = 0x8139,
      .bar = 1,
      .offset = 0x58,
      .size = 1,
      .mask = 0xf8,
      .fixed = 0xd0,
      .bit = 0x04,
      .is_down_bit = true },
    E1000(0x100e), /* e1000 */
    E1000(0x1008), /* e1000-82544gc */
    E1000(0x100f), /* e1000-82545em */
    E1000(0x10d3), /* e1000e */
};

bool
link_state_is_of(const char *type)
{
    static const char *const names[] = { "child<virtio-net-", "child<e1000", "child<rtl8139" };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (g_str_has_prefix(type, names[i]))
            return true;
    return false;
}

static const Card *
find_card(const Json *entry)
{
    const Json *id = json_get(entry, "id");

    for (guint i = 0; i < G_N_ELEMENTS(cards); i++)
        if (json_get_uint(id, "vendor", 0) == cards[i].vendor &&
            json_get_uint(id, "device", 0) == cards[i].device)
            return &cards[i];
    return NULL;
}

/* 0 where the guest has not mapped it; QEMU says -1. */
static guint64
register_address(const Json *entry, const Card *card)
{
    const Json *regions = json_get(entry, "regions");

    for (guint i = 0; i < json_length(regions); i++) {
        const Json *region = json_at(regions, i);
        gint64 address = json_get_int(region, "address", -1);

        if (json_get_uint(region, "bar", G_MAXUINT) == card->bar)
            return address > 0 ? (guint64) address + card->offset : 0;
    }
    return 0;
}

/* "00000000fe802000: 0x52 0x54 …" */
static bool
parse_bytes(const char *text, guint8 *bytes, guint n)
{
    const char *at = text ? strchr(text, ':') : NULL;

    for (guint i = 0; at && i < n; i++) {
        char *end;

        at = strstr(at, "0x");
        if (!at)
            break;
        bytes[i] = (guint8) g_ascii_strtoull(at, &end, 16);
        at = end;
        if (i + 1 == n)
            return true;
    }
    return false;
}

/* One card that is to be read. */
typedef struct Look {
    const Card *card;
    const char *id; /* borrowed from the answer */
    Json *read;     /* arguments of `xp` */
    Json *mac;      /* of qom-get; NULL = there is none in front of the register */
} Look;

static void
clear_look(gpointer data)
{
    Look *look = data;

    json_free(look->read);
    json_free(look->mac);
}

static Json *
read_arguments(guint64 address, guint n)
{
    g_autofree char *line = g_strdup_printf("xp /%ubx 0x%" G_GINT64_MODIFIER "x", n, address);
    Json *arguments = json_new_object();

    json_set_string(arguments, "command-line", line);
    return arguments;
}

static Json *
mac_arguments(const char *id)
{
    g_autofree char *path = monitor_device_path(id);
    Json *arguments = json_new_object();

    json_set_string(arguments, "path", path);
    json_set_string(arguments, "property", "mac");
    return arguments;
}

static bool
is_mac(const Json *mac, const guint8 *bytes)
{
    g_autofree char *text = g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1],
                                            bytes[2], bytes[3], bytes[4], bytes[5]);
    const char *wanted = mac ? json_string(mac) : NULL;

    return wanted && !g_ascii_strcasecmp(wanted, text);
}

static LinkReading
read_link(Monitor *monitor, const Look *look)
{
    const Card *card = look->card;
    g_autoptr(Json) reply = monitor_query(monitor, READ, look->read, NULL);
    g_autoptr(Json) mac = look->mac ? monitor_query(monitor, "qom-get", look->mac, NULL) : NULL;
    guint8 bytes[MOST_BYTES] = { 0 }, value;
    bool is_up;

    if (!reply || !parse_bytes(json_string(reply), bytes, card->size))
        return LINK_UNKNOWN;
    value = bytes[card->at];
    if ((value & card->mask) != card->fixed || (look->mac && !is_mac(mac, bytes)))
        return LINK_UNKNOWN;
    is_up = ((value & card->bit) != 0) != card->is_down_bit;
    if (!is_up && card->is_down_open)
        return LINK_UNKNOWN;
    return is_up ? LINK_IS_UP : LINK_IS_DOWN;
}

/* Behind bridges too. */
static void
find_cards(const Json *devices, GArray *looks)
{
    for (guint i = 0; i < json_length(devices); i++) {
        const Json *entry = json_at(devices, i);
        const char *id = json_get_string(entry, "qdev_id");
        const Card *card = id && *id ? find_card(entry) : NULL;
        guint64 address = card ? register_address(entry, card) : 0;
        Look look = { .card = card, .id = id };

        find_cards(json_get(json_get(entry, "pci_bridge"), "devices"), looks);
        if (!address)
            continue;
        look.read = read_arguments(address, card->size);
        look.mac = card->has_mac ? mac_arguments(id) : NULL;
        g_array_append_val(looks, look);
    }
}

/* All at once; read_link() asks in the same order. */
static void
ask_all(Monitor *monitor, const GArray *looks)
{
    for (guint i = 0; i < looks->len; i++) {
        const Look *look = &g_array_index(looks, Look, i);

        monitor_ask(monitor, READ, look->read);
        if (look->mac)
            monitor_ask(monitor, "qom-get", look->mac);
    }
}

GPtrArray *
link_states_query(Monitor *monitor, GError **error)
{
    g_autoptr(Json) buses = monitor_query(monitor, "query-pci", NULL, error);
    g_autoptr(GArray) looks = g_array_new(FALSE, FALSE, sizeof(Look));
    GPtrArray *links = buses ? observed_links_new() : NULL;

    g_array_set_clear_func(looks, clear_look);
    for (guint i = 0; i < json_length(buses); i++)
        find_cards(json_get(json_at(buses, i), "devices"), looks);
    ask_all(monitor, looks);
    for (guint i = 0; i < looks->len; i++) {
        const Look *look = &g_array_index(looks, Look, i);
        LinkReading reading = read_link(monitor, look);
        ObservedLink *link;

        if (reading == LINK_UNKNOWN)
            continue;
        link = g_new0(ObservedLink, 1);
        *link = (ObservedLink){ g_strdup(look->id), reading == LINK_IS_UP };
        g_ptr_array_add(links, link);
    }
    return links;
}
