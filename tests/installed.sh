#!/bin/bash
# `make install` puts a working captiond where its parts find each other: program, weights, manual, completion, service.
# Prints TAP, as the other tests do.
set -u
cd "$(dirname "$0")/.." || exit 1

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
. tests/support/verdict.sh

skip() { # sentence, reason
    count=$((count + 1))
    echo "ok $count - ${1// /_} # SKIP $2"
}

usr=$directory/root/usr
unset MAKEFLAGS MAKELEVEL
reason=$(make -s BUILD="${BUILD:-build}" DESTDIR="$directory/root" PREFIX=/usr install 2>&1 >"$directory/log") ||
    reason=${reason:-$(tail -5 "$directory/log")}
for file in bin/captiond share/captiond/weights/efficientnet-b0.safetensors share/man/man1/captiond.1 \
    share/bash-completion/completions/captiond lib/systemd/system/captiond.service share/doc/captiond/README.md \
    lib/libcaption.a lib/pkgconfig/libcaption.pc include/captiond/model/caption.h; do
    [ -s "$usr/$file" ] || reason+=" no $file"
done
verdict "everything is put in its place" "$reason"

told=$(make all PKG_CONFIG=false BUILD="$directory/build" 2>&1) && reason="make goes on" || reason=
[[ $told == *"sudo apt-get install"*libmicrohttpd-dev* ]] || reason+=" told: $told"
[ ! -e "$directory/build/captiond" ] || reason+=" it was built"
verdict "make without the packages prints the line that installs them" "$reason"

photo=$PWD/docs/images/chelsea.jpg
reason=$(cd / && "$usr/bin/captiond" caption "$photo" 2>&1 >"$directory/caption") || reason=${reason:-it failed}
[ -n "$reason" ] || grep -qE $'^/.*chelsea.jpg\t[a-z]+ [a-z ]+$' "$directory/caption" || reason=$(cat "$directory/caption")
verdict "what is installed captions a photo from any directory" "$reason"

reason=$(cd "$usr/share/doc/captiond" && find . -name '*.md' | while read -r file; do
    grep -oE '\]\([^)#]+|src="[^"]+' "$file" | sed 's/^](//; s/^src="//' | grep -v '^https:' | while read -r target; do
        [ -e "$(dirname "$file")/$target" ] || echo "$file: $target"
    done
done)
verdict "every link of the installed documents leads somewhere" "$reason"

# ---- the manual ------------------------------------------------------------------------------------------------

manual=$(sed 's/\\-/-/g' "$usr/share/man/man1/captiond.1")
commands=$("$usr/bin/captiond" --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
options_of() { "$usr/bin/captiond" "$@" --help | sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p'; }
reason=
for command in $commands; do
    grep -qxF ".B $command" <<<"$manual" || reason+="no $command"$'\n'
    section=$(awk -v title=".SH OPTIONS OF ${command^^}" '/^\.SH/ { on = index($0, title) == 1 } on' <<<"$manual")
    for option in $(options_of "$command"); do
        grep -qE -e "^\.BI? $option( |$)" <<<"$section" || reason+="$command: no $option"$'\n'
    done
done
[ "$(wc -w <<<"$commands")" -ge 8 ] || reason+="few commands: $commands"
verdict "the manual tells every command and option" "$reason"

if command -v mandoc >/dev/null; then
    reason=$(mandoc -T lint -W warning "$usr/share/man/man1/captiond.1" | grep -v 'missing date')
    verdict "the manual is well formed" "$reason"
else
    skip "the manual is well formed" "mandoc is not installed"
fi

"$PWD/docs/man/man.sh" "$usr/bin/captiond" @VERSION@ >"$directory/manual" 2>&1
reason=$(diff docs/man/captiond.1 "$directory/manual" | head -20)
verdict "the manual in the sources is what make manual would write" "${reason:+$reason (make manual)}"

# ---- the library -----------------------------------------------------------------------------------------------

export PKG_CONFIG_PATH=$usr/lib/pkgconfig
flags=$(pkg-config --define-variable=prefix="$usr" --cflags --libs libcaption 2>&1)
# shellcheck disable=SC2086 # a list of words is meant
reason=$("${CC:-cc}" -std=c11 -Wall -Wextra -Werror -o "$directory/stranger" tests/stranger.c $flags 2>&1) &&
    reason=$("$directory/stranger" weights/efficientnet-b0.safetensors weights/lstm.safetensors "$photo" 2>&1) &&
    { grep -qE '^[a-z]+ [a-z ]+$' <<<"$reason" && reason=; }
verdict "a program with functions named as the library's own links and captions" "$reason"

reason=$(nm -g --defined-only "$usr/lib/libcaption.a" | awk 'NF == 3 && $3 !~ /^caption_/ { print $3 }')
verdict "the library exports names that begin with caption_ alone" "$reason"

declared=$(cat "$usr"/include/captiond/model/*.h | tr '\n' ' ' | grep -oE 'caption_[a-z_0-9]+\(' | tr -d '(' | sort -u)
exported=$(nm -g --defined-only "$usr/lib/libcaption.a" | awk 'NF == 3 { print $3 }' | sort -u)
reason=$(comm -13 <(echo "$declared") <(echo "$exported") | grep -vE '^caption_(train|gradient)_measure$')
verdict "what it exports is declared in the installed headers" "$reason"

# ---- completion ------------------------------------------------------------------------------------------------

# What a shell offers behind these words, the last of which is begun; sorted, on one line.
complete_words() {
    (cd "$directory" && PATH=$usr/bin:$PATH bash --norc -c '
        . "$1"; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _captiond
        printf "%s\n" "${COMPREPLY[@]}"' completion "$usr/share/bash-completion/completions/captiond" "$@") |
        sort | tr '\n' ' ' | sed 's/ $//'
}
expect_words() { # words offered, words typed
    local wanted=$1 got
    shift
    got=$(complete_words "$@")
    [ "$got" = "$wanted" ] || echo "behind \"$*\": \"$got\", not \"$wanted\""
}
mkdir "$directory/photos"
touch "$directory/photo.jpg"
offered=$(tr ' ' '\n' <<<"$(complete_words captiond '')" | grep -v '^--')
reason=$(diff <(sort <<<"$commands") <(sort <<<"$offered"))
for command in $commands; do
    [ "$command" = bench ] || reason+=$(expect_words "$(options_of "$command" | sort | tr '\n' ' ' | sed 's/ $//')" \
        captiond "$command" --)
done
reason+=$(
    expect_words "selftest serve" captiond se
    expect_words "--deadline-ms" captiond serve --dea
    expect_words "debug" captiond serve --log-level d
    expect_words "debug error info warning" captiond serve --log-level = ''
    expect_words "warning" captiond serve --log-level = w
    expect_words "--help caption encoder gradient train" captiond bench ''
    expect_words "--seconds" captiond bench train --se
    expect_words "photos" captiond train --images ph
    expect_words "photo.jpg photos" captiond caption ph
    expect_words "" captiond serve --port ''
    expect_words "attention" captiond caption --model att
    expect_words "photo.jpg photos" captiond serve --models ph
    expect_words "" captiond fool --class ''
)
verdict "the shell completes commands options and values" "$reason"

# ---- the service -----------------------------------------------------------------------------------------------

service=$usr/lib/systemd/system/captiond.service
grep -qx "ExecStart=/usr/bin/captiond serve" "$service" && reason= || reason="wrong program"
while read -r variable; do
    "$usr/bin/captiond" serve --help | grep -qF "$variable)" || reason+=" no option for $variable"
done < <(sed -n 's/^Environment=\([A-Z_]*\)=.*/\1/p' "$service")
verdict "the service starts what was installed" "$reason"

if command -v systemd-analyze >/dev/null; then
    sed "s|/usr/bin|$usr/bin|" "$service" >"$directory/captiond.service"
    reason=$(systemd-analyze verify --man=no "$directory/captiond.service" 2>&1)
    verdict "systemd understands the service" "$reason"
    # 0 is a service that may do nothing, 10 one that may do everything; the threshold is ten times that.
    reason=$(systemd-analyze security --offline=true --threshold=11 "$directory/captiond.service" 2>&1) && reason=
    verdict "systemd finds little exposed" "$(tail -1 <<<"$reason")"
else
    skip "systemd understands the service" "systemd is not installed"
fi

# ---- the end ---------------------------------------------------------------------------------------------------

touch "$usr/bin/other" "$usr/share/captiond/weights/mine.safetensors"
reason=$(make -s BUILD="${BUILD:-build}" DESTDIR="$directory/root" PREFIX=/usr uninstall 2>&1)
reason+=$(cd "$directory/root" && find . -type f ! -name other ! -name mine.safetensors)
[ -e "$usr/bin/other" ] && [ -e "$usr/share/captiond/weights/mine.safetensors" ] || reason+=" something else is gone too"
verdict "uninstall removes what was installed and nothing else" "$reason"

reason=$(make -n -B BUILD=/nowhere CC=other-cc AR=other-ar OBJCOPY=other-objcopy CPPFLAGS=-DOTHER PKG_CONFIG=false \
    all 2>/dev/null | grep -E -- ' -c -o .*\.o ' | grep -vE '^other-cc .*-DOTHER|\| other-cc' | head -5)
verdict "every source is compiled as CC and CPPFLAGS say" "$reason"

echo "1..$count"
[ "$failures" -eq 0 ]
