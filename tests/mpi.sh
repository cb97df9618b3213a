#!/bin/bash
# `mpirun -n K captiond train`: several processes learn what one does, always the same, and end together. Needs captiond
# built with MPI=1 in $BUILD (`make check-mpi`). Prints TAP, as the other tests do.
#
# The pictures are the image fixtures, their captions the file names. All batches have 7 captions but the last, so that
# shares differ in size, and with five processes some get nothing of it.
set -u
cd "$(dirname "$0")/.." || exit 1

captiond=${BUILD:-build/mpi}/captiond
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
. tests/support/verdict.sh

# Root is who runs CI; loopback is enough for processes on one machine, which may have fewer cores than processes.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl=self,vader,tcp OMPI_MCA_btl_tcp_if_include=lo
export OMPI_MCA_oob_tcp_if_include=lo OMPI_MCA_hwloc_base_binding_policy=none

pictures=tests/fixtures/images
for picture in $pictures/*.png $pictures/rgb*.bmp $pictures/r*.jpg; do
    name=$(basename "$picture") words=$(basename "${picture%.*}" | tr _ ' ')
    printf '%s\ta picture that is %s\n%s\t%s\n' "$name" "$words" "$name" "$words"
done >"$directory/captions.tsv"

arguments() { # weight file, more: prints the command line of a small run, from scratch unless there is a base
    local out=$1 begin="--from-scratch --minimum-captions 1 --hidden 48 --words 16"
    shift
    case " $* " in *" --base "*) begin= ;; esac
    echo "$captiond" train --images $pictures --captions "$directory/captions.tsv" --dev "$directory/captions.tsv" $begin \
        --out "$directory/$out" --minimum-count 1 --batch 7 --epochs 4 --patience 0 --feature-dropout 0.1 --threads 1 "$@"
}

# Runs mpirun with these arguments; prints how it ended if not with this status and a log that matches the pattern.
launch() { # status, pattern, arguments of mpirun
    local status=0 wanted=$1 pattern=$2
    shift 2
    timeout 120 mpirun "$@" >"$directory/log" 2>&1 || status=$?
    [ "$status" -eq "$wanted" ] && grep -q -e "$pattern" "$directory/log" && return
    echo "exit status $status, not $wanted with \"$pattern\""
    head -5 "$directory/log"
}

# The numbers of a weight file, one a line: behind a length and so many bytes of header there are half floats.
weights() {
    local header
    header=$(od -An -t u8 -N 8 "$directory/$1" | tr -d ' ')
    od -An -v -t u2 -w2 -j $((8 + header)) "$directory/$1" | awk '{
        exponent = int($1 / 1024) % 32; fraction = $1 % 1024 / 1024
        print ($1 >= 32768 ? -1 : 1) * (exponent ? (1 + fraction) * 2 ^ (exponent - 15) : fraction * 2 ^ -14) }'
}

# Compares two files' weights in units of the half-float precision (plus 1e-5). Prints the differences unless the mean is
# at most 0.01 units and at most one weight in 4,000 differs by more than two (and by no more than 32). Processes add
# gradients in different orders; where a gradient is as small as that rounding, Adam's division by its size magnifies it.
compare() {
    paste <(weights "$1") <(weights "$2") | awk '
        { d = $1 - $2; d = d < 0 ? -d : d; unit = ($1 < 0 ? -$1 : $1) / 1024 + 1e-5; sum += d / unit }
        d / unit > most { most = d / unit }
        d / unit > 2 { far++ }
        END { if (!(NR > 1000 && far <= NR / 4000 && most <= 32 && sum / NR <= 0.01))
                  print "of", NR, "weights:", far, "far off, largest", most, "mean", sum / NR }'
}

# shellcheck disable=SC2046 # arguments prints words
{
    reason=$(launch 0 "epoch 4/4" -n 1 $(arguments one) && launch 0 "epoch 4/4" -n 2 $(arguments two) && compare one two)
    verdict "two processes learn what one does" "$reason"

    reason=$(launch 0 "epoch 4/4" -n 5 $(arguments five) && compare one five)
    verdict "five processes do, though some find no work in a batch" "$reason"

    reason=$(launch 0 "epoch 4/4" -n 2 $(arguments again) && cmp "$directory/two" "$directory/again" 2>&1)
    verdict "two processes learn the same bytes again" "$reason"

    reason=$(launch 0 "epoch 4/4" -n 1 $(arguments other --seed 2))
    [ -n "$reason" ] || [ -n "$(compare one other)" ] || reason="another seed makes no difference"
    verdict "the comparison sees another seed" "$reason"

    rewarded="--samples 3 --base $directory/one"
    reason=$(launch 0 "epoch 4/4" -n 1 $(arguments one_rewarded $rewarded) &&
        launch 0 "epoch 4/4" -n 2 $(arguments two_rewarded $rewarded) && compare one_rewarded two_rewarded)
    verdict "rewards teach two processes what they teach one" "$reason"

    reason=$(launch 0 "epoch 4/4" -n 1 $(arguments one_looking --kind attention) &&
        launch 0 "epoch 4/4" -n 2 $(arguments two_looking --kind attention) && compare one_looking two_looking)
    verdict "two processes learn where to look as one does" "$reason"

    reason=$(launch 0 "" -n 2 $(arguments two) && [ "$(grep -c 'epoch 4/4: dev' "$directory/log")" -ne 1 ] &&
        tail -3 "$directory/log")
    verdict "only the first process reports" "$reason"

    # From here on, the second process is started with arguments of its own, or alone gets a signal.
    sed '$d' "$directory/captions.tsv" >"$directory/fewer.tsv"
    reason=$(launch 2 "process 1 on .*: other options or data" \
        -n 1 $(arguments never) : -n 1 $(arguments never --captions "$directory/fewer.tsv"))
    verdict "processes with different data refuse to start" "$reason"

    mkdir "$directory/broken"
    cp $pictures/*.* "$directory/broken"
    echo BM >"$directory/broken/rgb.png"
    reason=$(launch 1 "process 1 on .*/broken/rgb.png: " \
        -n 1 $(arguments never) : -n 1 $(arguments never --images "$directory/broken"))
    verdict "what fails in one process ends all and is told by the first" "$reason"

    long=$(printf '%0250d' 0) # no room for the suffix of the file that becomes it
    reason=$(launch 1 "captiond train: $directory/$long" -n 2 $(arguments "$long" --checkpoint "$directory/never.checkpoint"))
    verdict "weights that cannot be written end all" "$reason"

    # Kills every process with this word on its command line: timeout, mpirun and what that started. Returns when none is left.
    kill_all() { # word
        local left=1 process
        while [ -n "$left" ]; do
            left=
            for process in /proc/[0-9]*; do
                ! grep -qsF -- "$1" "$process/cmdline" || { left=1 && kill -KILL "${process#/proc/}" 2>/dev/null; }
            done
        done
    }

    # Signals the second process as soon as the first epoch is scored, then waits.
    signal_second() { # signal, weight file
        : >"$directory/log"
        timeout 120 mpirun -n 1 $(arguments "$2" --epochs 100000) : \
            -n 1 sh -c 'echo $$ >"$0"; exec "$@"' "$directory/pid" $(arguments "$2" --epochs 100000) \
            >"$directory/log" 2>&1 &
        until grep -q "epoch 1/100000: dev" "$directory/log" || ! kill -0 $!; do sleep 0.1; done
        kill "-$1" "$(cat "$directory/pid")"
        wait $!
    }

    signal_second KILL killed
    status=$?
    reason=
    [ "$status" -ne 0 ] && [ "$status" -ne 124 ] || reason="exit status $status"
    verdict "a process that is killed ends all" "$reason"

    signal_second TERM parts
    reason=$(grep -q "stopped after epoch .*; --resume goes on from there" "$directory/log" || tail -3 "$directory/log")
    [ -n "$reason" ] || [ -s "$directory/parts.checkpoint" ] || reason="no checkpoint"
    verdict "a process that is to stop stops all behind a checkpoint" "$reason"

    timeout 120 mpirun -n 2 $(arguments halves --checkpoint-minutes 0) >"$directory/log" 2>&1 &
    until [ -s "$directory/halves.checkpoint" ] || ! kill -0 $!; do sleep 0.05; done
    kill_all "$directory/halves"
    wait $! 2>"$directory/log"
    reason=$(launch 0 "epoch 4/4" -n 2 $(arguments halves --resume) && cmp "$directory/two" "$directory/halves" 2>&1)
    verdict "a killed run resumes to the same bytes" "$reason"
}

plain=${PLAIN:-build/captiond}
arguments never >"$directory/words"
reason=$(launch 1 "made without MPI=1" -n 2 "$plain" $(cut -d ' ' -f 2- "$directory/words"))
verdict "a build without MPI refuses to be one of several" "$reason"

echo "1..$count"
[ "$failures" -eq 0 ]
