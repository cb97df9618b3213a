#!/bin/bash
# nginx of Debian in front of captiond: as docs/OPERATIONS.md has it, and with nothing but proxy_pass. Who comes through it
# is never taken for this machine's own user, what it says of clients is believed only if it is trusted, and the caption
# is the one that the daemon gives. Needs nginx, curl and build/captiond with the shipped weights. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/verdict.sh
BUILD=${BUILD:-build}

for tool in nginx curl; do
    if ! PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null; then
        echo "1..0 # SKIP $tool is missing"
        exit 0
    fi
done

directory=$(mktemp -d)
pids=()
finish() {
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null
    wait
    rm -rf "$directory"
}
trap finish EXIT

serve() { # NAME OPTIONS...: on $directory/NAME.sock
    local name=$1
    shift
    "$BUILD/captiond" serve --listen "unix:$directory/$name.sock" --data "$directory/$name" --workers 1 --models rnn "$@" \
        2>"$directory/$name.log" &
    pids+=($!)
    for _ in $(seq 600); do
        grep -q event=ready "$directory/$name.log" && return
        sleep 0.5
    done
}

# nginx on sockets in the file system, too: no port can be taken by somebody else
cat >"$directory/nginx.conf" <<CONF
user $(id -un) $(id -gn); daemon off; pid $directory/nginx.pid; error_log $directory/error.log;
events {}
http {
    access_log off;
    client_body_temp_path $directory; proxy_temp_path $directory; fastcgi_temp_path $directory;
    uwsgi_temp_path $directory; scgi_temp_path $directory;
    server {
        listen unix:$directory/front.sock;
        location /captions/ {
$(sed -n '/proxy_pass http:\/\/unix/,/client_max_body_size/p' docs/OPERATIONS.md |
    sed "s|unix:/run/captiond/captiond.sock|unix:$directory/trusting.sock|")
        }
        location /bare/ { proxy_pass http://unix:$directory/plain.sock:/; }
    }
}
CONF

serve trusting --trusted-proxy unix
serve plain
PATH=$PATH:/usr/sbin nginx -c "$directory/nginx.conf" -p "$directory" 2>/dev/null &
pids+=($!)
for _ in $(seq 200); do [ -S "$directory/front.sock" ] && break; sleep 0.1; done

ask() { # PATH CURL-OPTIONS...: the status, the answer in $directory/answer
    local path=$1
    shift
    curl -s --unix-socket "$directory/front.sock" -o "$directory/answer" -w '%{http_code}' "$@" "http://localhost$path"
}
text() {
    grep -o '"text":"[^"]*"' "$directory/answer"
}

image=docs/images/camera.jpg
verdict "a caption comes through" "$([ "$(ask /captions/v1/caption --data-binary @$image)" = 200 ] || cat "$directory/answer" "$directory/error.log")"
through=$(text)
curl -s --unix-socket "$directory/plain.sock" -o "$directory/answer" --data-binary @$image http://localhost/v1/caption
verdict "it is the daemon's own" "$([ "$through" = "$(text)" ] || echo "$through is not $(text)")"
verdict "this machine itself may see datasets" "$([ "$(curl -s --unix-socket "$directory/plain.sock" -o /dev/null -w '%{http_code}' http://localhost/v1/datasets)" = 200 ] || echo no)"
verdict "what nginx passes on is not local" "$([ "$(ask /captions/v1/datasets)" = 403 ] || cat "$directory/answer")"
verdict "nor with nothing but proxy_pass" "$([ "$(ask /bare/v1/datasets)" = 403 ] || cat "$directory/answer")"
verdict "nor if the client claims so" "$([ "$(ask /bare/v1/datasets -H 'X-Forwarded-For: 127.0.0.1' -H 'X-Real-IP: 127.0.0.1')" = 403 ] || cat "$directory/answer")"
verdict "a page of another site is refused" "$([ "$(ask /captions/v1/caption --data-binary @$image -H 'Origin: https://evil.example')" = 403 ] || cat "$directory/answer")"
verdict "a trusted proxy's client is the log's" "$(ask /captions/healthz -H 'X-Forwarded-For: 192.0.2.7' >/dev/null; grep -q 'client=' "$directory/trusting.log" || echo no)"
echo "1..$count"
[ "$failures" -eq 0 ]
