"""``flow-sdk``: what belongs to no flow: ``status``, ``configure``, ``doctor``, ``store``, ``version``."""

import sys
from collections.abc import Sequence

from flow_sdk.cli.json_output import OUTPUT
from flow_sdk.cli.main import ErrorReporter, run_guarded
from flow_sdk.cli.parser import Option, Parsed, parse
from flow_sdk.errors import UsageError
from flow_sdk.release import __version__
from flow_sdk.text import suggest_name

__all__ = ["execute_console", "main"]

OPTIONS = (Option("help", "Show this help and exit.", flag=True), OUTPUT)

HELP = """Usage: flow-sdk COMMAND

Commands:
  status                     Say which settings hold, and where each comes from.
  configure [NAME=VALUE...]  Keep settings in the settings file (NAME= removes one), or list what there is to set.
  configure aws              Set all that AWS needs: from a stack's outputs, from options, or by answering questions.
  configure show             Say which settings hold in a profile.
  doctor                     Look at each part that is set up; say what is missing and how to mend it.
  store check                Verify every object of a store; say what is damaged and what is left over.
  store gc                   Say, or delete, what in a store nobody needs any more.
  version                    Print the version of Flow SDK.

A flow is run by its own file: python flow.py --help"""


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
        Whatever is wrong.
    """
    if argv and argv[0] == "store":
        from flow_sdk.cli.commands.store import execute_store

        return execute_store(argv[1:])
    if argv and argv[0] == "doctor":
        from flow_sdk.cli.commands.doctor import execute_doctor

        return execute_doctor(argv[1:])
    if list(argv[:1]) == ["configure"]:
        from flow_sdk.cli.commands.configure import execute_configure

        return execute_configure(argv[1:])
    if not argv or "-h" in argv:
        argv = ["help"]
    if list(argv) == ["--version"]:
        argv = ["version"]
    parsed: Parsed = parse(argv, OPTIONS)
    commands = {"status": _status, "version": _version, "help": _help}
    if parsed.values["help"] or not parsed.words:
        return _help(parsed)
    name, *words = parsed.words
    if name not in commands:
        from flow_sdk.cli.unsupported_commands import absent_command

        if (absent := absent_command(name)) is not None:
            raise absent
        known = [*commands, "configure", "doctor", "store"]
        raise UsageError(f"There's no command {name!r}.", help=suggest_name(name, known))
    if "output" in parsed.given and name != "status":
        raise UsageError(f"{name} has no option '--output'.", help="See flow-sdk --help.")
    if words:
        raise UsageError(f"{name} doesn't take {words[0]!r}.", help="See flow-sdk --help.")
    return commands[name](parsed)


def _help(parsed: Parsed) -> int:
    print(HELP)
    return 0


def _version(parsed: Parsed) -> int:
    print(__version__)
    return 0


def _status(parsed: Parsed) -> int:
    from flow_sdk.cli.commands.status import show_status

    return show_status(as_json=parsed.values["output"] == "json")
