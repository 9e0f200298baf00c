#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The systemd unit: systemd knows every key and finds nothing to say about it, and what keeps QEMUs
# alive when the service ends is there.
#
#     test-service.sh UNIT
set -eu
unit=$1

for line in Type=notify KillMode=process OOMPolicy=continue RuntimeDirectoryPreserve=yes \
    Restart=on-failure TasksMax=infinity Delegate=yes DelegateSubgroup=watch; do
    grep -qx "$line" "$unit" || {
        echo "$unit: no $line: guests would end with the service, or not start" >&2
        exit 1
    }
done
# These would put guests into a mount namespace without their disks, stop QEMU's translator, or keep
# limits from being written.
for key in PrivateTmp PrivateDevices ProtectHome MemoryDenyWriteExecute DevicePolicy \
    ProtectControlGroups; do
    if grep -q "^$key=" "$unit"; then
        echo "$unit: $key breaks guests" >&2
        exit 1
    fi
done
command -v systemd-analyze > /dev/null || {
    echo "skipped: no systemd-analyze here"
    exit 77
}
said=$(systemd-analyze verify --man=no "$unit" 2>&1) || {
    echo "$said" >&2
    exit 1
}
# systemd before 254 does not know this key, and goes on without it.
said=$(printf '%s\n' "$said" | grep -v "Unknown key.*DelegateSubgroup" || true)
[ -z "$said" ] || {
    echo "$said" >&2
    exit 1
}
