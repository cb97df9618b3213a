#!/bin/sh
# Clients that exist, unmodified, against a real daemon; and GET /openapi.json against its routes and answers. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1

skip() { echo "1..1"; echo "ok 1 - clients # SKIP $1"; exit 0; }
command -v node >/dev/null || skip "there is no node"

# Node looks for packages beside the script: the scripts go where the packages are.
work=build/clients
mkdir -p "$work"
cp tests/clients/*.mjs "$work"/
exec node "$work/main.mjs"
