#!/bin/sh
# Does a fooled picture fool anybody else? `captiond fool` writes a PNG; a decoder and a network that share no code with
# captiond (a few lines of JavaScript, ONNX Runtime) read and classify it. Prints TAP; without node, npm or python3-onnx
# it says so and is skipped.    BUILD=build tests/fooled.sh
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build} runtime=onnxruntime-node@1.19.2
modules=build/bench/node model=build/bench/encoder-logits.onnx
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip() {
    echo "1..1"
    echo "ok 1 - a_fooled_picture_fools_onnx_runtime # SKIP $1"
    exit 0
}

python=$(for p in /usr/bin/python3 python3; do "$p" -c 'import onnx' 2>/dev/null && echo "$p" && break; done || true)
[ -n "$python" ] || skip "needs python3-onnx"
command -v npm >/dev/null || skip "needs npm"
mkdir -p "$modules"
[ -d "$modules/node_modules/onnxruntime-node" ] ||
    npm install --silent --ignore-scripts --no-audit --no-fund --prefix "$modules" "$runtime" >"$work/npm" 2>&1 ||
    skip "npm cannot install $runtime: $(tail -n 1 "$work/npm")"
"$python" tests/bench/encoder_onnx.py weights/efficientnet-b0.safetensors "$model" logits || exit 1

echo "1..2"
count=0 failures=0
for class in 859 1; do # toaster, goldfish
    count=$((count + 1))
    if "$build/captiond" fool --class $class --out "$work/$class.png" tests/fixtures/images/baseline.jpg >"$work/log" 2>&1 &&
        node tests/fooled.mjs "$modules" "$model" "$work/$class.png" $class >>"$work/log" 2>&1; then
        echo "ok $count - a_picture_fooled_into_class_${class}_fools_onnx_runtime"
    else
        failures=$((failures + 1))
        echo "not ok $count - a_picture_fooled_into_class_${class}_fools_onnx_runtime"
    fi
    sed 's/^/# /' "$work/log"
done
[ $failures -eq 0 ]
