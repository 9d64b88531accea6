#!/bin/sh
# All tests. Those in the virtual machine take about as long as the others together, and mostly wait for its emulated processors:
# they run beside them, and are reported after them. What failed is said again at the end.
set -u
out=$(mktemp -d)
node --test --test-reporter=spec --test-timeout=1200000 'test/vm/*.test.ts' >"$out/machine" 2>&1 &
machine=$!
trap 'kill $machine 2>/dev/null; rm -rf "$out"; exit 130' INT TERM HUP
status=0
find test -name '*.test.ts' ! -path 'test/vm/*' | sort |
  xargs node --test --test-concurrency=2 --test-timeout=300000 \
    --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=spec --test-reporter-destination="$out/host" || status=1
wait $machine || status=1
cat "$out/machine"
[ $status = 0 ] || sed -n '/failing tests:/,$p' "$out/host" "$out/machine"
rm -rf "$out"
exit $status
