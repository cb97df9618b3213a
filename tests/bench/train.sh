#!/bin/sh
# Training beside PyTorch: the same network, the same batch, the same step, one thread each, in turns so that both see the
# same machine: CSV on stdout, the ratios on stderr.    BUILD=build ROUNDS=5 SECONDS_EACH=4 tests/bench/train.sh
set -eu
build=${BUILD:-build} rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-4}
here=$(dirname "$0")
mkdir -p "$build/bench"

python=$(for p in /usr/bin/python3 python3; do "$p" -c 'import torch' 2>/dev/null && echo "$p" && break; done || true)
[ -n "$python" ] || echo "without PyTorch; to compare with it: sudo apt-get install python3-torch" >&2

results=$build/bench/train.rounds
: >"$results"
for round in $(seq "$rounds"); do
    for kind in lstm rnn; do
        "$build/captiond" bench train --kind "$kind" --seconds "$seconds" >>"$results"
        # PyTorch's own setting does not reach the BLAS that it calls.
        [ -z "$python" ] || OPENBLAS_NUM_THREADS=1 "$python" "$here/train_torch.py" --kind "$kind" --seconds "$seconds" >>"$results"
    done
    echo "round $round of $rounds" >&2
done

echo "implementation,kind,captions_per_second,gflops,sgemm_gflops,simd,blas"
grep -v '^implementation' "$results"

"$here/plot.py" captions_per_second "$build/bench/train.svg" <"$results"

awk -F, '
    $1 == "implementation" { next }
    $3 > rate[$1, $2] { rate[$1, $2] = $3 }
    $1 == "captiond" && $4 > gflops[$2] { gflops[$2] = $4 }
    $1 == "captiond" && $5 > peak[$2] { peak[$2] = $5 }
    { kinds[$2] }
    END {
        for (kind in kinds) {
            printf "%s: captiond %.0f captions/s, %.1f GFLOP/s where sgemm reaches %.1f", kind, rate["captiond", kind],
                gflops[kind], peak[kind]
            if (rate["pytorch", kind])
                printf "; PyTorch %.0f captions/s; speed ratio %.2f", rate["pytorch", kind],
                    rate["captiond", kind] / rate["pytorch", kind]
            print ""
        }
    }' "$results" >&2
