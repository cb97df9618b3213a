#!/bin/sh
# Runs each fuzzer named for FUZZ_SECONDS (default 20), from the seeds of tests/fuzz/corpus and the picture fixtures. What
# it finds new is kept in build/fuzz/corpus, so that longer and later runs go on from there. A crash ends the run, with a
# file that repeats it: put that into tests/fuzz/corpus when the fault is mended.
set -eu

for program in "$@"; do
    name=$(basename "$program" | sed 's/^fuzz_//')
    found=build/fuzz/corpus/$name log=build/fuzz/$name.log
    seeds=
    [ -d "tests/fuzz/corpus/$name" ] && seeds="tests/fuzz/corpus/$name"
    [ "$name" = image ] && seeds="$seeds tests/fixtures/images"
    dictionary=tests/fuzz/$name.dict
    [ -f "$dictionary" ] || dictionary=tests/fuzz/image.dict
    mkdir -p "$found" build/fuzz/crashes
    # shellcheck disable=SC2086  # a list of directories is meant
    if ! "$program" -max_total_time="${FUZZ_SECONDS:-20}" -timeout=10 -rss_limit_mb=2048 -max_len=8192 \
        -dict="$dictionary" -artifact_prefix="build/fuzz/crashes/$name-" "$found" $seeds >"$log" 2>&1; then
        tail -n 60 "$log"
        exit 1
    fi
    echo "ok    $name: $(grep '^Done' "$log"), $(find "$found" -type f | wc -l) inputs kept"
done
