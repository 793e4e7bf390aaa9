"""``help [COMMAND]``."""

from typing import Any

from flow_sdk.cli.parser import Argument, Command
from flow_sdk.errors import UsageError
from flow_sdk.text import suggest_name

__all__ = ["COMMANDS"]


def _show_help(context: Any) -> int:
    from flow_sdk.cli.help import print_help
    from flow_sdk.cli.registry import COMMANDS as known

    words = context.line.words
    known.add_offered(words[:1])
    if words and not any(name == " ".join(words) or name.split()[0] == words[0] for name in known):
        from flow_sdk.cli.unsupported_commands import absent_command

        known_words = {name.split()[0] for name in known}
        raise absent_command(words[0]) or UsageError(
            f"There's no command {words[0]!r}.", help=suggest_name(words[0], known_words)
        )
    return print_help(context.flow_class, words)


COMMANDS = {"help": Command(_show_help, arguments=[Argument("COMMAND", "A command.", required=False, repeat=True)])}
