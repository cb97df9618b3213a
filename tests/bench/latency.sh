#!/bin/sh
# What a training costs those who caption meanwhile: CSV on stdout, a table on stderr.
#     BUILD=build REQUESTS=100 ROUNDS=2 tests/bench/latency.sh
set -eu
exec "$(dirname "$0")/latency.py" --captiond "${BUILD:-build}/captiond" --requests "${REQUESTS:-100}" --rounds "${ROUNDS:-2}"
