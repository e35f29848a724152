"""``journaltune completion``: the script with which a shell completes our commands, made from their own tables."""

from __future__ import annotations

from journaltune.base.frozen import Frozen
from journaltune.base.words import quote, quoted
from journaltune.cli import output
from journaltune.cli.commands import NAMES, load, summary
from journaltune.cli.options import COMMON, Argument, Command, Option
from journaltune.cli.values import one_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from journaltune.cli.options import Options

SHELLS = ("bash", "zsh", "fish")

COMMAND = Command(
    "completion",
    """Prints what makes a shell complete commands, options, their words, files, the journal's studies, and the numbers of
running trials (of failed ones for `retry`). For these two it reads the journal that the line names, if it is on this machine.""",
    arguments=(Argument("SHELL", "shell", one_of(*SHELLS)),),
    examples=""". <(journaltune completion bash)     # in ~/.bashrc
. <(journaltune completion zsh)      # in ~/.zshrc, behind compinit
journaltune completion fish > ~/.config/fish/completions/journaltune.fish""",
    usage="|".join(SHELLS),
)

# What completes a value or an argument, by what the help calls it: files, studies, or trials in some states.
_FILES = ("FILE", "PATH", "DEST", "FILE|JOURNAL|URL", "STUDY|FILE", "COMMAND")
_RUNNING = dict.fromkeys(("tell", "report", "release", "reap"), "trials running")
_NUMBERS = {**_RUNNING, "logs": "trials running,fail", "retry": "trials fail", "exec": "words best"}


class Row(Frozen):
    """An option or argument. ``kind``: "words A B", "files", "studies", "trials STATES", or "" for what can't be known."""

    names: tuple[str, ...]
    kind: str
    help: str
    metavar: str | None = None
    repeats: bool = False


def run(options: Options) -> int:
    output.require_open()
    output.write({"bash": _bash, "zsh": _zsh, "fish": _fish}[options["shell"]]())
    return 0


def _options(command: Command) -> list[Row]:
    return [Row(each.names, _kind(command, each), each.help, each.metavar, each.repeats) for each in (*command.options, *COMMON)]


def _arguments(command: Command) -> list[Row]:
    return [Row((each.name,), _kind_of_argument(command.name, each), "", each.name, each.repeats) for each in command.arguments]


def _kind(command: Command, option: Option) -> str:
    if option.metavar is None:
        return ""
    if option.dest == "sampler":
        from journaltune.suggest.samplers import names

        return f"words {' '.join(names())}"
    if option.dest == "pruner":
        from journaltune.study.settings import PRUNERS

        return f"words {' '.join(PRUNERS)}"
    if option.dest == "study":
        return "" if command.name == "create" else "studies"
    return _kind_of_metavar(option.metavar)


def _kind_of_metavar(metavar: str) -> str:
    if metavar == "STATE,...":
        from journaltune.cli.trials import STATES

        return f"words {' '.join(STATES)}"
    if "|" in metavar and metavar.islower() and "%" not in metavar:
        return f"words {metavar.replace('|', ' ')}"
    return "files" if metavar in _FILES else ""


def _kind_of_argument(command: str, argument: Argument) -> str:
    if command == "completion":
        return f"words {' '.join(SHELLS)}"
    if argument.name == "KIND":
        from journaltune.cli.plot import KINDS

        return f"words {' '.join(KINDS)}"
    if argument.name == "STUDY" or command == "delete":
        return "studies"
    return _NUMBERS.get(command, "") if argument.name.startswith("NUMBER") else _kind_of_metavar(argument.name)


# -- bash ------------------------------------------------------------------------------------------------------------

_ASKED = r"""_journaltune_known() {  # what the journal of this line knows: its studies, or its trials in some states
    case "${place[*]} $JOURNALTUNE_JOURNAL" in *ssh:*) return ;; esac
    case $1 in
    studies) journaltune studies --format json "${place[@]}" | sed -n 's/.*{"study": "\([^"]*\)".*/\1/p' ;;
    trials) journaltune trials --states "$2" --format jsonl "${place[@]}" | sed -n 's/^{"number": \([0-9]*\).*/\1/p' ;;
    esac 2>/dev/null </dev/null
}
"""
_BASH = r"""# bash completes journaltune: . <(journaltune completion bash) in ~/.bashrc
{asked}_journaltune() {
    local word command='' last='' options valued kind='' at given=0 repeated=99 place=() arguments=() IFS=$' \t\n'
    local current=${COMP_WORDS[COMP_CWORD]}
    # The words before the cursor; bash has made three of --format=json.
    for ((at = 1; at < COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        [ "$word" != '=' ] || continue
        if [ -z "$command" ]; then
            command=$word
            _journaltune_command "$command"
            continue
        fi
        case $last in
        -f | --journal | --study) word=${word//[\'\"\\]/} && place+=("$last" "${word/#\~\//$HOME/}") ;;
        esac
        case " $valued " in
        *" $last "*) ;;
        *) [[ $word = -* ]] || given=$((given + 1)) ;;
        esac
        last=$word
        [ "$word" != -- ] || break
    done
    [ "$current" != '=' ] || current=''
    if [ -z "$command" ]; then
        kind='words {names}'
    elif [ "$last" = -- ]; then
        kind=files
    elif [[ $last = -* && " $valued " = *" $last "* ]]; then
        kind=$(_journaltune_value "$command" "$last")
    elif [[ $current = -* ]]; then
        kind="words $options"
    else
        [ "$given" -lt "${#arguments[@]}" ] || given=$repeated
        kind=${arguments[given]}
    fi
    case $kind in
    words\ *) COMPREPLY=($(compgen -W "${kind#words }" -- "$current")) ;;
    files) compopt -o filenames 2>/dev/null && IFS=$'\n' && COMPREPLY=($(compgen -f -- "$current")) ;;
    studies | trials*) IFS=$'\n' && COMPREPLY=($(compgen -W "$(_journaltune_known ${kind/ /$'\n'})" -- "$current")) ;;
    esac
}
_journaltune_command() {
    case $1 in
{commands}
    esac
}
_journaltune_value() {
    case "$1 $2" in
{values}
    esac
}
complete -F _journaltune journaltune
"""


def _bash() -> str:
    commands, values = list[str](), list[str]()
    for command in _commands():
        options, arguments = _options(command), _arguments(command)
        names = " ".join(name for row in options for name in row.names)
        valued = " ".join(name for row in options if row.metavar for name in row.names)
        kinds = " ".join(quote(row.kind) for row in arguments)
        repeated = next((f" repeated={at}" for at, row in enumerate(arguments) if row.repeats), "")
        commands.append(f"    {command.name}) options='{names}' valued='{valued}' arguments=({kinds}){repeated} ;;")
        own = (row for row in options if row.kind)
        values += [f"    {_patterns(command, row)}) echo {quote(row.kind)} ;;" for row in own]
    return _filled(_BASH, names=" ".join(NAMES), commands="\n".join(commands), values="\n".join(values))


def _patterns(command: Command, row: Row) -> str:
    return " | ".join(f"'{command.name} {name}'" for name in row.names)


def _filled(script: str, **parts: str) -> str:
    """The braces of a shell are not Python's."""
    for name, text in {"asked": _ASKED, **parts}.items():
        script = script.replace(f"{{{name}}}", text)
    return script


def _commands() -> Iterator[Command]:
    for name in NAMES:
        yield load(name).COMMAND


# -- zsh -------------------------------------------------------------------------------------------------------------

_ZSH = r"""#compdef journaltune
# zsh completes journaltune: . <(journaltune completion zsh) in ~/.zshrc, behind compinit
{asked}_journaltune_of() {
    local at place=() known=()
    for ((at = 1; at < CURRENT; at++)); do
        case ${words[at]} in
        -f | --journal | --study) ((at + 1 == CURRENT)) || place+=(${words[at]} ${(Q)~words[at + 1]}) ;;
        --journal=* | --study=*) place+=(${(Q)words[at]}) ;;
        esac
    done
    known=(${(f)"$(_journaltune_known $@)"})
    compadd -a known
}
_journaltune() {
    local commands=(
{commands}
    )
    if ((CURRENT == 2)); then
        _describe command commands
        return
    fi
    shift words
    ((CURRENT--))
    case ${words[1]} in
{cases}
    esac
}
if [ "${funcstack[1]}" = _journaltune ]; then _journaltune "$@"; else compdef _journaltune journaltune; fi
"""


def _zsh() -> str:
    commands = "\n".join(f"        {quote(f'{name}:{summary(name)}')}" for name in NAMES)
    cases = []
    for command in _commands():
        specs = [spec for row in _options(command) for spec in _zsh_option(row)]
        specs += [_zsh_argument(at, row) for at, row in enumerate(_arguments(command), 1)]
        cases.append(f"    {command.name}) _arguments -s {quoted(specs)} ;;")
    return _filled(_ZSH, commands=commands, cases="\n".join(cases))


def _zsh_option(row: Row) -> Iterator[str]:
    often = "*" if row.repeats else ""
    for name in row.names:
        joined = "" if row.metavar is None else "=" if name.startswith("--") else "+"
        value = "" if row.metavar is None else f":{_escaped(row.metavar)}:{_zsh_action(row.kind)}"
        yield f"{often}{name}{joined}[{_escaped(row.help)}]{value}"


def _zsh_argument(at: int, row: Row) -> str:
    return f"{'*' if row.repeats else at}:{_escaped(row.names[0])}:{_zsh_action(row.kind)}"


def _zsh_action(kind: str) -> str:
    what, _, words = kind.partition(" ")
    return {"words": f"({words})", "files": "_files", "": " "}.get(what, f" _journaltune_of {kind}")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


# -- fish ------------------------------------------------------------------------------------------------------------

_FISH = r"""# fish completes journaltune: journaltune completion fish > ~/.config/fish/completions/journaltune.fish
function __journaltune_is
    set -l words (commandline -opc)
    test (count $words) -gt 1; and contains -- $words[2] $argv
end
function __journaltune_known
    set -l words (commandline -opc)
    set -l place
    for at in (seq (count $words))
        switch $words[$at]
            case -f --journal --study
                test $at -lt (count $words); and set place $place $words[$at] $words[(math $at + 1)]
            case '--journal=*' '--study=*'
                set place $place $words[$at]
        end
    end
    string match -q '*ssh:*' -- "$place $JOURNALTUNE_JOURNAL"; and return
    if test $argv[1] = studies
        journaltune studies --format json $place 2>/dev/null </dev/null | string replace -rf '.*\{"study": "([^"]*)".*' '$1'
    else
        set -l read trials --states $argv[2] --format jsonl
        journaltune $read $place 2>/dev/null </dev/null | string replace -rf '^\{"number": (\d+).*' '$1'
    end
end
complete -c journaltune -f
{lines}
"""


def _fish() -> str:
    lines = [f"complete -c journaltune -n __fish_use_subcommand -a {name} -d {_fished(summary(name))}" for name in NAMES]
    for command in _commands():
        here = f"complete -c journaltune -n '__journaltune_is {command.name}'"
        for row in _options(command):
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in row.names)
            lines.append(f"{here} {names}{_fish_value(row)} -d {_fished(row.help)}")
        lines += [f"{here}{_fish_action(row.kind)}" for row in _arguments(command) if row.kind]
    return _filled(_FISH, lines="\n".join(lines))


def _fish_value(row: Row) -> str:
    if row.metavar is None:
        return ""
    return f" -r{_fish_action(row.kind)}" if row.kind == "files" else f" -x{_fish_action(row.kind)}"


def _fish_action(kind: str) -> str:
    what, _, words = kind.partition(" ")
    return {"words": f" -a '{words}'", "files": " -F", "": ""}.get(what, f" -a '(__journaltune_known {kind})'")


def _fished(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
