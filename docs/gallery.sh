#!/bin/sh
# `make gallery`: makes the pictures of docs/GALLERY.md again, by the commands that stand there under each.
#     docs/gallery.sh [CAPTIOND]
#
# The photos are CC0 (tests/photos.sh). captiond writes PNG; Debian's python3-pil makes the small JPEGs that are kept.
set -eu
cd "$(dirname "$0")/.."
captiond=${1:-build/captiond}
work=build/gallery
mkdir -p "$work" docs/gallery
tests/photos.sh

# Each line of the page that begins with four blanks and "captiond" is a command; its --out becomes a JPEG.
sed -n 's/^    captiond //p' docs/GALLERY.md | while read -r arguments; do
    echo "captiond $arguments" >&2
    # shellcheck disable=SC2086 # a list of words
    "$captiond" $arguments 2>/dev/null
done

/usr/bin/python3 - <<'END'
import glob, os
from PIL import Image
for path in glob.glob("build/gallery/*.png"):
    image = Image.open(path).convert("RGB")
    for quality in (88, 80, 70, 60, 50):
        out = "docs/gallery/" + os.path.basename(path)[:-4] + ".jpg"
        image.save(out, quality=quality, optimize=True)
        if os.path.getsize(out) < 60000:
            break
END
