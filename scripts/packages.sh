# Debian packages, for the scripts beside this one: `need` collects those that are missing, `get` installs them where it may
# (root, apt-get); where it may not, it says which command would, and fails.
PATH=$PATH:/usr/sbin:/sbin
missing=
need() { # need PACKAGE COMMAND...
  package=$1; shift
  for tool in "$@"; do command -v "$tool" >/dev/null || { missing="$missing $package"; return; }; done
}
get() { # get "WHO NEEDS"
  [ -n "$missing" ] || return 0
  install="apt-get install -y --no-install-recommends$missing"
  if ! command -v apt-get >/dev/null; then
    echo "grevy: $1 what is in these packages of Debian:$missing" >&2
    exit 1
  fi
  if [ "$(id -u)" != 0 ]; then
    echo "grevy: $1 packages that are missing. As root, run: apt-get update && $install" >&2
    exit 1
  fi
  echo "grevy: installing packages:$missing ..." >&2
  # Some would start a daemon on this very host; the tests start their own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive $install; } >&2 || { echo "grevy: failed: $install" >&2; exit 1; }
}
