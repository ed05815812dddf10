#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time each:  scripts/fuzz.sh [TIME] [PACKAGE...]
#
# Targets are found, not listed, so that a new decoder's target is run from the day it is written.
# `go test -fuzz` now and then reports the end of its own time budget as a failure ("context deadline
# exceeded") with no input to show for it; that alone is not counted, a failing input always is.
set -euo pipefail
cd "$(dirname "$0")/.."

time="${1:-10s}"
shift || true
packages=("${@:-./...}")

log="$(mktemp)"
trap 'rm -f "$log"' EXIT

targets=0
failed=0
while read -r package dir; do
	for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | cut -d' ' -f2); do
		targets=$((targets + 1))
		echo "fuzz $target  ($package, $time)"
		if ! go test -run '^$' -fuzz "^${target}\$" -fuzztime "$time" "$package" >"$log" 2>&1 </dev/null; then
			if grep -q 'Failing input written to' "$log" || ! grep -q 'context deadline exceeded' "$log"; then
				cat "$log"
				failed=$((failed + 1))
			fi
		fi
	done
done < <(go list -f '{{.ImportPath}} {{.Dir}}' "${packages[@]}")

echo "fuzz: $targets targets, $failed failed"
[ "$failed" -eq 0 ]
