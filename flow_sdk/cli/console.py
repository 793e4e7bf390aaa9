"""``flow-sdk``: the commands that belong to no flow."""

import sys
from collections.abc import Sequence

from flow_sdk.cli.command_end import ErrorReporter, run_guarded
from flow_sdk.cli.console_commands import CONSOLE_COMMANDS, load_console_command, split_console_command
from flow_sdk.cli.parser import Option, parse_line
from flow_sdk.errors import UsageError
from flow_sdk.text import suggest_name

__all__ = ["HELP", "execute_console", "main"]

_HELP_OPTION = Option("help", "Show this help and exit.", flag=True)

HELP = """Usage: flow-sdk COMMAND

Commands:
  status                     Show which settings hold, and where each comes from.
  configure [NAME=VALUE...]  Keep settings in the settings file (NAME= removes one), or list what there is to set.
  configure aws              Set all that AWS needs: from a stack's outputs, from options, or by answering questions.
  configure show             Show which settings hold in a profile.
  doctor                     Check each part that is set up; show what is missing and how to fix it.
  store check                Verify every object of a store; show what is damaged and what is left over.
  store gc                   Show, or delete, what in a store is no longer needed.
  completion SHELL           Print a script that completes commands in bash, zsh or fish.
  version                    Print the version of Flow SDK.

flow-sdk COMMAND --help shows the options of one command. A flow is run by its own file: python flow.py --help"""


def main() -> None:
    """Run the command line and exit.

    Raises
    ------
    SystemExit
        Always, with the exit code.
    """
    sys.exit(run_guarded(lambda: execute_console(sys.argv[1:]), ErrorReporter(sys.argv[1:])))


def execute_console(argv: Sequence[str]) -> int:
    """Run one command line; returns the exit code.

    Parameters
    ----------
    argv : sequence of str
        The arguments without the program.

    Raises
    ------
    FlowSDKError
        If the command line is wrong, or the command fails.
    """
    words = ["--help" if word == "-h" else word for word in argv]
    if not words or words[0] in ("help", "--help"):
        print(HELP)
        return 0
    if words == ["--version"]:
        words = ["version"]
    name, rest = split_console_command(words)
    if name is None:
        return _explain_words(words)
    command = load_console_command(name)
    parsed = parse_line(rest, (*command.options, _HELP_OPTION))
    if parsed.values["help"]:
        from flow_sdk.cli.help import print_console_help

        print_console_help(name, CONSOLE_COMMANDS[name][1], command, _HELP_OPTION)
        return 0
    arguments = command.arguments
    if len(parsed.words) > len(arguments) and not (arguments and arguments[-1].repeat):
        raise UsageError(f"{name} doesn't take {parsed.words[len(arguments)]!r}.", help=f"See flow-sdk {name} --help.")
    missing = [argument.name for argument in arguments[len(parsed.words) :] if argument.required]
    if missing:
        raise UsageError(f"{name} needs {' and '.join(missing)}.", help=f"See flow-sdk {name} --help.")
    return command.run(parsed)


def _explain_words(words: list[str]) -> int:
    """Print the help of a group of commands; returns the exit code.

    Raises
    ------
    UsageError
        If the words begin with neither a command nor a group.
    """
    parsed = parse_line(words, (_HELP_OPTION,)) if words[0].startswith("-") else None
    name = parsed.words[0] if parsed is not None else words[0]
    group = [known.split()[1] for known in CONSOLE_COMMANDS if known.startswith(f"{name} ")]
    if group and (len(words) == 1 or "--help" in words or words[1] == "help"):
        from flow_sdk.cli.help import print_console_group

        print_console_group(name, {verb: CONSOLE_COMMANDS[f"{name} {verb}"][1] for verb in group})
        return 0
    if group:
        raise UsageError(f"There's no command {' '.join(words[:2])!r}.", help=suggest_name(words[1], group))
    from flow_sdk.cli.unsupported_commands import absent_command

    known_names = {known.split()[0] for known in CONSOLE_COMMANDS} | {"help"}
    raise absent_command(name) or UsageError(f"There's no command {name!r}.", help=suggest_name(name, known_names))
