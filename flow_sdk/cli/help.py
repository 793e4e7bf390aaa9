"""The help of the command line, printed without importing what it is about."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.flow import uses_no_dynamic_features
from flow_sdk.cli.program import program_text
from flow_sdk.cli.registry import COMMANDS, GENERAL, load_command
from flow_sdk.text import strip_control_sequences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from flow_sdk.cli.parser import Command, Option

__all__ = ["WIDTH", "print_console_group", "print_console_help", "print_help"]

WIDTH = 100


def print_help(flow_class: Any, argv: Sequence[str]) -> int:
    """Print the help of the command named in ``argv``, of a group of commands, or of the whole flow file."""
    if not uses_no_dynamic_features():
        from flow_sdk.cli.configs import resolve_for_help

        resolve_for_help(flow_class)
    words = [token for token in argv if not token.startswith("-")]
    if words and not COMMANDS.find_in(words[:1]) and not any(name.startswith(words[0] + " ") for name in COMMANDS):
        COMMANDS.add_offered(words[:1])
    names = [name for name in COMMANDS if name in (" ".join(words[:2]), *words[:1])]
    group = [name for name in COMMANDS if words and name.startswith(words[0] + " ")]
    if names:
        _print_command(flow_class, names[-1], COMMANDS[names[-1]][1], load_command(names[-1]))
    elif group:
        print(f"Usage: {program_text()} {words[0]} COMMAND [OPTIONS]\n\nCommands:")
        _print_table((name, COMMANDS[name][1]) for name in group)
    else:
        if words:
            from flow_sdk.cli.unsupported_commands import absent_command

            if (absent := absent_command(words[0])) is not None:
                raise absent
        print(f"Usage: {program_text()} [OPTIONS] COMMAND [ARGUMENTS]\n")
        head = (flow_class.__doc__ or "").strip().split("\n\n")[0]
        print(flow_class.__name__ + (": " + strip_control_sequences(" ".join(head.split())) if head else ""))
        print("\nCommands:")
        _print_table((name, help) for name, (_, help) in COMMANDS.items())
        print("\nOptions of every command (before or after it):")
        _print_table([*_config_rows(flow_class), *_option_rows(GENERAL)])
        print(f"\n{program_text()} COMMAND --help says more of one command.")
    return 0


def _print_command(flow_class: Any, name: str, summary: str, command: Command) -> None:
    parameters = [one for one in command.parameters(flow_class) if not one.hidden] if command.parameters else []
    print(f"Usage: {' '.join([program_text(), name, '[OPTIONS]', *_argument_placeholders(command)])}\n\n{summary}")
    if command.arguments:
        print("\nArguments:")
        _print_table((argument.name, argument.help) for argument in command.arguments)
    if parameters:
        print("\nParameters of the flow:")
        _print_table(_option_rows(parameters))
    if command.options:
        print("\nOptions:")
        _print_table(_option_rows(command.options))
    print("\nOptions of every command:")
    _print_table([*_config_rows(flow_class), *_option_rows(GENERAL)])


def print_console_help(name: str, summary: str, command: Command, *general: Option) -> None:
    """Print the help of one command of ``flow-sdk``.

    Parameters
    ----------
    name, summary : str
        The command's name, and what it does.
    command : Command
        The command.
    *general : Option
        The options of every command.
    """
    options = ["[OPTIONS]"] if command.options else []
    print(f"Usage: {' '.join(['flow-sdk', name, *options, *_argument_placeholders(command)])}\n\n{summary}")
    if command.arguments:
        print("\nArguments:")
        _print_table((argument.name, argument.help) for argument in command.arguments)
    print("\nOptions:")
    _print_table(_option_rows([*command.options, *general]))
    if command.epilog is not None:
        print("\n" + "\n".join(command.epilog()))


def print_console_group(name: str, summaries: Mapping[str, str]) -> None:
    """Print the help of a group of commands of ``flow-sdk``; ``summaries`` are by the commands' last words."""
    print(f"Usage: flow-sdk {name} COMMAND [OPTIONS]\n\nCommands:")
    _print_table(summaries.items())
    print(f"\nflow-sdk {name} COMMAND --help shows the options of one command.")


def _argument_placeholders(command: Command) -> list[str]:
    return [
        ("{}" if argument.required else "[{}]").format(argument.name + ("..." if argument.repeat else ""))
        for argument in command.arguments
    ]


def _config_rows(flow_class: Any) -> list[tuple[str, str]]:
    if uses_no_dynamic_features():
        return []
    from flow_sdk.cli.configs import config_rows

    return config_rows(flow_class)


def _option_rows(options: Iterable[Option]) -> Iterable[tuple[str, str]]:
    for option in options:
        if option.hidden:
            continue
        remarks = [option.help] if option.help else []
        if option.repeat:
            remarks.append("May be given several times.")
        if option.default not in (None, (), False, "") and not option.flag:
            remarks.append(f"[default: {option.default}]")
        yield f"--{option.name}" + ("" if option.flag else f" {option.metavar}"), " ".join(remarks)


def _print_table(rows: Iterable[tuple[str, str]]) -> None:
    found = list(rows)
    left = min(max((len(name) for name, _ in found), default=0), 34)
    for name, help in found:
        lines = _wrap_text(help, max(WIDTH - left - 4, 30))
        if len(name) > left:
            print(f"  {name}")
            name = ""
        print(f"  {name:<{left}}  {lines[0]}".rstrip())
        for line in lines[1:]:
            print(f"  {'':<{left}}  {line}")


def _wrap_text(text: str, width: int) -> list[str]:
    lines = [""]
    for word in strip_control_sequences(" ".join(text.split())).split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
    return lines
