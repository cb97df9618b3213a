#!/bin/sh
# Runs every test program named, TEST_JOBS (as many as there are cores) at once, and closes with one line:
# N passed, N failed, N skipped. Each has ports and folders of its own; a line now and then tells which are running.
# The programs are cmocka groups (or scripts) that print TAP; TEST_TIMEOUT bounds each one's seconds.
#
# What was skipped is named at the end. Under CI=true a program that could run nothing at all is a failure, unless
# tests/may_skip names it with the reason.
set -u

name_of() { echo "${1#"${BUILD:-build}"/}"; }

# Runs one program; prints how it went, and leaves its counts and what it skipped in $results. Prints under a lock, so
# that programs that end at the same time do not mix their lines.
run_one() {
    name=$(name_of "$1")
    place=$results/$(echo "$name" | tr / _)
    begun=$(date +%s)
    echo "$name" >"$place.running"
    CMOCKA_MESSAGE_OUTPUT=TAP timeout "${TEST_TIMEOUT:-900}" "$1" >"$place.log" 2>&1
    status=$?
    rm "$place.running"
    skip=$(grep -c '^\(not \)\?ok .*# SKIP' "$place.log")
    good=$(grep '^ok ' "$place.log" | grep -vc '# SKIP')
    bad=$(grep '^not ok ' "$place.log" | grep -vc '# SKIP')
    # A program that died, or that ran nothing, is itself one failure.
    if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$((good + skip))" -eq 0 ]; }; then bad=1; fi
    if [ "$good" -eq 0 ] && [ "$bad" -eq 0 ] && [ "${CI:-}" = true ] &&
        ! grep -q "^$name " "$(dirname "$0")/may_skip"; then
        echo "not ok 0 - nothing of it could run, and tests/may_skip does not name it" >>"$place.log"
        bad=1
    fi
    # "ok 1 - sentence # SKIP reason" of scripts, "ok 1 # SKIP sentence" of cmocka
    grep '^\(not \)\?ok .*# SKIP' "$place.log" | sed -E "s,^(not )?ok [0-9]* ?-? ?,$name: ,; s,# SKIP,-," >"$place.skips"
    echo "$good $bad $skip" >"$place.counts"
    {
        flock 9
        if [ "$bad" -eq 0 ]; then
            echo "ok    $name: $good passed, $skip skipped, $(($(date +%s) - begun)) s"
        else
            echo "FAIL  $name: exit status $status"
            sed 's/^/      /' "$place.log"
        fi
    } 9>"$results/lock"
}

if [ "${1:-}" = --one ]; then
    run_one "$2"
    exit
fi

# An OpenBLAS older than the processor falls back to kernels for an old one. captiond corrects that itself
# (caption_blas_advice); the test programs need the variable, and run several times as fast with it.
case ${OPENBLAS_CORETYPE:-}$(grep -m 1 ^flags /proc/cpuinfo 2>/dev/null) in
flags*avx512vl*) export OPENBLAS_CORETYPE=SkylakeX ;;
flags*avx2*) export OPENBLAS_CORETYPE=Haswell ;;
esac

results=$(mktemp -d)
export results
trap 'kill "$ticker" 2>/dev/null; rm -rf "$results"' EXIT
total=$#
while sleep 30; do
    running=$(cat "$results"/*.running 2>/dev/null | tr '\n' ' ')
    echo "      $(find "$results" -name '*.counts' | wc -l) of $total done, running: $running"
done &
ticker=$!
printf '%s\0' "$@" | xargs -0 -r -n 1 -P "${TEST_JOBS:-$(nproc)}" "$0" --one

cat "$results"/*.skips | sed 's/^/skipped: /'
cat "$results"/*.counts | awk '
    { passed += $1; failed += $2; skipped += $3 }
    END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 }'
