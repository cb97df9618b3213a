#!/bin/sh
# The encoder beside ONNX Runtime, on the same weights, and beside the convolutions of oneDNN and XNNPACK
# (encoder_kernels.c), in turns so that all see the same machine: CSV on stdout, the ratios on stderr.
#     BUILD=build ROUNDS=5 SECONDS_EACH=2 THREADS="1 2" tests/bench/encoder.sh
#
# Two threads are two pictures at once in captiond, as its workers do, and one picture by two threads in ONNX Runtime:
# so what is compared is pictures a second, of the best round of each.
set -eu
build=${BUILD:-build} rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-2} threads=${THREADS:-1 2}
captiond=$build/captiond modules=$build/bench/node model=$build/bench/encoder.onnx
ort=onnxruntime-node@1.30.0
here=$(dirname "$0")
mkdir -p "$build/bench"

missing=
python=$(for p in /usr/bin/python3 python3; do "$p" -c 'import onnx' 2>/dev/null && echo "$p" && break; done || true)
[ -n "$python" ] || missing="$missing python3-onnx"
command -v npm >/dev/null || missing="$missing npm"
[ -z "$missing" ] || echo "without ONNX Runtime; to compare with it: sudo apt-get install$missing" >&2

peer() { # mode and its arguments
    node "$here/encoder_onnx.mjs" "$modules" "$model" "$@"
}

if [ -z "$missing" ]; then
    grep -qs '"version": "1.30.0"' "$modules/node_modules/onnxruntime-node/package.json" ||
        npm install --silent --ignore-scripts --no-audit --no-fund --prefix "$modules" "$ort" >&2
    "$python" "$here/encoder_onnx.py" weights/efficientnet-b0.safetensors "$model"
    peer check "$captiond"
fi

kernels=$build/bench/encoder_kernels
cc -O2 -std=c11 -D_GNU_SOURCE -I. -o "$kernels" "$here/encoder_kernels.c" model/encoder/encoder_network.c \
    -ldnnl -lXNNPACK -lpthreadpool -lm 2>/dev/null || {
    kernels=
    echo "without oneDNN and XNNPACK; to compare: sudo apt-get install libdnnl-dev libxnnpack-dev libpthreadpool-dev" >&2
}

results=$build/bench/encoder.rounds
: >"$results"
for round in $(seq "$rounds"); do
    for n in $threads; do
        "$captiond" bench encoder --threads "$n" --seconds "$seconds" >>"$results"
        [ -n "$missing" ] || peer time "$n" 1 "$seconds" >>"$results"
        [ -z "$kernels" ] || [ "$n" -gt 1 ] || OMP_NUM_THREADS=1 "$kernels" "$seconds" >>"$results"
    done
    echo "round $round of $rounds" >&2
done

echo "implementation,threads,batch,images,images_per_second,ms_per_image,best_latency_ms,gflops,sgemm_gflops,simd,blas"
grep -v '^implementation' "$results"

"$here/plot.py" images_per_second "$build/bench/encoder.svg" <"$results"

awk -F, '
    $1 == "implementation" { next }
    $5 > rate[$1, $2] { rate[$1, $2] = $5 }
    $1 == "captiond" && $8 > gflops[$2] { gflops[$2] = $8 }
    $1 == "captiond" && $9 > peak[$2] { peak[$2] = $9 }
    { threads[$2] }
    END {
        for (n in threads) {
            ours = rate["captiond", n]
            printf "%d thread(s): captiond %.1f pictures/s, %.1f GFLOP/s where sgemm reaches %.1f", n, ours, gflops[n],
                peak[n]
            for (i = 1; i <= split("onnxruntime-node onednn-convolutions xnnpack-convolutions", peers, " "); i++)
                if ((peers[i], n) in rate)
                    printf "; %s %.1f pictures/s, time ratio %.2f", peers[i], rate[peers[i], n], rate[peers[i], n] / ours
            print ""
        }
    }' "$results" >&2
