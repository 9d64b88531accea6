#!/bin/sh
# The tests talk to real peers and check with tools that are not ours, as root of network namespaces: a test that needs a tool
# is never skipped in silence.
set -eu
cd "$(dirname "$0")/.."
. scripts/packages.sh
need frr /usr/lib/frr/zebra /usr/lib/frr/bgpd /usr/lib/frr/staticd vtysh
need bird2 bird birdc
need gobgpd gobgpd gobgp
need openbgpd bgpctl
need exabgp exabgp
need iproute2 ip ss
need util-linux unshare nsenter setpriv
need iputils-ping ping
need procps ps sysctl
need tshark tshark capinfos
need nftables nft
need ethtool ethtool
need python3 python3
need iperf3 iperf3
need graphviz dot
# Elsewhere, the tests in a virtual machine fail, and say so.
if [ "$(uname -m)" = x86_64 ]; then
  need qemu-system-x86 qemu-system-x86_64
  need busybox-static busybox
  need cpio cpio
  need kmod modprobe depmod
  need xz-utils xz
fi
get "the tests need"
if [ "$(id -u)" != 0 ]; then
  echo "grevy: the tests make network namespaces: run them as root" >&2
  exit 1
fi
[ "$(uname -m)" != x86_64 ] || sh scripts/vm.sh
