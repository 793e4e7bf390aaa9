"""``help [COMMAND]``."""

from typing import Any

from flow_sdk.cli.arguments import Argument, Command
from flow_sdk.errors import UsageError, nearest

__all__ = ["COMMANDS"]


def _help(call: Any) -> int:
    from flow_sdk.cli.main import COMMANDS as known
    from flow_sdk.cli.usage import print_help

    words = call.words
    if words and not any(name == " ".join(words) or name.split()[0] == words[0] for name in known):
        from flow_sdk.cli.absent import absent_command

        known_words = {name.split()[0] for name in known}
        raise absent_command(words[0]) or UsageError(
            f"There's no command {words[0]!r}.", help=nearest(words[0], known_words)
        )
    return print_help(call.flow_class, words)


COMMANDS = {"help": Command(_help, arguments=[Argument("COMMAND", "A command.", required=False, repeat=True)])}
