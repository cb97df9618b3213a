#!/bin/sh
# Training beside PyTorch: the same network, the same batch, the same step, one thread each, in float and in mixed
# precision, in turns so that all see the same machine: CSV on stdout, the ratios on stderr. PyTorch runs twice: with the
# padding behind the captions computed and masked, and packed.
#   BUILD=build ROUNDS=5 SECONDS_EACH=4 tests/bench/train.sh
set -eu
build=${BUILD:-build} rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-4}
here=$(dirname "$0")
mkdir -p "$build/bench"

# Both multiply with OpenBLAS, and both shall have its kernels for this CPU, not those that the shell holds it to.
unset OPENBLAS_CORETYPE

python=$(for p in /usr/bin/python3 python3; do "$p" -c 'import torch' 2>/dev/null && echo "$p" && break; done || true)
[ -n "$python" ] || echo "without PyTorch; to compare with it: sudo apt-get install python3-torch" >&2

# Mixed precision is for CPUs that have it: others take float, and PyTorch minutes.
precisions=float
"$build/captiond" bench train --mixed --seconds 0.01 | grep -q ',mixed,' && precisions="float mixed"

results=$build/bench/train.rounds
: >"$results"
for round in $(seq "$rounds"); do
    for kind in lstm rnn; do
        for precision in $precisions; do
            flag=$([ "$precision" = float ] || echo --mixed)
            "$build/captiond" bench train --kind "$kind" $flag --seconds "$seconds" >>"$results"
            # PyTorch's own setting does not reach the BLAS that it calls.
            for packed in "" --packed; do
                [ -z "$python" ] || OPENBLAS_NUM_THREADS=1 "$python" "$here/train_torch.py" --kind "$kind" $packed \
                    --precision "$precision" --seconds "$seconds" >>"$results"
            done
        done
    done
    echo "round $round of $rounds" >&2
done

echo "implementation,kind,precision,captions_per_second,gflops,sgemm_gflops,mixed_gflops,simd,blas"
grep -v '^implementation' "$results"

"$here/plot.py" captions_per_second "$build/bench/train.svg" <"$results"

awk -F, '
    $1 == "implementation" { next }
    $4 > rate[$1, $2, $3] { rate[$1, $2, $3] = $4 }
    $1 == "captiond" && $5 > gflops[$2, $3] { gflops[$2, $3] = $5 }
    $1 == "captiond" && $6 > peak["float"] { peak["float"] = $6 }
    $1 == "captiond" && $7 > peak["mixed"] { peak["mixed"] = $7 }
    $1 == "captiond" { runs[$2 "," $3] }
    $1 != "captiond" { peers[$1 "," $3] }
    END {
        for (run in runs) {
            split(run, part, ",")
            mine = rate["captiond", part[1], part[2]]
            printf "%s, %s: captiond %.0f captions/s, %.1f GFLOP/s where a large product reaches %.1f", part[1], part[2],
                mine, gflops[part[1], part[2]], peak[part[2]]
            for (other in peers) {
                split(other, peer, ",")
                printf "; %.2f times the speed of %s in %s (%.0f)", mine / rate[peer[1], part[1], peer[2]], peer[1], peer[2],
                    rate[peer[1], part[1], peer[2]]
            }
            print ""
        }
    }' "$results" >&2
