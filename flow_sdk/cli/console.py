"""``flow-sdk``: what belongs to no flow: ``status``, ``configure``, ``version``."""

import sys
from collections.abc import Sequence

from flow_sdk.cli.arguments import Option, Parsed, parse
from flow_sdk.cli.main import guarded
from flow_sdk.errors import FlowSDKError, UsageError, nearest
from flow_sdk.release import __version__

__all__ = ["execute_console", "main"]

OPTIONS = (Option("help", "Show this help and exit.", flag=True),)

HELP = """Usage: flow-sdk COMMAND

Commands:
  status                     Say which settings hold, and where each comes from.
  configure [NAME=VALUE...]  Keep settings in the settings file (NAME= removes one), or list what there is to set.
  store check                Verify every object of a store; say what is damaged and what is left over.
  version                    Print the version of Flow SDK.

A flow is run by its own file: python flow.py --help"""


def main() -> None:
    """Run the command line and exit.

    Raises
    ------
    SystemExit
        Always, with the exit code.
    """
    sys.exit(guarded(lambda: execute_console(sys.argv[1:])))


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
        from flow_sdk.cli.store import execute_store

        return execute_store(argv[1:])
    if not argv or "-h" in argv:
        argv = ["help"]
    if list(argv) == ["--version"]:
        argv = ["version"]
    parsed: Parsed = parse(argv, OPTIONS)
    commands = {"status": _status, "configure": _configure, "version": _version, "help": _help}
    if parsed.values["help"] or not parsed.words:
        return _help([])
    name, *words = parsed.words
    if name not in commands:
        raise UsageError(f"There's no command {name!r}.", help=nearest(name, commands))
    if words and name != "configure":
        raise UsageError(f"{name} doesn't take {words[0]!r}.", help="See flow-sdk --help.")
    return commands[name](words)


def _help(words: list[str]) -> int:
    print(HELP)
    return 0


def _version(words: list[str]) -> int:
    print(__version__)
    return 0


def _status(words: list[str]) -> int:
    from flow_sdk import config
    from flow_sdk.cli.version import describe_versions

    print(describe_versions())
    print(f"settings file: {config.config_file()}")
    for name in config.SETTINGS:
        setting = config.read_setting(name)
        print(f"  {name:<24} {setting.value or '-'}  ({setting.source})")
    print(f"user: {config.user()}")
    try:
        print(f"store: {config.datastore_root()}")
    except FlowSDKError as error:
        print(f"store: none ({error.headline})")
    return 0


def _configure(words: list[str]) -> int:
    from flow_sdk import config

    if not words:
        for name, what in config.SETTINGS.items():
            print(f"{name:<24} {what}")
        return 0
    changes: dict[str, str | None] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r} sets nothing.", wanted="NAME=VALUE", help=nearest(name, config.SETTINGS))
        changes[name] = value or None
    print(f"Settings are in {config.write_settings(changes)}.", file=sys.stderr)
    return 0
