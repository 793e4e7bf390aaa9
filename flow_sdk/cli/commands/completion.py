"""``flow-sdk completion``: scripts with which shells complete the commands."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.parser import Argument, Command
from flow_sdk.errors import UsageError
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from flow_sdk.cli.parser import Parsed

__all__ = ["CONSOLE_COMMANDS", "SCRIPTS"]

_BASH = r"""# Completion of Flow SDK for bash: eval "$(flow-sdk completion bash)"

# Sets _flow_sdk_words to the words after word number $1 up to the cursor. bash splits words at "=": --name = value
# is put together again.
_flow_sdk_join() {
    local word i=$1
    _flow_sdk_words=()
    while ((i <= COMP_CWORD)); do
        word=${COMP_WORDS[i]}
        local last=$((${#_flow_sdk_words[@]} - 1))
        if ((last >= 0)) && [[ $word == "=" || ${COMP_WORDS[i - 1]} == "=" ]] \
            && [[ ${_flow_sdk_words[last]} == --* ]]; then
            _flow_sdk_words[last]+=$word
        else
            _flow_sdk_words+=("$word")
        fi
        i=$((i + 1))
    done
}

# Offers what the command "$@" prints.
_flow_sdk_offer() {
    local line value
    COMPREPLY=()
    while IFS= read -r line; do
        value=${line%%$'\t'*}
        [[ ${_flow_sdk_words[-1]} == --*=* ]] && value=${value#*=}
        printf -v value %q "$value"  # bash would put $(...) of a name into the line as it is
        COMPREPLY+=("$value")
    done < <("$@" 2>/dev/null)
}

_flow_sdk_console() {
    _flow_sdk_join 1
    _flow_sdk_offer "$1" completion candidates -- "${_flow_sdk_words[@]}"
}

# python [OPTIONS] FILE ...: only where the file looks like a flow; anything else completes as ever.
# -P: modules in the current folder aren't imported, as TAB must not execute anything of it.
_flow_sdk_python() {
    local i=1
    while ((i < COMP_CWORD)) && [[ ${COMP_WORDS[i]} == -* && ${COMP_WORDS[i]} != -[mc] ]]; do i=$((i + 1)); done
    local file=${COMP_WORDS[i]}
    COMPREPLY=()
    ((i < COMP_CWORD)) && [[ $file == *.py ]] && [[ -f ${file/#\~/$HOME} ]] \
        && grep -qs FlowSpec -- "${file/#\~/$HOME}" || return 0
    _flow_sdk_join $((i + 1))
    _flow_sdk_offer "$1" -P -m flow_sdk.cli.completion "${file/#\~/$HOME}" "${_flow_sdk_words[@]}"
}

complete -o bashdefault -o default -F _flow_sdk_console flow-sdk
complete -o bashdefault -o default -F _flow_sdk_python python python3 python3.11 python3.12 python3.13
"""

_ZSH = r"""# Completion of Flow SDK for zsh: eval "$(flow-sdk completion zsh)", after compinit

# Offers what the command "$@" prints; files where it prints nothing.
_flow_sdk_offer() {
    local line
    local -a values described
    while IFS= read -r line; do
        values+=("${line%%$'\t'*}")
        described+=("${line%%$'\t'*}  -- ${line#*$'\t'}")
    done < <("$@" 2>/dev/null)
    if (( $#values )); then compadd -l -d described -a values; else _files; fi
}

_flow_sdk_console() {
    _flow_sdk_offer "$words[1]" completion candidates -- "${(@Q)words[2,CURRENT]}"
}

# python [OPTIONS] FILE ...: only where the file looks like a flow; anything else completes as before.
_flow_sdk_python() {
    local -i i=2
    while (( i < CURRENT )) && [[ $words[i] == -* && $words[i] != -[mc] ]]; do (( i++ )); done
    local file=${(Q)words[i]/#\~/$HOME}
    if (( i < CURRENT )) && [[ $file == *.py ]] && grep -qs FlowSpec -- "$file"; then
        _flow_sdk_offer "$words[1]" -P -m flow_sdk.cli.completion "$file" "${(@Q)words[i+1,CURRENT]}"
    elif (( $+functions[_python] )) || [[ -n ${fpath[(r)*/_python]} ]]; then
        _python
    else
        _files
    fi
}

autoload -Uz _python 2>/dev/null
compdef _flow_sdk_console flow-sdk
compdef _flow_sdk_python python python3 python3.11 python3.12 python3.13
"""

_FISH = r"""# Completion of Flow SDK for fish: flow-sdk completion fish | source

function __flow_sdk_console
    set -l words (commandline -opc) (commandline -ct)
    $words[1] completion candidates -- $words[2..-1] 2>/dev/null
end

# The number of the word of python [OPTIONS] FILE ... that is a flow file before the cursor.
function __flow_sdk_file
    set -l words (commandline -opc)
    for i in (seq 2 (count $words))
        string match -q -- '-[mc]' $words[$i]; and return 1
        string match -q -- '-*' $words[$i]; and continue
        string match -q -- '*.py' $words[$i]; or return 1
        grep -qs FlowSpec -- (string replace -r '^~' $HOME -- $words[$i]); or return 1
        echo $i
        return 0
    end
    return 1
end

function __flow_sdk_python
    set -l i (__flow_sdk_file)
    set -l words (commandline -opc) (commandline -ct)
    set -l file (string replace -r '^~' $HOME -- $words[$i])
    $words[1] -P -m flow_sdk.cli.completion $file $words[(math $i + 1)..-1] 2>/dev/null
end

complete -c flow-sdk -f -a '(__flow_sdk_console)'
for python in python python3 python3.11 python3.12 python3.13
    complete -c $python -n '__flow_sdk_file >/dev/null' -a '(__flow_sdk_python)'
end
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""The script of each shell."""


def _print_completion(parsed: Parsed) -> int:
    shell, *words = parsed.words
    if shell == "candidates":  # what the scripts call
        from flow_sdk.cli.completion import complete_console, print_candidates

        print_candidates(complete_console(words))
        return 0
    if shell not in SCRIPTS or words:
        raise UsageError(
            f"There's no completion for {' '.join(parsed.words)!r}.",
            wanted=" or ".join(SCRIPTS),
            help=suggest_name(shell, SCRIPTS),
        )
    print(SCRIPTS[shell], end="")
    return 0


CONSOLE_COMMANDS = {
    "completion": Command(
        _print_completion,
        arguments=[Argument("bash|zsh|fish", "The shell.", repeat=True)],
        epilog=lambda: (
            "To turn it on, add to the shell's start-up file:",
            '  ~/.bashrc                   eval "$(flow-sdk completion bash)"',
            '  ~/.zshrc, after compinit    eval "$(flow-sdk completion zsh)"',
            "  ~/.config/fish/config.fish  flow-sdk completion fish | source",
        ),
    )
}
