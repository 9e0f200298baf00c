/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum {
    INTERFACE_USER = 1,
    INTERFACE_BRIDGE,
    INTERFACE_NETWORK,
    INTERFACE_ETHERNET,
    INTERFACE_DIRECT,
    INTERFACE_VHOSTUSER,
    INTERFACE_HOSTDEV,
    INTERFACE_SERVER,
    INTERFACE_CLIENT,
    INTERFACE_MCAST,
    INTERFACE_UDP,
    INTERFACE_INTERNAL,
    INTERFACE_VDPA,
    INTERFACE_NULL,
    INTERFACE_VDS
} InterfaceType;
typedef enum { LINK_UP = 1, LINK_DOWN } LinkState;

typedef enum { TEAMING_PERSISTENT = 1, TEAMING_TRANSIENT } TeamingType;
typedef enum { MACVTAP_VEPA = 1, MACVTAP_BRIDGE, MACVTAP_PRIVATE, MACVTAP_PASSTHROUGH } MacvtapMode;
typedef enum { VHOST_USER_CLIENT = 1, VHOST_USER_SERVER } VhostUserMode;
typedef enum { NET_BACKEND_DEFAULT = 1, NET_BACKEND_PASST } NetBackend;
typedef enum { NET_DRIVER_QEMU = 1, NET_DRIVER_VHOST, NET_DRIVER_VFIO } NetDriver;
typedef enum { IP_V4 = 1, IP_V6 } IpFamily;

typedef struct InterfaceIp {
    int family; /* IpFamily; 0 = IPv4 */
    char *address, *peer;
    OptUint prefix;
} InterfaceIp;
typedef struct InterfaceRoute {
    int family;
    char *address, *netmask, *gateway;
    OptUint prefix, metric;
} InterfaceRoute;
typedef struct PortRange {
    OptUint start, end, to;
    int exclude; /* yes/no */
} PortRange;
typedef struct PortForward {
    int protocol; /* 1 tcp, 2 udp */
    char *address, *dev;
    GPtrArray *ranges; /* PortRange */
} PortForward;

typedef enum { VLAN_NATIVE_TAGGED = 1, VLAN_NATIVE_UNTAGGED } VlanNative;
typedef struct VlanTag {
    OptUint id;
    int native_mode; /* VlanNative: the VLAN of traffic without tag */
} VlanTag;

typedef struct Interface {
    DeviceInfo info;
    VirtioOptions virtio;
    int type;    /* InterfaceType */
    int managed; /* yes/no */
    char *mac;
    char *bridge;              /* source/@bridge */
    char *network, *portgroup; /* source/@network */
    char *source_dev;          /* direct, vdpa, vhostuser through passt */
    int source_mode;           /* MacvtapMode or VhostUserMode, by type */
    int vhost_user_mode;
    char *source_path;             /* vhostuser: socket */
    int reconnect;                 /* yes/no: vhostuser */
    OptUint reconnect_timeout;     /* s */
    char *address, *local_address; /* server, client, mcast, udp */
    OptUint port, local_port;
    OptUint pci_domain, pci_bus, pci_slot, pci_function; /* hostdev */
    int source_type, source_address_type;
    char *target_dev; /* tap name */
    char *model;      /* "virtio", "e1000e", "rtl8139", … */
    int link;         /* LinkState */
    OptUint mtu;
    int driver_name; /* NetDriver */
    OptUint queues, rx_queue_size, tx_queue_size;
    int ioeventfd, event_idx, tx_mode, rss, rss_hash; /* on/off; tx_mode: 1 iothread, 2 timer */
    int host_csum, host_gso, host_tso4, host_tso6, host_ecn, host_ufo, mrg_rxbuf; /* on/off */
    int guest_csum, guest_tso4, guest_tso6, guest_ecn, guest_ufo;
    OptUint sndbuf; /* bytes */
    OptUint coalesced_frames;
    int backend;    /* NetBackend */
    char *backend_tap, *backend_vhost, *backend_log;
    char *script, *downscript;
    int teaming; /* TeamingType */
    char *teaming_persistent;
    GPtrArray *ips, *host_ips;       /* InterfaceIp: the guest's, the tap's on the host */
    GPtrArray *routes, *host_routes; /* InterfaceRoute */
    GPtrArray *port_forwards;        /* PortForward */
    int vlan_trunk;                  /* yes/no */
    GPtrArray *vlan_tags;            /* VlanTag */
    /* Host set-up that virtkeep doesn't do, as XML text. */
    char *bandwidth, *virtual_port;
    int is_isolated; /* yes/no */
} Interface;

extern const DeviceKind interface_kind;
extern const char *const macvtap_mode_names[]; /* by MacvtapMode */

/* interface-check.c: the rules that follow from its type. */
void interface_check(const Validation *validation, const Interface *interface);
bool interface_is_virtio(const Interface *interface);
/* The name that its host side was given; NULL where none was, or one of those that libvirt makes up
 * and ignores when it reads them back ("vnet0", "macvtap3"). */
const char *interface_target(const Interface *interface);
/* Whether its host side is a tap (or macvtap) device of its own. */
bool interface_has_tap(const Interface *interface);
