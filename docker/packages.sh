#!/bin/sh
# Makes sure the Debian packages of the named groups are there: installs what is missing when it may (root, or sudo
# without a password), otherwise prints the exact line to type.
# usage: docker/packages.sh build|test|browser|screenshots|fuzz|mpi...
set -eu

build="pkg-config libmicrohttpd-dev libcjson-dev libopenblas-dev nettle-dev zlib1g-dev libstb-dev libsqlite3-dev"
test="libcmocka-dev libcurl4-openssl-dev"
browser=chromium # and node with npm, wherever they come from
command -v npm >/dev/null || browser="$browser nodejs npm"
screenshots="fonts-inter fonts-sil-charis"
fuzz="clang libclang-rt-dev"
mpi="libopenmpi-dev openmpi-bin"

wanted=
for group in "$@"; do
    case $group in
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test" ;;
    browser) wanted="$wanted $browser" ;;
    screenshots) wanted="$wanted $screenshots" ;;
    fuzz) wanted="$wanted $fuzz" ;;
    mpi) wanted="$wanted $mpi" ;;
    *) echo "$0: unknown group $group" >&2; exit 2 ;;
    esac
done

missing=
for package in $wanted; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "captiond needs these packages; please run:" >&2
        echo "    sudo apt-get install -y --no-install-recommends$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "installing:$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086  # a list of words is meant
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
