#!/bin/sh
# Puts what the browser tests are written with into build/browser. Without npm or a network this says so, and the tests
# report themselves skipped. playwright-core drives the installed chromium: it brings none of its own.
set -u
cd "$(dirname "$0")/../.." || exit 1

modules="playwright-core@1.60.0 axe-core@4.14.1"
[ "$(cat build/browser/installed 2>/dev/null)" = "$modules" ] && exit 0

mkdir -p build/browser
# shellcheck disable=SC2086  # a list of words is meant
if npm install --prefix build/browser --no-save --no-package-lock --no-audit --no-fund --ignore-scripts $modules >build/browser/log 2>&1; then
    echo "$modules" >build/browser/installed
else
    echo "no browser tests (build/browser): $(tail -n 1 build/browser/log)" >&2
fi
