#!/bin/sh
# The first process of the virtual machine of ../vm.ts, once the host's root is its root. Runs the script beside it, in the
# project's compiled copy, and says on the port to the host how that ended.
files=$1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TERM=dumb
mount -t proc proc /proc
mount -t sysfs sys /sys
# What runs on the host does not run here.
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/lock /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
ln -sf /proc/self/fd /dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do ln -sf "/proc/self/fd/${stream%%:*}" "/dev/${stream#*:}"; done
ln -s "$(echo /dev/vport*p1)" /dev/results
hostname vm
ip link set lo up
echo '{"booted":true}' >/dev/results
# Emulated, code that V8 makes as it goes costs more than it saves.
export NODE_OPTIONS=--jitless
cd "$files/project"
sh "$files/script"
echo "{\"exit\":$?}" >/dev/results
/bin/busybox poweroff -f
