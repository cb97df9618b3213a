#!/bin/sh
# Puts the clients of package.json into build/clients for tests/clients.sh, with Debian's nodejs and npm if there are
# none. Without a network this says so, and the tests that need them report themselves skipped.
set -u
cd "$(dirname "$0")/../.." || exit 1
cmp -s tests/clients/package.json build/clients/package.json && exit 0

command -v npm >/dev/null || tools/packages.sh clients || exit 0
rm -rf build/clients
mkdir -p build/clients.new
cp tests/clients/package.json build/clients.new/
if (cd build/clients.new && npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error) \
    >build/clients.new/log 2>&1; then
    mv build/clients.new build/clients
else
    echo "no clients from npm (build/clients): $(tail -n 1 build/clients.new/log)" >&2
    rm -rf build/clients.new
fi
