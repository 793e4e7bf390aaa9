"""The command line of a flow file: finds the command, parses, runs it, and turns what comes of it into an exit code."""

from __future__ import annotations

import sys

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.flow import uses_no_dynamic_features
from flow_sdk.cli.command_end import ErrorReporter, run_guarded
from flow_sdk.cli.parser import Command, Parsed, parse_line
from flow_sdk.cli.registry import COMMANDS, GENERAL, load_command
from flow_sdk.errors import UsageError
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["execute_command", "find_command", "main"]


def main(flow_class: Any) -> None:
    """Run the command line of a flow file and exit.

    Parameters
    ----------
    flow_class : type
        The flow, a subclass of :class:`~flow_sdk.FlowSpec`.

    Raises
    ------
    SystemExit
        Always: 0 for success, 1 for a failed flow, check or command, 2 for wrong usage, 130 when interrupted.
    """
    reporter = ErrorReporter(sys.argv[1:])
    sys.exit(run_guarded(lambda: _execute_file(flow_class, reporter), reporter))


def _execute_file(flow_class: Any, reporter: ErrorReporter) -> int:
    """Run the command line of a flow file, unless the file takes the place of a module that is needed for it."""
    from flow_sdk.cli.shadowing import check_file_name

    check_file_name(getattr(sys.modules[flow_class.__module__], "__file__", None) or "")
    return execute_command(flow_class, sys.argv[1:], reporter)


def execute_command(flow_class: Any, argv: Sequence[str], reporter: ErrorReporter | None = None) -> int:
    """Run one command line.

    Parameters
    ----------
    flow_class : type
        The flow.
    argv : sequence of str
        The arguments without the program.
    reporter : ErrorReporter, optional
        Gets the parsed command line.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    FlowSDKError
        Whatever is wrong with the command line, or goes wrong.
    """
    if not uses_no_dynamic_features():
        from flow_sdk.cli.configs import take_configs

        argv = take_configs(flow_class, argv)
    options = argv[: argv.index("--")] if "--" in argv else argv
    # A last -h after an option is that option's value.
    short = argv[-1:] == ["-h"] and not "".join(argv[-2:-1]).startswith("-")
    if not argv or "--help" in options or short:
        from flow_sdk.cli.help import print_help

        return print_help(flow_class, options)
    if list(argv) == ["--version"]:
        argv = ["version"]
    name, parsed, command = find_command(flow_class, argv)
    if reporter is not None:
        reporter.use_parsed(parsed)
    from flow_sdk.cli.context import CommandContext

    context = CommandContext(flow_class, name, parsed)
    if context["caller"] is not None:
        from flow_sdk.cli.caller import exchange_with_caller

        exchange_with_caller(context)
    return command.run(context)


def find_command(flow_class: Any, argv: Sequence[str]) -> tuple[str, Parsed, Command]:
    """Find the command that a command line means, and parse the line for it.

    Which words are an option's value and which is the command depends on the command's own options, and these may
    stand before it. So each command whose words occur is tried, and right is the one whose words come first.
    """
    tokens = list(argv)
    error: UsageError | None = None
    for name in sorted(COMMANDS.find_in(tokens), key=lambda name: tokens.index(name.split()[0])):
        command = load_command(name)
        parameters = command.parameters(flow_class) if command.parameters else ()
        try:
            parsed = parse_line(argv, GENERAL, command.options, parameters)
        except UsageError as wrong:
            error = error or wrong
            continue
        count = len(name.split())
        if parsed.words[:count] == name.split():
            del parsed.words[:count]
            _check_arguments(name, command, parsed)
            return name, parsed, command
    if COMMANDS.add_offered(tokens):
        return find_command(flow_class, argv)
    raise _unknown_command(tokens, error)


def _check_arguments(name: str, command: Command, parsed: Parsed) -> None:
    words, arguments = parsed.words, command.arguments
    missing = [argument.name for argument in arguments[len(words) :] if argument.required]
    if missing:
        raise UsageError(f"{name} needs {' and '.join(missing)}.", help=f"See {name} --help.")
    if len(words) > len(arguments) and not (arguments and arguments[-1].repeat):
        extra = words[len(arguments)]
        options = [option.name for option in (*GENERAL, *command.options)]
        raise UsageError(
            f"{name} doesn't take {extra!r}.",
            wanted=" ".join(argument.name for argument in arguments) or "options only",
            help=(command.advise(words) if command.advise else "")
            or (f"Did you mean --{extra}?" if extra in options else f"See {name} --help."),
        )


def _unknown_command(tokens: list[str], error: UsageError | None) -> UsageError:
    """Return the error for a line that no command fits."""
    if error is not None:
        return error
    words = parse_line([token for token in tokens if not token.startswith("-")], GENERAL).words
    try:
        words = parse_line(tokens, GENERAL).words
    except UsageError as wrong:
        # With no known command in the line the option may be right: the word is what to correct first.
        if not words:
            return wrong
    if not words:
        return UsageError("No command is given.", help="See --help for all commands.")
    groups = {name.split()[0] for name in COMMANDS}
    if words[0] in groups:
        known = [name.split()[1] for name in COMMANDS if name.startswith(words[0] + " ")]
        if len(words) == 1:
            return UsageError(f"{words[0]} needs a command.", wanted=" or ".join(known))
        return UsageError(
            f"There's no command {' '.join(words[:2])!r}.",
            help=suggest_name(words[1], known),
            wanted=" or ".join(known),
        )
    from flow_sdk.cli.unsupported_commands import absent_command

    return absent_command(words[0]) or UsageError(
        f"There's no command {words[0]!r}.", help=suggest_name(words[0], groups)
    )
