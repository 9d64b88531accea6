#!/bin/sh
# The tests talk to real peers and check with tools that are not ours, as root of network namespaces. Installs what is missing
# where it may; where it may not, says which command would, and fails: a test that needs a tool is never skipped in silence.
set -eu
PATH=$PATH:/usr/sbin:/sbin
missing=
need() { # need PACKAGE COMMAND...
  package=$1; shift
  for tool in "$@"; do command -v "$tool" >/dev/null || { missing="$missing $package"; return; }; done
}
need frr /usr/lib/frr/zebra /usr/lib/frr/bgpd /usr/lib/frr/staticd vtysh
need bird2 bird birdc
need gobgpd gobgpd gobgp
need iproute2 ip ss
need util-linux unshare nsenter setpriv
need procps ps sysctl
install="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" != 0 ]; then
  [ -z "$missing" ] || echo "grevy: the tests need real peers. As root, run: apt-get update && $install" >&2
  echo "grevy: the tests make network namespaces: run them as root" >&2
  exit 1
fi
[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null; then
  echo "grevy: the tests need real peers, packages of Debian:$missing" >&2
  exit 1
fi
echo "grevy: installing test peers:$missing" >&2
# The packages would start a routing daemon each on this very host; the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' INT TERM HUP
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive $install; } >&2 || { echo "grevy: failed: $install" >&2; exit 1; }
