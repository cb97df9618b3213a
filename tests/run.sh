#!/bin/sh
# Runs every test program named, each on its own, and closes with one line: N passed, N failed, N skipped.
# Each program is a cmocka group; its XML-free summary is read from TAP output.
set -u

passed=0 failed=0 skipped=0
for program in "$@"; do
    name=${program#"${BUILD:-build}"/tests/}
    log=$(mktemp)
    CMOCKA_MESSAGE_OUTPUT=TAP timeout "${TEST_TIMEOUT:-600}" "$program" >"$log" 2>&1
    status=$?
    ok=$(grep -c '^ok ' "$log")
    skip=$(grep -c '^ok .*# SKIP' "$log")
    bad=$(grep -c '^not ok ' "$log")
    # A program that died, or ended badly without saying which test failed, is itself one failure.
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    if [ "$((ok + bad))" -eq 0 ]; then bad=1; echo "$name ran no test"; fi
    passed=$((passed + ok - skip)) failed=$((failed + bad)) skipped=$((skipped + skip))
    if [ "$bad" -eq 0 ]; then
        echo "ok    $name ($ok)"
    else
        echo "FAIL  $name (exit status $status)"
        sed 's/^/      /' "$log"
    fi
    rm -f "$log"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
