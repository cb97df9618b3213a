#!/bin/bash
# Builds docker/Dockerfile and runs the image, without a container engine: debootstrap makes the base image from Debian's
# packages, buildah builds in a chroot. Needs root, debootstrap, buildah and Debian's archive; says why where one is
# missing. Nothing is kept. Prints TAP, as the other tests do.
set -u
cd "$(dirname "$0")/.." || exit 1

skip_all() {
    echo "ok 1 - container # SKIP $1"
    echo 1..1
    exit 0
}
for tool in debootstrap buildah curl unshare; do
    command -v $tool >/dev/null || skip_all "$tool is not installed"
done
[ "$(id -u)" = 0 ] || skip_all "needs root"
unshare --mount sh -c 'mount --bind / /mnt && mount -o remount,bind,ro /mnt' 2>/dev/null || skip_all "mounts are forbidden here"

directory=$(mktemp -d)
export TMPDIR=$directory
container='' running=''
image() { buildah --root "$directory/storage" --runroot "$directory/run" --storage-driver vfs "$@"; }
end() {
    [ -z "$running" ] || kill -KILL "$running" 2>/dev/null
    wait
    [ -z "$container" ] || image umount "$container" >/dev/null 2>&1
    rm -rf --one-file-system "$directory"
}
trap end EXIT
. tests/support/verdict.sh

# ---- build -----------------------------------------------------------------------------------------------------

# Where a sandbox forbids mounts or device files, or there is no network, debootstrap cannot work: no fault of ours.
debootstrap --variant=minbase bookworm "$directory/base" >"$directory/log" 2>&1 ||
    skip_all "debootstrap cannot make a base image here: $(tail -n 1 "$directory/log")"
rm -rf "$directory"/base/{var/cache/apt/archives,var/lib/apt/lists,usr/share/doc,usr/share/man,usr/share/locale}
base_size=$(du -sxm "$directory/base" | cut -f1)
base=$(image from scratch)
image add -q "$base" "$directory/base" / >/dev/null
image run --isolation chroot "$base" -- true 2>"$directory/log" ||
    skip_all "buildah cannot run anything here: $(tail -n 1 "$directory/log")"
image commit -q --rm "$base" debian:bookworm-slim >/dev/null
rm -rf "$directory/base"
echo "# base image made in $SECONDS s"

reason=$(image bud --isolation chroot --format docker --pull-never --layers=false -q -t captiond -f docker/Dockerfile . \
    2>&1 >"$directory/log") && reason=
verdict "the image builds" "$reason"
[ -z "$reason" ] || exit 1
echo "# image built after $SECONDS s"

container=$(image from --pull-never captiond)
root=$(image mount "$container")

# ---- what is in it ---------------------------------------------------------------------------------------------

config() { image inspect --type image --format "{{.Docker.Config.$1}}" captiond; }
size=$(du -sxm "$root" | cut -f1)
echo "# $size MB, of which the base is $base_size"
stated=$(sed -n 's/^The image has \([0-9]*\) MB: .*/\1/p' docs/OPERATIONS.md)
verdict "its size is what docs/OPERATIONS.md says" \
    "$([ $((size - stated)) -ge -20 ] && [ $((size - stated)) -le 20 ] || echo "$size MB, not ${stated:-any}")"
verdict "it is no larger than it must be" "$([ $((size - base_size)) -lt 180 ] || echo "$size MB, base $base_size MB")"

reason=
for tool in cc gcc c++ as ld make curl wget pkg-config; do
    ! chroot "$root" sh -c "command -v $tool" >/dev/null || reason+=" $tool"
done
reason+=$(find "$root/usr/include" "$root/usr/lib" -name '*.h' -o -name '*.a' | head -5)
verdict "no compiler and nothing to fetch with is left in it" "$reason"

user=$(config User)
verdict "its user is not root" "$([[ $user =~ ^[1-9][0-9]*:[1-9][0-9]*$ ]] || echo "user: $user")"
reason=$(find "$root" -xdev \( -uid "${user%:*}" -o -perm -o+w ! -type l ! -perm -1000 \) ! -path "$root/var/lib/captiond" \
    ! -path "$root/dev/*" | head)
verdict "nothing but the volume is that user's to write" "$reason"

# ---- run -------------------------------------------------------------------------------------------------------

# As `docker run --read-only --cap-drop ALL --security-opt no-new-privileges` does with the image's own configuration: a
# mount namespace whose root is the image, read-only, with a volume and nothing else to write to.
volume=$directory/volume
mkdir "$volume"
chown "$user" "$volume"
mapfile -t environment < <(image inspect --type image --format '{{range .Docker.Config.Env}}{{println .}}{{end}}' captiond |
    sed '/^$/d')
mapfile -t command < <(image inspect --type image \
    --format '{{range .Docker.Config.Entrypoint}}{{println .}}{{end}}{{range .Docker.Config.Cmd}}{{println .}}{{end}}' \
    captiond | sed '/^$/d')
inside() { # NAME=VALUE..., program, arguments: becomes it
    # shellcheck disable=SC2016 # the inner shell expands
    exec unshare --mount sh -ec '
        root=$1 volume=$2 uid=$3 gid=$4
        shift 4
        mount --bind "$root" "$root"
        mount --bind "$volume" "$root/var/lib/captiond"
        mount --bind /proc "$root/proc"
        mount -o remount,bind,ro "$root"
        exec chroot "$root" setpriv --no-new-privs --bounding-set=-all --inh-caps=-all --reuid "$uid" --regid "$gid" \
            --clear-groups env -i "$@"' sh "$root" "$volume" "${user%:*}" "${user#*:}" "${environment[@]}" "$@"
}
wait_until() {
    for ((i = 0; i < 2400; i++)); do
        "$@" && return
        sleep 0.2
    done
    echo "gave up waiting: $*" >&2
    return 1
}
is_ready_or_over() { grep -q event=ready "$directory/log" || ! kill -0 "$running"; }

reason=$( (inside touch /tmp/written) 2>&1) && reason="its root can be written to" || reason=
verdict "its root is read-only" "$reason"

(inside CAPTIOND_PORT=0 "${command[@]}") >"$directory/out" 2>"$directory/log" &
running=$!
wait_until is_ready_or_over
port=$(sed -n 's/.*event=listening .*port=//p' "$directory/log")
verdict "it comes up on a read-only root as that user" "$(grep -q event=ready "$directory/log" || cat "$directory/log")"

curl -sS --data-binary @docs/images/chelsea.jpg "http://127.0.0.1:$port/v1/caption" >"$directory/answer" 2>&1
verdict "it captions a photo" "$(grep -qE '"text": ?"[a-z]+ [a-z ]+"' "$directory/answer" || cat "$directory/answer")"

code=$(curl -sS -o "$directory/answer" -w '%{http_code}' -X PUT "http://127.0.0.1:$port/v1/datasets/pets")
[ "$code" = 201 ] && [ -n "$(ls -A "$volume")" ] && reason= || reason="$code: $(cat "$directory/answer")"
verdict "it keeps data on the volume" "$reason"

health=$(image inspect --type image --format '{{range .Docker.Config.Healthcheck.Test}}{{println .}}{{end}}' captiond)
mapfile -t health < <(sed -e 1d -e '/^$/d' <<<"$health")
reason=$( (inside CAPTIOND_PORT="$port" "${health[@]}") 2>&1) && [ ${#health[@]} -gt 0 ] && reason= || reason=${reason:-no check}
verdict "its health check passes while it serves" "$reason"

kill -TERM "$running"
wait "$running"
status=$?
running=''
verdict "it ends well on SIGTERM" "$([ $status -eq 0 ] || echo "exit status $status: $(tail -3 "$directory/log")")"
(inside CAPTIOND_PORT="$port" "${health[@]}") >"$directory/out" 2>&1 && reason="it passed" || reason=
verdict "its health check fails when it does not" "$reason"

echo "# $SECONDS s in all"
echo "1..$count"
[ "$failures" -eq 0 ]
