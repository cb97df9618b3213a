#!/bin/sh
# The encoder forward and back to the pixels beside PyTorch: the same network and picture size, one thread each, in turns
# so that both see the same machine: CSV on stdout, the ratio on stderr.
#     BUILD=build ROUNDS=5 SECONDS_EACH=3 tests/bench/gradient.sh
#
# PyTorch is timed in both memory layouts, and the better one counts.
set -eu
build=${BUILD:-build} rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-3}
here=$(dirname "$0") weights=weights/efficientnet-b0.safetensors
mkdir -p "$build/bench"

python=$(for p in /usr/bin/python3 python3; do "$p" -c 'import torch' 2>/dev/null && echo "$p" && break; done || true)
[ -n "$python" ] || echo "without PyTorch; to compare with it: sudo apt-get install python3-torch" >&2

# Its own setting does not reach the BLAS that it calls.
torch() {
    OPENBLAS_NUM_THREADS=1 LAYOUT=$1 "$python" "$here/gradient_torch.py" "$weights" time 1 "$seconds"
}

results=$build/bench/gradient.rounds
: >"$results"
for round in $(seq "$rounds"); do
    "$build/captiond" bench gradient --seconds "$seconds" >>"$results"
    if [ -n "$python" ]; then
        torch channels_last >>"$results"
        torch contiguous_format >>"$results"
    fi
    echo "round $round of $rounds" >&2
done

echo "implementation,threads,passes_per_second,ms_per_pass,best_ms"
grep -v '^implementation' "$results"

awk -F, '
    $1 == "implementation" { next }
    !($1 in best) || $5 < best[$1] { best[$1] = $5 }
    END {
        printf "forward and back to the pixels, one thread: captiond %.1f ms", best["captiond"]
        for (name in best)
            if (name ~ /^pytorch/)
                printf "; %s %.1f ms, %.2f times as long", name, best[name], best[name] / best["captiond"]
        print ""
    }' "$results" >&2
