# verdict.sh: the verdicts of a test that is a script, as TAP; to be sourced. The script ends with
#     echo "1..$count"; [ "$failures" -eq 0 ]
# shellcheck shell=bash
count=0 failures=0

verdict() { # sentence, reason; no reason: good
    count=$((count + 1))
    if [ -z "$2" ]; then
        echo "ok $count - ${1// /_}"
    else
        failures=$((failures + 1))
        echo "not ok $count - ${1// /_}"
        printf '%s\n' "$2" | head -30 | sed 's/^/# /'
    fi
}
