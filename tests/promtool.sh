#!/bin/sh
# Puts promtool into build/tools for tests/integration/test_metrics.c, which has it check /metrics. It comes with Debian's
# prometheus, whose archive is unpacked, not installed: that would start a server. Without a network this says so, and
# the test reports itself skipped.
set -u
cd "$(dirname "$0")/.." || exit 1
[ -x build/tools/promtool ] && exit 0

mkdir -p build/tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
if (cd "$work" && apt-get -qq download prometheus && dpkg-deb -x ./*.deb unpacked) >"$work/log" 2>&1; then
    cp "$work/unpacked/usr/bin/promtool" build/tools/
else
    echo "no promtool (build/tools): $(tail -n 1 "$work/log")" >&2
fi
