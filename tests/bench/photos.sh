#!/bin/sh
# Whole requests beside a Node server with sharp and ONNX Runtime, in turns: photos a second by size and format. CSV on
# stdout, ratios on stderr.    BUILD=build ROUNDS=3 SECONDS_EACH=2 CLIENTS=4 SIDES="224 4032" tests/bench/photos.sh
#
# captiond captions each photo; the Node server only encodes it: sharp decodes and resizes to 224 x 224, ONNX Runtime runs
# the same network. Photos are made by sharp out of one of docs/images, enlarged and with noise, as cameras have.
set -eu
build=${BUILD:-build}
modules=$build/bench/photos-node model=$build/bench/encoder.onnx here=$(dirname "$0")
mkdir -p "$build/bench"

python=$(for p in /usr/bin/python3 python3; do "$p" -c 'import onnx' 2>/dev/null && echo "$p" && break; done || true)
command -v npm >/dev/null && [ -n "$python" ] || {
    echo "nothing to compare with: sudo apt-get install npm python3-onnx" >&2
    exit 0
}
[ -d "$modules/node_modules/sharp" ] ||
    npm install --silent --ignore-scripts --no-audit --no-fund --prefix "$modules" onnxruntime-node@1.30.0 sharp@0.34.5 >&2
[ -f "$model" ] || "$python" "$here/encoder_onnx.py" weights/efficientnet-b0.safetensors "$model"
exec node "$here/photos.mjs" "$modules" "$model" "$build"
