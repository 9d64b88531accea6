#!/bin/sh
# Installs the npm packages once, and again when the lock file changed since; then compiles the sources into Node's compile
# cache, so that the first start is as light as the second. Run by `npm start` and `npm test`.
set -eu
cd "$(dirname "$0")/.."
stamp=node_modules/.grevy-installed
if [ ! -f "$stamp" ] || [ package-lock.json -nt "$stamp" ]; then
  echo "grevy: installing npm packages (pinned by package-lock.json) ..." >&2
  npm ci --ignore-scripts --no-fund --no-audit --loglevel=error >&2
  touch "$stamp"
fi
bin/node scripts/warm.ts
bin/grevy --version >/dev/null
