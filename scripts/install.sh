#!/bin/sh
# Installs what running from a checkout takes: the npm packages (once, and again when the lock file changed since), and a few
# packages of Debian. Then compiles the sources into Node's compile cache, so that the first start is as light as the second.
# Run by `npm start` and `npm test`.
set -eu
cd "$(dirname "$0")/.."
. scripts/packages.sh
stamp=node_modules/.grevy-installed
if [ ! -f "$stamp" ] || [ package-lock.json -nt "$stamp" ]; then
  echo "grevy: installing npm packages (pinned by package-lock.json) ..." >&2
  npm ci --ignore-scripts --no-fund --no-audit --loglevel=error >&2
  touch "$stamp"
fi
need iproute2 ip
need util-linux unshare nsenter setpriv
# The pinned Node is linked against it, an older one need not be.
case $(bin/node --version 2>&1 || true) in *libatomic.so.1*) missing="$missing libatomic1" ;; esac
get "Grevy needs"
bin/node scripts/warm.ts
bin/grevy --version >/dev/null
