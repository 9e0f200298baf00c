# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a started QEMU says of itself, compared with the command line that it was started with.

A difference is a sentence; none is what is hoped for. QEMU's object tree (qom-list, qom-get) says
which device is on which bus at which address, also while the guest is paused. query-pci lists what
is behind a bridge only when firmware has given the bridge a bus number, so it is asked twice: for
the root buses while paused, and for the others after a moment of firmware.
"""
import json
import re

PERIPHERAL = "/machine/peripheral"
REPLY_TIMEOUT = 60


class Refused(Exception):
    pass


class Qmp:
    """A connected monitor; @connection is our end of a socket pair."""

    def __init__(self, connection):
        connection.settimeout(REPLY_TIMEOUT)
        self.file = connection.makefile("rwb")
        self.read("QMP")
        self.execute("qmp_capabilities")

    def read(self, *keys):
        while True:
            line = self.file.readline()
            if not line:
                raise EOFError("QEMU closed its monitor")
            message = json.loads(line)
            if any(key in message for key in keys):
                return message

    def execute(self, command, **arguments):
        text = json.dumps({"execute": command, "arguments": arguments})
        self.file.write(text.encode() + b"\n")
        self.file.flush()
        reply = self.read("return", "error")
        if "error" in reply:
            raise Refused(reply["error"]["desc"])
        return reply["return"]

    def get(self, path, name):
        return self.execute("qom-get", path=path, property=name)


def pci_address(text):
    """Slot and function of an address as the command line has it: 0x1f.0x2, 3."""
    slot, _, function = str(text).partition(".")
    return int(slot, 0), int(function or "0", 0)


def compare_devices(qmp, devices):
    """Every device is there under its id, of its type, and nothing else is."""
    there = {entry["name"]: entry["type"] for entry in qmp.execute("qom-list", path=PERIPHERAL)
             if entry["type"].startswith("child<")}
    said = {device["id"]: device for device in devices if "id" in device}
    for name in sorted(there.keys() - said.keys()):
        yield f"{name}: QEMU has it and the command line doesn't"
    for name, device in said.items():
        kind = there.get(name, "nothing")
        if kind != f"child<{device['driver']}>":
            yield f"{name}: QEMU has {kind}, the command line {device['driver']}"


def compare_addresses(qmp, devices):
    """Every device sits on the bus it names; a PCI device at its slot and function there."""
    for device in devices:
        if "id" not in device or "bus" not in device:
            continue
        path = f"{PERIPHERAL}/{device['id']}"
        try:
            bus = qmp.get(path, "parent_bus")
        except Refused as refusal:
            yield f"{device['id']}: {refusal}"
            continue
        if bus.rsplit("/", 1)[1] != device["bus"]:
            yield f"{device['id']}: on {bus}, not on {device['bus']}"
        if "addr" in device and is_pci(device):
            devfn = qmp.get(path, "addr")
            if (devfn >> 3, devfn & 7) != pci_address(device["addr"]):
                yield f"{device['id']}: at {devfn >> 3:x}.{devfn & 7}, not at {device['addr']}"


def is_pci(device):
    return re.match(r"(pci|pcie)\.\d", device.get("bus", "")) is not None


def pci_functions(buses):
    """Of query-pci's answer, id -> (slot, function, bridge's id), at any depth."""
    found = {}
    def walk(functions, bridge):
        for function in functions:
            found[function["qdev_id"]] = (function["slot"], function["function"], bridge)
            walk(function.get("pci_bridge", {}).get("devices", []), function["qdev_id"])
    for bus in buses:
        walk(bus["devices"], None)
    return found


def pci_devices(devices):
    return [d for d in devices if "id" in d and "addr" in d and is_pci(d)]


def compare_pci(functions, devices):
    """What query-pci lists is where the command line put it."""
    bridges = {device.get("id") for device in devices}
    for device in pci_devices(devices):
        if device["id"] not in functions:
            continue
        slot, function, bridge = functions[device["id"]]
        if (slot, function) != pci_address(device["addr"]):
            yield f"{device['id']}: query-pci has it at {slot:x}.{function}, not {device['addr']}"
        # An expander's bus is a root bus to query-pci, or behind an internal bridge (id "").
        if bridge and bridge != device["bus"]:
            yield f"{device['id']}: query-pci has it behind {bridge}, not {device['bus']}"
        if bridge is None and device["bus"] in bridges and not is_expander(devices, device["bus"]):
            yield f"{device['id']}: query-pci has it on a root bus, not behind {device['bus']}"


def is_expander(devices, bus):
    return any(d.get("id") == bus and d["driver"].startswith("pxb") for d in devices)


def root_of(devices, device):
    """The device (a dictionary) at the root of what @device is behind; itself on a root bus."""
    by_id = {d["id"]: d for d in devices if "id" in d}
    while device.get("bus") in by_id:
        device = by_id[device["bus"]]
    return device


def on_root_bus(devices):
    """Ids of the PCI devices that query-pci lists without any help of firmware."""
    return {d["id"] for d in pci_devices(devices) if root_of(devices, d) is d}


def behind_ports(devices):
    """Ids of those that it lists when firmware has numbered the buses. Not those behind an
    expander: the numbers between its own and the next one's may not suffice."""
    return {d["id"] for d in pci_devices(devices) if root_of(devices, d) is not d and
            not root_of(devices, d)["driver"].startswith("pxb")}


def compare_blocks(qmp, nodes, devices):
    """Every node is there with its driver; behind every disk is its node, as read-only as said."""
    named = {node["node-name"]: node
             for node in qmp.execute("query-named-block-nodes", flat=True)}
    for name, node in nodes.items():
        if name not in named:
            yield f"{name}: no such block node"
        elif named[name]["drv"] != node["driver"]:
            yield f"{name}: a node of {named[name]['drv']}, not {node['driver']}"
    fronts = {}
    for block in qmp.execute("query-block"):
        path = block.get("qdev", "")
        fronts[path[len(PERIPHERAL) + 1:].split("/")[0] if path.startswith(PERIPHERAL)
               else path] = block
    for device in devices:
        if "drive" not in device or "id" not in device:
            continue
        block, node = fronts.get(device["id"]), nodes[device["drive"]]
        inserted = (block or {}).get("inserted")
        if not inserted:
            yield f"{device['id']}: query-block has no medium in it"
        elif inserted["node-name"] != device["drive"]:
            yield f"{device['id']}: node {inserted['node-name']}, not {device['drive']}"
        elif inserted["ro"] != node.get("read-only", False):
            yield f"{device['id']}: read-only is {inserted['ro']}, not {node.get('read-only')}"
    for device in devices:
        if re.match(r"(ide|scsi)-cd|floppy$", device["driver"]) and "drive" not in device and \
                fronts.get(device.get("id"), {}).get("inserted"):
            yield f"{device['id']}: query-block has a medium in it"


def compare_flash(qmp, nodes, machine):
    """The firmware's flash is on the nodes that -machine names."""
    for name in ("pflash0", "pflash1"):
        node = machine.get(name)
        if node and qmp.get("/machine", name) != node:
            yield f"{name}: {qmp.get('/machine', name)}, not {node}"


def accepts_as_written(qmp, written):
    """Block nodes that a file stood in for: what was written for them is of QEMU's schema. It is
    opened in vain, since there is neither the device nor a network; words about a parameter
    instead of about that are a fault."""
    for number, tree in enumerate(written):
        try:
            qmp.execute("blockdev-add", **{**tree, "node-name": f"as-written-{number}"})
        except Refused as refusal:
            if re.search(r"[Pp]arameter|unexpected|Invalid|does not accept|missing", str(refusal)):
                yield f"{tree['node-name']}: {tree['driver']}: {refusal}"
