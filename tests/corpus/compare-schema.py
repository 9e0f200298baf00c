#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every element and attribute of libvirt's own schema of a domain is named by a row of ours.

libvirt's RELAX NG (domain.rng and what it includes) is walked to all the paths that a document can
have; ours are those of docs/domain-xml.md, which is printed from the tables. A row may accept,
refuse or pass over: what matters is that somebody has decided. What isn't named must stand in
EXCEPTIONS with its reason, and an exception that nothing needs any more is a fault as well.

    compare-schema.py DOMAIN_XML_MD [SCHEMAS]
"""
import fnmatch
import os
import re
import sys
import xml.etree.ElementTree as ElementTree

SCHEMAS = "/usr/share/libvirt/schemas"
SKIPPED = 77
NAMESPACE = "{http://relaxng.org/ns/structure/1.0}"

OF_CONTAINERS = "is for containers: mode='capabilities', which is refused"
OF_SCSI_POOLS = "the schema shares it with storage pools; a SCSI unit's adapter has only a name"
EXCEPTIONS = {
    "datacenterpath": "is VMware's",
    "namespace": "is for containers (lxc:namespace)",
    "devices/disk/privateData": "is libvirt's own status, in no document that it gives out",
    "devices/*/target/model": "the schema shares it with serial ports; libvirt reads it of no other",
    "devices/smartcard/target": "the same; libvirt reads no target of a smartcard",
    "devices/hostdev/ip": OF_CONTAINERS,
    "devices/hostdev/route": OF_CONTAINERS,
    "devices/hostdev/source/block": OF_CONTAINERS,
    "devices/hostdev/source/char": OF_CONTAINERS,
    "devices/hostdev/source/interface": OF_CONTAINERS,
    "devices/hostdev/source/adapter/*": OF_SCSI_POOLS,
    "devices/hostdev/source/address/@multifunction": "a device of the host is what it is",
}


def read_definitions(path, definitions):
    """All <define> by name, of a file and those that it includes; returns the file's start."""
    root = ElementTree.parse(path).getroot()
    start = None
    todo = list(root)
    while todo:
        node = todo.pop(0)
        kind = node.tag.removeprefix(NAMESPACE)
        if kind == "include":
            included = os.path.join(os.path.dirname(path), node.get("href"))
            start = read_definitions(included, definitions) or start
            todo += list(node)
        elif kind == "define":
            definitions.setdefault(node.get("name"), []).append(node)
        elif kind == "start":
            start = node
        elif kind == "div":
            todo += list(node)
    return start


def names_of(node):
    """The names of an <element> or <attribute>: none where any is allowed."""
    if node.get("name"):
        return [node.get("name")]
    return [name.text.strip() for name in node.iter(NAMESPACE + "name")]


def walk(node, path, definitions, above, paths):
    """Adds what can stand below @path. @above: definitions that are being walked already."""
    for child in node:
        kind = child.tag.removeprefix(NAMESPACE)
        if kind == "ref":
            name = child.get("name")
            if name in above:
                continue
            for definition in definitions.get(name, []):
                walk(definition, path, definitions, above | {name}, paths)
        elif kind == "attribute":
            paths.update(f"{path}@{name}" for name in names_of(child))
        elif kind == "element":
            for name in names_of(child):
                paths.add(path + name)
                walk(child, f"{path}{name}/", definitions, above, paths)
        elif kind not in ("value", "data", "name", "anyName", "param", "text", "empty"):
            walk(child, path, definitions, above, paths)


def schema_paths(directory):
    definitions, paths = {}, set()
    start = read_definitions(os.path.join(directory, "domain.rng"), definitions)
    walk(start, "", definitions, frozenset(), paths)
    return {path.removeprefix("domain/") for path in paths if path != "domain"}


def page_paths(page):
    """Of the reference page: the rows of each section, where it stands first; the paths below which
    all is said; and, of sections that stand at more places, each of these with the first one."""
    paths, opaque, aliases, place = set(), set(), [], ""
    for line in page.splitlines():
        if line.startswith("## "):
            title = line[3:].strip()
            place = "" if title == "domain" else title + "/"
        elif line.startswith("Also at "):
            aliases += [(other + "/", place) for other in re.findall(r"`([^`]+)`", line)]
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in line.split(" | ")]
            path = re.sub(r"\b[a-z]+:", "", place + cells[0].strip("| `"))  # qemu:commandline
            paths.add(path)
            if cells[1] in ("any XML", "refused", "no effect", "passed over"):
                opaque.add(path)
    for path in list(paths):
        while "/" in path:
            path = path.rpartition("/")[0]
            paths.add(path)
    return paths, opaque, aliases


def as_written(path, aliases):
    """@path as the section has it in which it stands: of the longest place, again and again."""
    while True:
        places = [alias for alias in aliases if path.startswith(alias[0])]
        if not places:
            return path
        other, first = max(places, key=lambda alias: len(alias[0]))
        path = first + path[len(other):]


def is_named(path, paths, opaque, aliases):
    path = as_written(path, aliases)
    if path in paths or path.endswith("/@unit") and path.rpartition("/")[0] in paths:
        return True
    while "/" in path:
        path = path.rpartition("/")[0]
        if path in opaque:
            return True
    return False


def unnamed(schema, paths, opaque, aliases):
    """The shortest ones: what is below an element that isn't named is not named either."""
    missing = {path for path in schema if not is_named(path, paths, opaque, aliases)}
    return sorted(path for path in missing if path.rpartition("/")[0] not in missing)


def main(arguments):
    directory = arguments[2] if len(arguments) > 2 else SCHEMAS
    if not os.path.exists(os.path.join(directory, "domain.rng")):
        print(f"no schema in {directory}: libvirt is not installed")
        return SKIPPED
    with open(arguments[1], encoding="utf-8") as file:
        paths, opaque, aliases = page_paths(file.read())
    schema = schema_paths(directory)
    used, faults = set(), 0
    for path in unnamed(schema, paths, opaque, aliases):
        pattern = next((p for p in EXCEPTIONS if fnmatch.fnmatchcase(path, p)), None)
        if pattern:
            used.add(pattern)
        else:
            print(f"{path}: no row names it")
            faults += 1
    for pattern in set(EXCEPTIONS) - used:
        print(f"{pattern}: is no exception: {EXCEPTIONS[pattern]}")
        faults += 1
    print(f"{len(schema)} paths of libvirt's schema, {len(paths)} of ours; {faults} faults")
    return faults != 0 or len(schema) < 1000


if __name__ == "__main__":
    sys.exit(main(sys.argv))
