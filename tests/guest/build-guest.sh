#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds the small Linux guest that the guest tests and the quick start boot.
#
#     build-guest.sh DIR        leaves DIR/vmlinuz, DIR/initramfs.cpio.gz and DIR/stamp
#
# Nothing is installed and the host's /boot and /lib/modules are never looked at: the kernel
# is the distribution's cloud kernel (it has virtio-mem), downloaded as a package and
# unpacked; the initramfs is busybox, tests/guest/init and the few modules that init loads,
# in dependency order.
#
# Called by every guest test when it starts, so it is quick when there is nothing to do (the
# stamp holds the digest of this script and of init) and safe to call many times at once (a
# lock per DIR, files put in place by rename, the stamp last). A finished image is kept until
# the script or init changes: a newer kernel in the archive is no reason to build again.
#
# Packages are kept in VIRTKEEP_GUEST_CACHE (default: the user's cache directory), so that a
# second build directory, or a machine that went offline, needs no download.
#
# Exit status: 0 built or there already; 77 not possible here, with the reason on stderr
# (meson takes 77 as "skipped"); 1 anything else.
set -eu
PATH=$PATH:/usr/sbin:/sbin # where depmod and modprobe are, which not every user looks in

usage() {
    echo "usage: build-guest.sh DIR" >&2
    exit 64
}
[ $# -eq 1 ] || usage
case $1 in -*) usage ;; esac

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
cache=${VIRTKEEP_GUEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/virtkeep/guest}

# Modules that init may load, by the names it asks for; what they depend on is added.
modules="virtio_pci virtio_mem virtio_balloon virtio_blk virtio_net virtio_console
         virtio_rng button evdev"

unavailable() {
    echo "$*" > "$dir/unavailable"
    echo "build-guest: $*" >&2
    exit 77
}

# A directory of packages may be shared by builds at the same time: download beside, rename.
download() { # NAME: prints the package file's path
    (cd "$work" && mkdir -p fetch && cd fetch && rm -f ./*.deb &&
        apt-get -qq download "$1" > ../apt.log 2>&1 && mv -f ./*.deb "$cache/") || true
    # The newest by version, so that an older cached one serves when the download failed.
    find "$cache" -maxdepth 1 -name "$1_*.deb" | sort -V | tail -n 1
}

# The kernel that a meta package (Debian's, Ubuntu's) stands for today, or the newest cached.
kernel_package() {
    for meta in linux-image-cloud-amd64 linux-image-virtual; do
        name=$(apt-cache depends $meta 2> /dev/null |
            sed -n 's/^ *Depends: *\(linux-image-[0-9].*\)/\1/p' | head -n 1)
        [ -z "$name" ] || break
    done
    if [ -z "$name" ]; then
        name=$(find "$cache" -maxdepth 1 -name 'linux-image-[0-9]*.deb' |
            sort -V | tail -n 1 | sed 's:.*/::; s/_.*//')
    fi
    echo "$name"
}

cached() { # NAME: prints the cached file of the version that apt would fetch, if any
    version=$(apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *//p')
    [ -n "$version" ] || return 0
    # In file names apt writes the epoch's colon as %3a.
    file=$cache/$1_$(echo "$version" | sed 's/:/%3a/g')_amd64.deb
    [ ! -f "$file" ] || echo "$file"
}

package() { # NAME: prints the path of a package file, downloaded if need be
    file=$(cached "$1")
    [ -n "$file" ] || file=$(download "$1")
    [ -n "$file" ] || unavailable "cannot download the package $1:" \
        "$(tail -n 1 "$work/apt.log" 2>/dev/null)"
    echo "$file"
}

add_modules() { # VERSION, directory of the initramfs
    depmod -b "$work/kernel" "$1"
    mkdir -p "$2/modules"
    for module in $modules; do
        shown=$(modprobe -d "$work/kernel" -S "$1" --show-depends "$module" 2>/dev/null) || {
            echo "build-guest: this kernel has no module $module" >&2
            continue
        }
        # "insmod FILE" for what is loaded, "builtin NAME" for what needs no loading.
        : > "$2/modules/$module.list"
        echo "$shown" | sed -n 's/^insmod *\([^ ]*\).*/\1/p' |
            while read -r path; do
                file=$(basename "$path")
                plain=${file%.xz}
                plain=${plain%.zst}
                case $file in
                *.xz) xz -dc "$path" > "$2/modules/$plain" ;;
                *.zst) zstd -dqc "$path" > "$2/modules/$plain" ;;
                *) cp "$path" "$2/modules/$plain" ;;
                esac
                # init loads module X by going through X's own list, in this order.
                echo "$plain" >> "$2/modules/$module.list"
            done
    done
    for needed in virtio_pci virtio_mem virtio_balloon; do
        [ -f "$2/modules/$needed.list" ] || unavailable "this kernel has no module $needed"
    done
}

build() {
    for tool in apt-get dpkg-deb depmod modprobe cpio gzip; do
        command -v $tool > /dev/null || unavailable "needs $tool, which is not installed"
    done
    mkdir -p "$cache"
    kernel=$(kernel_package)
    [ -n "$kernel" ] ||
        unavailable "no cloud kernel in the package lists (apt-get update may help)"
    version=${kernel#linux-image-}
    kernel_deb=$(package "$kernel") || exit $?
    busybox_deb=$(package busybox-static) || exit $?

    dpkg-deb -x "$kernel_deb" "$work/kernel"
    dpkg-deb -x "$busybox_deb" "$work/busybox"
    # Debian ships the modules with the kernel, Ubuntu in packages of their own.
    for part in linux-modules linux-modules-extra; do
        [ -n "$(apt-cache policy "$part-$version" 2> /dev/null)" ] || continue
        modules_deb=$(package "$part-$version") || exit $?
        dpkg-deb -x "$modules_deb" "$work/kernel"
    done
    root=$work/root
    mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp"
    busybox=$(find "$work/busybox" -path '*/bin/busybox' -type f | head -n 1)
    cp "$busybox" "$root/bin/busybox"
    cp "$here/init" "$root/init"
    chmod 755 "$root/init"
    # Debian's kernels moved lib to usr/lib; depmod and modprobe look under lib.
    [ -d "$work/kernel/lib/modules" ] || ln -s usr/lib "$work/kernel/lib"
    add_modules "$version" "$root"
    (cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc --quiet --owner=0:0) |
        gzip -9n > "$work/initramfs.cpio.gz"
    mv -f "$work/kernel/boot/vmlinuz-$version" "$dir/vmlinuz"
    mv -f "$work/initramfs.cpio.gz" "$dir/initramfs.cpio.gz"
    rm -f "$dir/unavailable"
    printf '%s\n%s\n' "$digest" "$version" > "$work/stamp"
    mv -f "$work/stamp" "$dir/stamp"
    echo "build-guest: built the guest with Linux $version in $dir" >&2
}

is_built() {
    [ -f "$dir/stamp" ] && [ -f "$dir/vmlinuz" ] && [ -f "$dir/initramfs.cpio.gz" ] &&
        [ "$(head -n 1 "$dir/stamp")" = "$digest" ]
}

digest=$(cat "$here/build-guest.sh" "$here/init" | sha256sum | cut -d' ' -f1)
! is_built || exit 0

exec 9> "$dir/lock"
flock 9
! is_built || exit 0 # somebody else built it while we waited
# A whole suite of guest tests asks one after another: one attempt for all of them.
if [ -n "$(find "$dir" -maxdepth 1 -name unavailable -mmin -2)" ]; then
    unavailable "$(cat "$dir/unavailable")"
fi

# Beside the result, so that every mv is a rename. The lock is not inherited by apt's children.
rm -rf "$dir"/work.* # of a build that was killed
work=$(mktemp -d "$dir/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
build 9>&-
