#!/bin/bash
# Three captionds behind HAProxy, as docker/compose.yaml has them: one is killed under load, then each is restarted in
# turn; every request gets the right caption. Needs haproxy, curl and build/captiond with the shipped weights. Prints
# TAP, as the other tests do.
#
# The configuration is docker/haproxy.cfg; only its names of the container network become ports of this machine. HAProxy
# listens on a socket in the file system, and its statistics say what it knows of the servers.
set -u
cd "$(dirname "$0")/.." || exit 1

captiond=${BUILD:-build}/captiond
for tool in haproxy curl; do
    command -v $tool >/dev/null || { echo "ok 1 - balancer # SKIP $tool is not installed" && echo 1..1 && exit; }
done

directory=$(mktemp -d)
declare -A pids
end() {
    kill -KILL "${pids[@]}" 2>/dev/null
    wait
    rm -rf "$directory"
}
trap end EXIT
. tests/support/verdict.sh

# Waits until a command succeeds; gives up only when a test that hangs would be worse.
wait_until() {
    for ((i = 0; i < ${PATIENCE:-1500}; i++)); do
        "$@" && return
        sleep 0.2
    done
    echo "gave up waiting: $*" >&2
    return 1
}

# ---- the cast --------------------------------------------------------------------------------------------------

start() { # name, port
    "$captiond" serve --port "$2" --workers 1 --models lstm --data "$directory/data" --background normal \
        2>"$directory/$1.log" &
    pids[$1]=$!
    wait_until grep -q event=ready "$directory/$1.log"
}

port_of() { sed -n 's/.*event=listening .*port=//p' "$directory/$1.log"; }

balance() {
    local servers=() name
    for name in a b c; do servers+=("    server $name 127.0.0.1:${port[$name]}"); done
    sed -e "s|bind :8080|bind unix@$directory/front|" -e '/^resolvers/,/^$/d' \
        -e "s|^ *server-template .*|$(printf '%s\\n' "${servers[@]}")|" docker/haproxy.cfg >"$directory/haproxy.cfg"
    printf '%s\n' "frontend statistics" "    mode http" "    timeout client 60s" "    bind unix@$directory/statistics" \
        "    stats enable" "    stats uri /" >"$directory/statistics.cfg"
    haproxy -db -f "$directory/haproxy.cfg" -f "$directory/statistics.cfg" >"$directory/haproxy.log" 2>&1 &
    pids[haproxy]=$!
}

front() { curl -sS --unix-socket "$directory/front" "$@"; }

# A field of HAProxy's statistics of a server: status, scur (requests at it now), wretr (sent again), ...
statistic() { # server, field
    curl -s --unix-socket "$directory/statistics" 'http://haproxy/;csv' | tr -d '#\r' | awk -F, -v server="$1" -v field="$2" '
        NR == 1 { sub(/^ /, ""); for (i = 1; i <= NF; i++) column[$i] = i }
        $1 == "captiond" && $2 == server { print $column[field] }'
}
is_up() { [ "$(statistic "$1" status)" = UP ]; }
is_down() { [ "$(statistic "$1" status)" = DOWN ]; }
all_up() { is_up a && is_up b && is_up c; }
has_in_hand() { [ "$(statistic "$1" scur)" -ge "$2" ]; } # server, requests

# ---- load ------------------------------------------------------------------------------------------------------

# Two photos: one that fits into any buffer, and 1.4 MB of noise as an uncompressed BMP.
photos() {
    cp tests/fixtures/images/rgb.jpg "$directory/photo0"
    {
        printf 'BM\x36\xf9\x15\x00\0\0\0\0\x36\0\0\0\x28\0\0\0\x20\x03\0\0\x58\x02\0\0\x01\0\x18\0'
        head -c 24 /dev/zero
        head -c $((800 * 600 * 3)) /dev/urandom
    } >"$directory/photo1"
}

text_of() { sed -n 's/.*\(text\|caption\)":"\([^"]*\)".*/\2/p' "$1"; }

paths=(v1/caption models/lstm model/predict)

# One client of twelve, in one of three protocols: asks, and asks again when it is answered, as long as there is
# $directory/going.
client() { # its number
    local n=0 which
    while [ -e "$directory/going" ]; do
        n=$((n + 1)) which=$((($1 + n) % 2))
        front -o "$directory/answers/$1-$n-$which" -w '%{http_code}\n' --data-binary "@$directory/photo$which" \
            "http://balancer/${paths[$1 % 3]}"
    done
}

load() {
    local i
    for ((i = 0; i < 12; i++)); do client $i & done
    wait
} >"$directory/codes" 2>"$directory/complaints"

begin() {
    rm -rf "$directory/answers"
    mkdir "$directory/answers"
    touch "$directory/going"
    : >"$directory/codes"
    load &
    pids[load]=$!
}

answered() { [ "$(wc -l <"$directory/codes")" -ge "$1" ]; }

# Ends the load. Not in a subshell, which cannot wait for what is not its child.
finish() {
    rm "$directory/going"
    wait "${pids[load]}"
    unset 'pids[load]'
}

# Prints what was not answered as it should be.
faults() {
    local good all file
    good=$(grep -c '^200$' "$directory/codes")
    all=$(wc -l <"$directory/codes")
    [ "$good" -eq "$all" ] || echo "$good of $all answered: $(sort "$directory/codes" | uniq -c | tr '\n' ' ')"
    for file in "$directory"/answers/*; do
        [ "$(text_of "$file")" = "${texts[${file##*-}]}" ] || echo "answer: $(head -c 300 "$file")"
    done
}

# ---- the tests -------------------------------------------------------------------------------------------------

declare -A port
for name in a b c; do
    start $name 0
    port[$name]=$(port_of $name)
done
photos
texts=()
for i in 0 1; do
    curl -sS --data-binary "@$directory/photo$i" "http://127.0.0.1:${port[a]}/v1/caption" >"$directory/answer"
    texts+=("$(text_of "$directory/answer")")
done
balance
wait_until test -S "$directory/statistics"
verdict "three servers are seen to be ready" "$(wait_until all_up || cat "$directory/haproxy.log")"

begin
wait_until answered 12
kill -STOP "${pids[a]}" # so that it is in the middle of some when it dies, however fast the machine is
wait_until has_in_hand a 3
kill -KILL "${pids[a]}"
more=$(($(wc -l <"$directory/codes") + 24))
wait_until answered $more
finish
verdict "one that is killed under load loses no request" "$(faults)"
again=$(statistic a wretr)
verdict "because what it had in hand was sent again" "$([ "${again:-0}" -ge 3 ] || echo "retries: $again")"
wait_until is_down a
wait "${pids[a]}" 2>/dev/null
start a "${port[a]}"
verdict "a server that comes back is used again" "$(wait_until is_up a || statistic a status)"

begin
reason=
for name in a b c; do
    wait_until has_in_hand $name 1
    kill -TERM "${pids[$name]}"
    wait "${pids[$name]}" || reason+="$name ended with status $?"$'\n'
    start $name "${port[$name]}"
    wait_until all_up
done
finish
reason+=$(faults)
verdict "restarting one after the other loses no request" "$reason"

code=$(front -o "$directory/answer" -w '%{http_code}' http://127.0.0.1/metrics)
verdict "metrics are not for the world" "$([ "$code" = 403 ] || echo "answered $code")"
code=$(front -o "$directory/answer" -w '%{http_code}' -X PUT http://127.0.0.1/v1/datasets/pets)
verdict "nor is what only the operator may do" "$([ "$code" = 403 ] || echo "answered $code")"

echo "1..$count"
[ "$failures" -eq 0 ]
