#!/bin/sh
# All tests. Those in the virtual machine take about as long as the others together, and mostly wait for its emulated processors:
# they run beside them, and are reported at the end.
set -u
out=$(mktemp)
node --test --test-reporter=spec --test-timeout=900000 'test/vm/*.test.ts' >"$out" 2>&1 &
machine=$!
trap 'kill $machine 2>/dev/null; rm -f "$out"; exit 130' INT TERM HUP
status=0
find test -name '*.test.ts' ! -path 'test/vm/*' | sort |
  xargs node --test --test-concurrency=2 --test-timeout=300000 || status=1
wait $machine || status=1
cat "$out"
rm -f "$out"
exit $status
