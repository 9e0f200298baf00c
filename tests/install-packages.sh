#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Installs what of tests/packages is missing on this machine.
#
#     install-packages.sh GROUP...        groups: build, run, guest, test
#
# Where everything is there, nothing is run as root and nothing is asked of the network. With
# VIRTKEEP_NO_INSTALL set it only says what is missing (exit status 1).
set -eu
here=$(cd "$(dirname "$0")" && pwd)

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo "$@"
    else
        echo "install-packages: needs root or sudo to run: $*" >&2
        exit 1
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq \
        -o Dpkg::Use-Pty=0 -o APT::Install-Recommends=false "$@" < /dev/null
}

if ! command -v apt-get > /dev/null || ! command -v dpkg-query > /dev/null; then
    echo "install-packages: no apt-get here: see tests/packages for what is needed" >&2
    exit 0
fi

missing=
for group in "$@"; do
    for package in $(sed -n "s/^$group  *//p" "$here/packages"); do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2> /dev/null | grep -qx installed ||
            missing="$missing $package"
    done
done

# The guest's kernel is found through the package lists, which an image may lack.
has_lists() {
    [ -n "$(apt-cache policy linux-image-cloud-amd64 linux-image-virtual 2> /dev/null)" ]
}
case " $* " in
*" guest "*) has_lists || [ -n "${VIRTKEEP_NO_INSTALL:-}" ] || apt update || true ;;
esac

[ -n "$missing" ] || exit 0
if [ -n "${VIRTKEEP_NO_INSTALL:-}" ]; then
    echo "install-packages: missing:$missing" >&2
    exit 1
fi
echo "Installing:$missing"
apt update || echo "install-packages: apt-get update failed, going on with the lists there are" >&2
# shellcheck disable=SC2086 # a list of words
apt -y install $missing
