#!/bin/sh
# Prints the manual page: the template with the commands and options that the program itself tells, so that no list is
# kept twice.    usage: docs/man/man.sh CAPTIOND VERSION
set -eu
captiond=$1 version=$2
directory=$(dirname "$0")

# Without the environment of whoever builds, and without this machine's number of cores as a default.
help() {
    env -i "$captiond" "$@" --help |
        sed 's/(default [0-9]*, \(CAPTIOND_WORKERS\|CAPTIOND_THREADS\))/(default: the number of cores, \1)/'
}

escape() { sed 's/\\/\\e/g; s/-/\\-/g'; }

commands() {
    help | sed -n 's/^  \([a-z][a-z]*\)  *\(.*\)/\1 \2/p' | escape | while read -r name summary; do
        printf '.TP\n.B %s\n%s\n' "$name" "$summary"
    done
}

# A flag's name is followed by two blanks, any other option's by one and the value's name.
options() { # command
    printf '.SH OPTIONS OF %s\n' "$(echo "$*" | tr '[:lower:]' '[:upper:]')"
    help "$@" | sed -n 's/^  \(--[a-z]*\), -[a-z]/  \1    /
                        s/^  \(--[a-z0-9-]*\)  *$/\1\t\t/; s/^  \(--[a-z0-9-]*\)   *\(.*\)/\1\t\t\2/p; t
                        s/^  \(--[a-z0-9-]*\) \([^ ]*\)  *\(.*\)/\1\t\2\t\3/p' | escape |
        awk -F '\t' '{ printf ".TP\n"; if ($2 == "") printf ".B %s\n", $1; else printf ".BI %s \" %s\"\n", $1, $2; print $3 }'
}

all_options() {
    help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' | while read -r command; do
        measurements=
        [ "$command" != bench ] || measurements=$(help bench | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p')
        if [ -z "$measurements" ]; then
            options "$command"
        else
            for measurement in $measurements; do options "$command" "$measurement"; done
        fi
    done
}

while IFS= read -r line; do
    case $line in
    @COMMANDS@) commands ;;
    @OPTIONS@) all_options ;;
    *@VERSION@*) printf '%s\n' "$line" | sed "s/@VERSION@/$version/" ;;
    *) printf '%s\n' "$line" ;;
    esac
done <"$directory/captiond.1.in"
