# Completion of captiond's commands and options for bash. It asks the program itself (--help), so that it knows what
# the program knows. zsh reads it too, after `autoload -Uz bashcompinit && bashcompinit`.

_captiond_words() { # the first words of the indented lines of a help text, which is on stdin
    sed -n 's/^  \([a-z-][a-z0-9-]*\).*/\1/p'
}

_captiond_models() { # the captioners beside the program that is asked for: $1
    local file weights
    weights=$(dirname "$(command -v "$1")")/../share/captiond/weights
    for file in "${CAPTIOND_WEIGHTS:-$weights}"/*.safetensors; do
        file=${file##*/}
        [[ $file = efficientnet* ]] || echo "${file%.safetensors}"
    done
}

_captiond() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} depth=1 help argument
    local -a ask=("${COMP_WORDS[0]}")
    [ "${COMP_WORDS[1]}" != bench ] || depth=2
    COMPREPLY=()
    if [ "$COMP_CWORD" -le $depth ]; then # the name of a command, or of a measurement
        ask+=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
        mapfile -t COMPREPLY < <(compgen -W "$("${ask[@]}" --help 2>/dev/null | _captiond_words) --help" -- "$word")
        return
    fi
    ask+=("${COMP_WORDS[@]:1:depth}")
    help=$("${ask[@]}" --help 2>/dev/null)
    if [ "$word" = = ]; then # bash makes three words of --option=value
        word=
    elif [ "$before" = = ]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $before in
    --*) argument=$(sed -n "s/^  $before \([^ ]*\) .*/\1/p" <<<"$help") ;;
    esac
    case $argument in
    *'|'*) mapfile -t COMPREPLY < <(compgen -W "${argument//|/ }" -- "$word") ;;
    DIR) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    MODEL | MODELS) mapfile -t COMPREPLY < <(compgen -f -W "$(_captiond_models "${COMP_WORDS[0]}")" -- "$word") ;;
    FILE) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    ?*) ;; # a number or the like
    *)
        case $word in
        -*) mapfile -t COMPREPLY < <(compgen -W "$(_captiond_words <<<"$help")" -- "$word") ;;
        *) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        esac
        ;;
    esac
}

complete -o filenames -F _captiond captiond
