#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# virtkeep's job, seen: a small Linux guest is started from a domain file, the file is edited
# three times, and the guest's own MemTotal follows.
#
#     examples/quickstart.sh [BUILD_DIR]        default: build
#
# Installs what is missing (apt-get), builds virtkeep, makes the guest out of the
# distribution's kernel package, and runs everything in a temporary directory; nothing is left
# behind, also after Ctrl-C. Exit status 0 if MemTotal followed each edit.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
first=256               # MiB requested at boot
edits="768 64 320"      # and after that
timeout=180             # seconds for one edit, on a slow machine without KVM

fail() {
    echo "quickstart: $*" >&2
    exit 1
}

tests/install-packages.sh build run guest
[ -f "$build/build.ninja" ] || meson setup "$build" > /dev/null || fail "meson setup failed"
ninja -C "$build" virtkeep > "$build/quickstart.log" 2>&1 || {
    tail -n 40 "$build/quickstart.log"
    fail "the build failed"
}
build=$(cd "$build" && pwd)
image=$build/tests/guest/image
tests/guest/build-guest.sh "$image" || fail "no guest to start"

umask 077
work=$(mktemp -d "${TMPDIR:-/tmp}/virtkeep-XXXXXX")
mkdir "$work/domains"
domain=$work/domains/quickstart.xml
console=$work/console.log
child=

# Runs a command so that a signal is acted on at once: the shell itself would first wait for
# the end of a command in the foreground.
run() {
    "$@" &
    child=$!
    status=0
    wait "$child" || status=$?
    child=
    return $status
}

virtkeep() {
    run "$build/virtkeep" --config "$work/virtkeep.yaml" "$@"
}

write_domain() { # RUN_STRATEGY MIB: as an editor saves a file, in one step
    cat > "$domain.new" << END
<domain type='qemu'>
  <name>quickstart</name>
  <metadata>
    <vk:policy xmlns:vk='urn:virtkeep:policy:1' run-strategy='$1'/>
  </metadata>
  <maxMemory slots='16' unit='GiB'>4</maxMemory>
  <memory unit='MiB'>1536</memory>
  <vcpu>2</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>$image/vmlinuz</kernel>
    <initrd>$image/initramfs.cpio.gz</initrd>
    <cmdline>console=ttyS0 quiet loglevel=1</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='maximum'>
    <numa><cell id='0' cpus='0-1' memory='512' unit='MiB'/></numa>
  </cpu>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <serial type='file'><source path='$console'/><target port='0'/></serial>
    <memballoon model='virtio'/>
    <memory model='virtio-mem'>
      <target>
        <size unit='MiB'>1024</size>
        <node>0</node>
        <block unit='MiB'>2</block>
        <requested unit='MiB'>$2</requested>
      </target>
    </memory>
  </devices>
</domain>
END
    mv "$domain.new" "$domain.ready"
    mv "$domain.ready" "$domain"
}

qemu_pid() { # the guest's QEMU: the process whose command line names this directory
    for directory in /proc/[0-9]*; do
        case $(readlink "$directory/exe" 2> /dev/null) in *qemu-system*)
            if grep -qaF "$console" "$directory/cmdline" 2> /dev/null; then
                echo "${directory#/proc/}"
            fi
            ;;
        esac
    done
}

end() {
    trap - EXIT
    trap : INT TERM HUP # not '', which virtkeep would inherit
    if [ -n "$child" ]; then
        kill "$child" 2> /dev/null || true
        wait "$child" || true
    fi
    if [ -n "$(qemu_pid)" ]; then
        write_domain halted "$first"
        timeout -k 5 45 "$build/virtkeep" --config "$work/virtkeep.yaml" -q apply --timeout 30s ||
            true
        for pid in $(qemu_pid); do
            echo "quickstart: QEMU (pid $pid) did not end, killing it" >&2
            kill -KILL "$pid" || true
        done
    fi
    rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

mem_total() { # the newest MemTotal that the guest wrote to its console, in KiB
    sed -n 's/^INFO MemTotal: \([0-9]*\) kB.*\r*$/\1/p' "$console" 2> /dev/null | tail -n 1
}

# Whether the guest says that it has this many KiB, within 1 MiB: Linux may stay some pages off after
# a shrink that was interrupted (6.1: 4 KiB, for good). A block is 2 MiB, so none is overlooked.
mem_total_is() {
    difference=$(($(mem_total) - $1))
    [ "${difference#-}" -lt 1024 ]
}

# Waits until it does; it writes when MemTotal changes.
guest_has() {
    tries=0
    until mem_total_is "$1"; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || return 1
        run sleep 0.1
    done
}

cat > "$work/virtkeep.yaml" << END
domains: $work/domains
state: $work/state.db
run: $work/run
log: $work/log
policy:
  shutdown-timeout: 20s
END

echo "== A file with 512 MiB to boot with and $first MiB of 1024 MiB of virtio-mem requested"
write_domain always "$first"
sed -n '/<memory model/,/<\/memory>/p' "$domain"
virtkeep apply --timeout "${timeout}s" || fail "the guest did not come up as its file says"
virtkeep status
tries=0
until [ -n "$(mem_total)" ]; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || fail "the guest says nothing: $(tail -n 5 "$console")"
    run sleep 0.1
done
# The first figures may be from before the driver had plugged everything.
previous=$(mem_total)
while run sleep 0.5 && [ "$(mem_total)" != "$previous" ]; do previous=$(mem_total); done
base=$((previous - first * 1024))
echo "   the guest's MemTotal: $previous kB, which is $base kB + $first MiB"
pid=$(qemu_pid)

for requested in $edits; do
    echo
    echo "== Edit: <requested unit='MiB'>$requested</requested>"
    write_domain always "$requested"
    virtkeep apply --timeout "${timeout}s" || fail "not converged at $requested MiB"
    virtkeep status
    guest_has $((base + requested * 1024)) ||
        fail "the guest's MemTotal is $(mem_total) kB, not $base kB + $requested MiB"
    echo "   the guest's MemTotal: $(mem_total) kB, which is $base kB + $requested MiB"
    [ "$(qemu_pid)" = "$pid" ] || fail "not the same QEMU process any more"
done

echo
echo "== Edit: run-strategy='halted'"
write_domain halted "$requested"
virtkeep apply --timeout 60s || fail "the guest was not shut down"
virtkeep status
[ -z "$(qemu_pid)" ] || fail "QEMU is still running"
echo
echo "The guest's own MemTotal followed $(echo "$edits" | wc -w) edits, in one QEMU process (pid $pid)."
