#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the project asks of every file, held by a test.

    lint.py CHECK [ROOT]     runs one check over the tree (meson runs one test per check)
    lint.py self-test        proves that every check finds what it is there to find

A check is a function that takes a Tree and yields findings, "FILE:LINE: text" or "FILE: text".
The tree is what git knows of, so that a file half written by somebody else is no finding;
without git (a tarball) it is every file outside build directories.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

LAYERS = {
    # Who may include whom (design.md, Layers). The figure is in docs/architecture.md.
    "model": {"model"},
    "reconcile": {"model", "reconcile"},
    "qemu": {"model", "qemu"},
    "state": {"model", "state"},
    "controller": {"model", "reconcile", "qemu", "state", "controller"},
    "tests": {"model", "reconcile", "qemu", "state", "controller", "tests"},
}

# Libraries that one file copies from at the border, so that no other knows their types.
BORDERS = {
    r"libxml/": "model/xml.c",
    r"json-glib/": "model/json.c",
    r"sqlite3\.h": "state/sqlite.c",
    r"yaml\.h": "controller/yaml.c",
}

TOP_LEVEL = {
    "meson.build", "meson_options.txt", "controller", "model", "reconcile", "qemu", "state",
    "examples", "tests", "docs", "COPYING", "README.md", ".ci", ".clang-format", ".gitignore",
}

MAX_LINES = 800
MIN_ESSAY, MIN_ESSAY_OF_TEST, MAX_ESSAY = 3, 2, 45
SOURCE = (".c", ".h", ".py", ".sh")
SPDX = "SPDX-License-Identifier: LGPL-2.1-or-later"
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = sorted(self.find())

    def find(self):
        git = subprocess.run(["git", "-C", self.root, "ls-files", "-z"], capture_output=True)
        if git.returncode == 0 and git.stdout:
            names = git.stdout.decode().rstrip("\0").split("\0")
            return [n for n in names if (self.root / n).is_file()]
        return [str(p.relative_to(self.root)) for p in self.root.rglob("*") if p.is_file()
                and not p.relative_to(self.root).parts[0].startswith(("build", ".git/"))
                and ".git" not in p.parts]

    def text(self, name):
        return (self.root / name).read_text(errors="replace")

    def lines(self, name):
        return self.text(name).splitlines()

    def ending(self, *endings):
        return [n for n in self.files if n.endswith(endings)]

    def includes(self, name):
        """Yields (line number, whether quoted, what is included)."""
        for number, line in enumerate(self.lines(name), 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match[1] == '"', match[2]


def check_layers(tree):
    """Includes go downwards only and say their layer; a library has one border."""
    for name in tree.ending(".c", ".h"):
        layer = name.split("/")[0]
        allowed = LAYERS.get(layer)
        if allowed is None:
            yield f"{name}: C source outside the layers"
            continue
        for number, quoted, target in tree.includes(name):
            if quoted and "/" not in target:
                yield f'{name}:{number}: "{target}" does not name its layer'
            elif quoted and target.split("/")[0] not in allowed:
                yield f'{name}:{number}: {layer}/ must not include "{target}"'
            elif not quoted and target.split("/")[0] in LAYERS and "/" in target:
                yield f"{name}:{number}: <{target}> is ours: write it in quotes"
            for pattern, border in BORDERS.items():
                # Tests look behind the border: a test of the state file opens it itself.
                if re.match(pattern, target) and name != border and layer != "tests":
                    yield f"{name}:{number}: <{target}> is included by {border} alone"


def check_headers(tree):
    """A header guards itself, and its own .c includes it first, which proves it self-contained."""
    for name in tree.ending(".h"):
        if not re.search(r"^#pragma once$", tree.text(name), re.M):
            yield f"{name}: no #pragma once"
        source = name[:-2] + ".c"
        if source in tree.files:
            first = next((t for _, _, t in tree.includes(source)), None)
            if first != name:
                yield f'{source}: its first include is {first}, not "{name}"'


def check_spdx(tree):
    """Each source file names the licence in its first three lines."""
    for name in tree.files:
        head = tree.lines(name)[:3] if name.endswith(SOURCE) or is_script(tree, name) else [SPDX]
        if not any(SPDX in line for line in head):
            yield f"{name}: no line \"{SPDX}\""


def is_script(tree, name):
    with open(tree.root / name, "rb") as file:
        return file.read(2) == b"#!"


def check_essay(tree):
    """Each .c says, before anything else, what its idea is and which invariant it defends."""
    for name in tree.ending(".c"):
        head = re.split(r"^#", tree.text(name), maxsplit=1, flags=re.M)[0]
        # Either kind of comment; lines with words in them count.
        comment = "".join(re.findall(r"/\*.*?\*/|//[^\n]*\n", head, re.S))
        essay = [l for l in comment.splitlines() if re.search(r"\w", l) and SPDX not in l]
        least = MIN_ESSAY_OF_TEST if name.startswith("tests/") else MIN_ESSAY
        if not least <= len(essay) <= MAX_ESSAY:
            yield (f"{name}: the opening comment has {len(essay)} lines of text; "
                   f"{least} to {MAX_ESSAY} are asked for")


def check_size(tree):
    """No source file of more than 800 lines: it has more than one noun."""
    for name in tree.files:
        if name.endswith(SOURCE) and len(tree.lines(name)) > MAX_LINES:
            yield f"{name}: {len(tree.lines(name))} lines, more than {MAX_LINES}"


def check_toplevel(tree):
    """The top level holds what its users know, and nothing else."""
    for entry in sorted({name.split("/")[0] for name in tree.files} - TOP_LEVEL):
        yield f"{entry}: not one of the top level's entries"
    for entry in sorted({"COPYING", "README.md", "meson.build"} - set(tree.files)):
        yield f"{entry}: missing"


def check_meson(tree):
    """Every .c is listed by a meson.build, and what is listed exists."""
    listed = set()
    for name in tree.files:
        if os.path.basename(name) != "meson.build":
            continue
        directory = os.path.dirname(name)
        for number, line in enumerate(tree.lines(name), 1):
            line = line.split("#")[0]
            for word in re.findall(r"'([A-Za-z0-9_./-]+\.[ch])'", line):
                path = os.path.normpath(os.path.join(directory, word))
                listed.add(path)
                if path not in tree.files and not generated(tree.lines(name), word):
                    yield f"{name}:{number}: lists {word}, which does not exist"
        # foreach name : ['a', 'b'] … executable('test-' + name, 'test-' + name + '.c')
        words = set(re.findall(r"'([A-Za-z0-9_-]*)'", tree.text(name))) | {""}
        listed |= {os.path.normpath(os.path.join(directory, first + second + ".c"))
                   for first in words for second in words}
    for name in tree.ending(".c"):
        if name not in listed:
            yield f"{name}: listed in no meson.build"


def generated(lines, word):
    return any("output" in line and f"'{word}'" in line for line in lines)


def check_sleep(tree):
    """Tests wait for a condition with a deadline (tests/support/deadline.h), never for time."""
    for name in tree.files:
        if not name.startswith("tests/") or not name.endswith((".c", ".h")):
            continue
        for number, line in enumerate(tree.lines(name), 1):
            if re.search(r"\b(sleep|usleep|g_usleep|nanosleep)\s*\(", line):
                yield f"{name}:{number}: sleeps"


def check_scripts(tree):
    """Shell and Python files parse."""
    for name in tree.files:
        if name.endswith(".py"):
            try:
                compile(tree.text(name), name, "exec")
            except SyntaxError as error:
                yield f"{name}:{error.lineno}: {error.msg}"
        elif is_script(tree, name):
            shell = "bash" if "bash" in tree.lines(name)[0] else "sh"
            if "sh" not in tree.lines(name)[0].split("/")[-1]:
                continue
            run = subprocess.run([shell, "-n", tree.root / name], capture_output=True, text=True)
            if run.returncode != 0:
                yield f"{name}: {run.stderr.strip()}"


CHECKS = {name[len("check_"):]: function for name, function in globals().items()
          if name.startswith("check_")}

ESSAY = "/*\n * one\n * two\n * three\n * four\n */\n"
GOOD = {
    "model/a.h": f"/* {SPDX} */\n#pragma once\n",
    "model/a.c": f'/* {SPDX} */\n{ESSAY}#include "model/a.h"\n',
    "model/meson.build": "static_library('model', 'a.c')\n",
    "COPYING": "", "README.md": "", "meson.build": "subdir('model')\n",
}
# For each check: files that it must complain about, each on its own.
BAD = {
    "layers": [{"model/b.c": f'{ESSAY}#include "qemu/x.h"\n'},
               {"qemu/b.h": '#include "state/x.h"\n'},
               {"reconcile/b.h": '#include "controller/x.h"\n'},
               {"model/b.h": '#include "a.h"\n'},
               {"model/b.h": '#include <model/a.h>\n'},
               {"controller/b.c": "#include <sqlite3.h>\n"},
               {"model/b.c": "#include <libxml/parser.h>\n"},
               {"qemu/json.c": "#include <json-glib/json-glib.h>\n"},
               {"controller/b.c": "#include <yaml.h>\n"},
               {"tools/b.c": ""}],
    "headers": [{"model/b.h": "int x;\n"},
                {"model/a.c": '#include <glib.h>\n#include "model/a.h"\n'}],
    "spdx": [{"model/b.c": "int x;\n"}, {"tests/b": "#!/bin/sh\n"}],
    "essay": [{"model/b.c": "/* short */\n#include <a.h>\n"},
              {"model/b.c": f"// {SPDX}\n// one\n// two\n//\n\n#include <a.h>\n"},
              {"model/b.c": "#include <a.h>\n" + ESSAY},
              {"model/b.c": "/*\n" + 60 * " * long\n" + " */\n"}],
    "size": [{"model/b.c": 801 * "\n"}],
    "toplevel": [{"utils/b.c": ""}, {"TODO": ""}],
    "meson": [{"model/b.c": ""}, {"model/meson.build": "static_library('m', 'a.c', 'gone.c')\n"},
              {"tests/test-b.c": "", "tests/meson.build": "test('test-', name + 'c')\n"}],
    "sleep": [{"tests/b.c": "  g_usleep(5);\n"}],
    "scripts": [{"tests/b.sh": "#!/bin/sh\nif\n"}, {"tests/b.py": "def\n"}],
}


def findings_in(files, check):
    with tempfile.TemporaryDirectory(prefix="vk-lint-") as root:
        for name, text in files.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return list(CHECKS[check](Tree(root)))


def self_test():
    wrong = []
    for check in CHECKS:
        wrong += [f"{check}: finds in a good tree: {f}" for f in findings_in(GOOD, check)]
        if not BAD.get(check):
            wrong.append(f"{check}: nothing here shows that it can fail")
        for bad in BAD.get(check, []):
            if not findings_in({**GOOD, **bad}, check):
                wrong.append(f"{check}: finds nothing in {bad}")
    return wrong


def main():
    root = sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parents[2]
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name == "self-test":
        findings = self_test()
    elif name in CHECKS:
        findings = list(CHECKS[name](Tree(root)))
    else:
        sys.exit(f"usage: lint.py self-test|{'|'.join(CHECKS)} [ROOT]")
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
