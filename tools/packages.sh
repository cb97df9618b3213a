#!/bin/sh
# Makes sure the Debian packages of the named groups are there: installs what is missing when it may (root, or sudo
# without a password), otherwise prints the exact line to type.       usage: tools/packages.sh [--line] GROUP...
# --line only prints the line that installs all of them.
set -eu

packages_of() {
    case $1 in
    build) echo pkg-config libseccomp-dev libmicrohttpd-dev libcjson-dev libopenblas-dev nettle-dev zlib1g-dev libjpeg62-turbo-dev libpng-dev libstb-dev libsqlite3-dev \
        libarchive-dev libexempi-dev libwebp-dev liblcms2-dev libtiff-dev libheif-dev libde265-dev ;;
    test) echo libcmocka-dev libcurl4-openssl-dev python3-onnx ;;
    browser) command -v npm >/dev/null && echo chromium || echo chromium nodejs npm ;; # node may come from elsewhere
    screenshots) echo fonts-inter fonts-sil-charis ;;
    clients) echo nodejs npm ;;
    deploy) echo haproxy nginx-light curl ca-certificates python3-yaml mandoc systemd debootstrap buildah ;;
    fuzz) echo clang libclang-rt-dev ;;
    format) echo clang-format ;;
    mpi) echo libopenmpi-dev openmpi-bin ;;
    *) echo "$0: unknown group $1" >&2; return 2 ;;
    esac
}

print=
[ "${1:-}" != --line ] || { print=1; shift; }
wanted=
for group in "$@"; do
    wanted="$wanted $(packages_of "$group")"
done

[ -z "$print" ] || { echo "sudo apt-get install -y --no-install-recommends$wanted"; exit 0; }

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
