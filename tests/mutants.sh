#!/bin/bash
# Do the daemon's tests notice when its code is wrong? Plants one fault at a time in server/, links the test that is to
# notice (or the daemon that it starts) with it, and demands that the test fails. Prints TAP, as the other tests do.
#
#     mutant FILE TEST SENTENCE OLD NEW
#
# replaces OLD, which must stand in FILE exactly once, by NEW and compiles that file in front of libserver.a, whose own copy
# the linker then leaves out. TEST is a program of tests/unit or tests/integration. Needs CC, CFLAGS, BUILD, SUPPORT (objects)
# and MUTANT_LINK (flags and libraries) from the Makefile. TEST_JOBS faults are tried at once.
set -u
cd "$(dirname "$0")/.." || exit 1

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
. tests/support/verdict.sh
. tests/support/replace.sh
ln -s "$PWD/weights" "$directory/weights"

# Links the test, and for tests of the whole a daemon beside it, with a faulty object in front; prints what went wrong.
# shellcheck disable=SC2086 # CFLAGS and MUTANT_LINK are lists of words
build() { # faulty source, test
    local own=$BUILD/tests/$2.o
    mkdir -p "$here/$(dirname "tests/$2")"
    $CC $CFLAGS -O1 -g0 -w -c -o "$here/faulty.o" "$1" 2>&1 || return
    case $2 in
    unit/*) $CC -o "$here/tests/$2" "$own" "$here/faulty.o" $SUPPORT $MUTANT_LINK 2>&1 ;;
    *) $CC -o "$here/captiond" "$BUILD/server/app/main.o" "$here/faulty.o" $MUTANT_LINK 2>&1 &&
        cp "$BUILD/tests/$2" "$here/tests/$2" ;;
    esac
}

# Prints why the fault was not noticed.
try() { # file, test, old, new
    local reason here
    here=$(mktemp -d -p "$directory")
    if ! replace "$1" "$3" "$4" >"$here/faulty.c"; then
        echo "this does not stand exactly once in $1: $3"
    else
        reason=$(build "$here/faulty.c" "$2")
        if [ -n "$reason" ]; then
            echo "$reason"
        else
            CMOCKA_MESSAGE_OUTPUT=TAP timeout 300 "$here/tests/$2" >"$here/log" 2>&1 && echo "the test has passed"
            grep -q '^not ok ' "$here/log" || { echo "no test has failed"; tail -3 "$here/log"; }
        fi
    fi
    rm -rf "$here"
}

planted=0 sentences=()
mutant() { # file, test, sentence, old, new
    while [ "$(jobs -rp | wc -l)" -ge "${TEST_JOBS:-$(nproc)}" ]; do wait -n; done
    try "$1" "$2" "$4" "$5" >"$directory/reason.$planted" &
    sentences[planted]="$2 catches: $3"
    planted=$((planted + 1))
}

at=server/http/json.c
mutant $at unit/test_json "no limit of depth" 'depth > MAX_DEPTH || ' ''
mutant $at unit/test_json "one level more" 'depth > MAX_DEPTH' 'depth > MAX_DEPTH + 1'
mutant $at unit/test_json "no limit of values" ' || values > MAX_VALUES' ''
mutant $at unit/test_json "one value fewer" 'values > MAX_VALUES' 'values >= MAX_VALUES'

at=server/work/queue.c
mutant $at unit/test_queue "Retry-After of one worker" ' / q->limits.workers / 1000' ' / 1000'
mutant $at unit/test_queue "Retry-After is always a second" 'return seconds < 1 ? 1 :' 'return seconds >= 0 ? 1 :'
mutant $at unit/test_queue "Retry-After rounded down" '(int)ceil(seconds)' '(int)seconds'
mutant $at unit/test_queue "Retry-After without an upper bound" 'seconds > 60 ? 60 : ' ''
mutant $at unit/test_queue "the first worker takes everything" 'q->limits.batch_wait_ms > 0 ? 1 : q->idle + 1' '1'
mutant $at unit/test_queue "workers that are busy get a share" '? 1 : q->idle + 1' '? 1 : q->limits.workers'

at=server/engine/results.c
mutant $at unit/test_results "impossible alternatives are told" 'i == 0 || !isinf(results[i].logprob)' '1'
mutant $at unit/test_results "an impossible best caption is dropped" 'i == 0 || !isinf' '!isinf'

mutant server/engine/models.c integration/test_models "a change in the same tick is missed" \
    'return time(NULL) - changed->tv_sec >= COARSE_S;' 'return changed != NULL;'
mutant server/engine/registry.c integration/test_models "the default moves when another model is deleted" \
    'r->standard -= r->standard > i;' ''
mutant server/http/http.c integration/test_access "no challenge in the midst of a body" 'r->status == 401' 'r->status == 402'

wait
for ((i = 0; i < planted; i++)); do verdict "${sentences[i]}" "$(cat "$directory/reason.$i")"; done
echo "1..$count"
[ "$failures" -eq 0 ]
