#!/bin/sh
# Runs each fuzzer named for FUZZ_SECONDS (default 20), TEST_JOBS at once, from the seeds of tests/fuzz/corpus and, for
# those of images, from the fixtures of their format. What it finds new is kept in build/fuzz/corpus, so that longer and
# later runs go on from there. A crash is a failure, with a file that repeats it: put that into tests/fuzz/corpus when
# the fault is mended.
# Closes with the line of tests/run.sh: N passed, N failed, N skipped.
set -u

if [ "${1:-}" = --one ]; then
    name=$(basename "$2" | sed 's/^fuzz_//')
    found=build/fuzz/corpus/$name log=build/fuzz/$name.log
    seeds=
    [ -d "tests/fuzz/corpus/$name" ] && seeds="tests/fuzz/corpus/$name"
    case $name in
    image) kinds='*.*' ;;
    jpeg) kinds='*.jpg' ;;
    tiff) kinds='*.tif' ;;
    heif) kinds='*.[ha][ev]i[cf]' ;;
    bmp | gif | png | webp) kinds="*.$name" ;;
    *) kinds= ;;
    esac
    if [ "$kinds" ]; then
        mkdir -p "build/fuzz/seeds/$name"
        find tests/fixtures/images -name "$kinds" ! -name '*.sh' ! -name '*.py' -exec cp {} "build/fuzz/seeds/$name" \;
        seeds="$seeds build/fuzz/seeds/$name"
    fi
    dictionary=tests/fuzz/$name.dict
    [ -f "$dictionary" ] || dictionary=tests/fuzz/image.dict
    mkdir -p "$found" build/fuzz/crashes
    # shellcheck disable=SC2086  # a list of directories is meant
    if "$2" -max_total_time="${FUZZ_SECONDS:-20}" -timeout=10 -rss_limit_mb=2048 -max_len=8192 \
        -dict="$dictionary" -artifact_prefix="build/fuzz/crashes/$name-" "$found" $seeds >"$log" 2>&1; then
        echo "ok    $name: $(grep '^Done' "$log"), $(find "$found" -type f | wc -l) inputs kept"
    else
        echo "FAIL  $name"
        tail -n 60 "$log"
    fi
    exit
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
printf '%s\0' "$@" | xargs -0 -r -n 1 -P "${TEST_JOBS:-$(nproc)}" "$0" --one | tee "$log"
failed=$(grep -c '^FAIL ' "$log")
echo "$(grep -c '^ok ' "$log") passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
