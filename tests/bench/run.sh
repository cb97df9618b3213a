#!/bin/sh
# `make bench`: every measurement of this directory, one after the other; CSV in build/bench, the comparison on stderr.
# To run one alone: BUILD=build tests/bench/encoder.sh
set -eu
build=${BUILD:-build}
mkdir -p "$build/bench"
for bench in caption encoder gradient train latency photos; do
    echo "== $bench" >&2
    "$(dirname "$0")/$bench.sh" >"$build/bench/$bench.csv"
    echo "   $build/bench/$bench.csv" >&2
done
"$(dirname "$0")/speed.py" collect "$build/bench" >"$build/bench/speed.csv"
"$(dirname "$0")/speed.py" draw "$build/bench/speed.csv" "$build/bench/speed.svg"
