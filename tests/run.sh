#!/bin/sh
# Runs every test program named, each on its own, and closes with one line: N passed, N failed, N skipped.
# The programs are cmocka groups (or scripts) that print TAP; TEST_TIMEOUT bounds each one's seconds.
set -u

passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for program in "$@"; do
    name=${program#"${BUILD:-build}"/}
    begun=$(date +%s)
    CMOCKA_MESSAGE_OUTPUT=TAP timeout "${TEST_TIMEOUT:-900}" "$program" >"$log" 2>&1
    status=$?
    skip=$(grep -c '^\(not \)\?ok .*# SKIP' "$log")
    good=$(grep '^ok ' "$log" | grep -vc '# SKIP')
    bad=$(grep '^not ok ' "$log" | grep -vc '# SKIP')
    # A program that died, or that ran nothing, is itself one failure.
    if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$((good + skip))" -eq 0 ]; }; then bad=1; fi
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + skip))
    if [ "$bad" -eq 0 ]; then
        echo "ok    $name: $good passed, $skip skipped, $(($(date +%s) - begun)) s"
        grep '# SKIP' "$log" | sed 's/.*# SKIP/      skipped:/'
    else
        echo "FAIL  $name: exit status $status"
        sed 's/^/      /' "$log"
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
