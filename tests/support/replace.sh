# replace.sh: changes one place of a source; to be sourced by the scripts that plant faults.
# shellcheck shell=bash
# Prints FILE with OLD replaced, or fails if OLD does not stand there exactly once.
replace() { # file, old, new
    OLD=$2 NEW=$3 awk '
        { text = text $0 "\n" }
        END {
            at = index(text, ENVIRON["OLD"])
            rest = substr(text, at + length(ENVIRON["OLD"]))
            if (at == 0 || index(rest, ENVIRON["OLD"]) > 0) exit 1
            printf "%s%s%s", substr(text, 1, at - 1), ENVIRON["NEW"], rest
        }' "$1"
}
