#!/bin/sh
# Puts two CC0 photos into build/photos for tests/unit/test_encoder_photos.c: a cat (chelsea.png, by Stefan van der
# Walt) and an espresso (coffee.png, by Rachel Michetti). They are the sample data of Debian's python3-skimage, whose
# archive is unpacked, not installed: it would bring a hundred other packages along. Without a network this says so, and
# the test reports itself skipped.
set -u
cd "$(dirname "$0")/.." || exit 1
[ -f build/photos/chelsea.png ] && [ -f build/photos/coffee.png ] && exit 0

mkdir -p build/photos
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
if (cd "$work" && apt-get -qq download python3-skimage && dpkg-deb -x ./*.deb unpacked) >"$work/log" 2>&1; then
    cp "$work"/unpacked/usr/lib/python3/dist-packages/skimage/data/chelsea.png \
        "$work"/unpacked/usr/lib/python3/dist-packages/skimage/data/coffee.png build/photos/
else
    echo "no sample photos (build/photos): $(tail -n 1 "$work/log")" >&2
fi
