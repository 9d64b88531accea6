#!/bin/sh
# The tests talk to real peers and check with tools that are not ours. Installs them where it may; where it may not, says
# which command would, and fails: a test that needs a tool is never skipped in silence.
set -eu
missing=
need() { # need PACKAGE FILE...
  package=$1; shift
  for file in "$@"; do [ -x "$file" ] && return 0; done
  missing="$missing $package"
}
need frr /usr/lib/frr/bgpd
need bird2 /usr/sbin/bird
need gobgpd /usr/bin/gobgpd
need exabgp /usr/bin/exabgp /usr/sbin/exabgp
need tcpdump /usr/bin/tcpdump /usr/sbin/tcpdump
need iproute2 /usr/sbin/ip /usr/bin/ip /sbin/ip
need util-linux /usr/bin/unshare
need procps /usr/bin/ps
[ -z "$missing" ] && exit 0
command="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "grevy: installing test peers:$missing" >&2
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive $command; } >&2 || { echo "grevy: failed: $command" >&2; exit 1; }
else
  echo "grevy: the tests need real peers. As root, run: $command" >&2
  exit 1
fi
