#!/bin/sh
# Puts three CC0 photos into build/photos for the unit tests and the gallery: a cat (chelsea.png, by Stefan van der Walt),
# an espresso (coffee.png, by Rachel Michetti) and a launch (rocket.jpg, by SpaceX). They are the sample data of Debian's python3-skimage, whose
# archive is unpacked, not installed: it would bring a hundred other packages along. Without a network this says so, and
# the test reports itself skipped.
set -u
cd "$(dirname "$0")/.." || exit 1
[ -f build/photos/chelsea.png ] && [ -f build/photos/coffee.png ] && [ -f build/photos/rocket.jpg ] && exit 0

mkdir -p build/photos
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
if (cd "$work" && apt-get -qq download python3-skimage && dpkg-deb -x ./*.deb unpacked) >"$work/log" 2>&1; then
    (cd "$work/unpacked/usr/lib/python3/dist-packages/skimage/data" && cat rocket.jpg >"$work/rocket.jpg" &&
        cat chelsea.png >"$work/chelsea.png" && cat coffee.png >"$work/coffee.png")
    cp "$work"/*.png "$work"/*.jpg build/photos/
else
    echo "no sample photos (build/photos): $(tail -n 1 "$work/log")" >&2
fi
