"""Options and arguments as commands and deploy targets declare them.

Plain classes, because ``dataclasses`` costs more than all of ``flow.py --help`` may.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.errors import UsageError
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from typing import Any

__all__ = ["OUTPUT", "Argument", "Option"]


class Option:
    """One option.

    Parameters
    ----------
    name : str
        Its name without the leading dashes; also its key among the parsed values.
    help : str
        What it is for, one line.
    metavar : str
        How its value is called in the help.
    default : Any
        Its value when it isn't given. A repeatable option's is ``()``.
    flag : bool
        Whether it takes no value; ``--no-NAME`` then unsets it.
    repeat : bool
        Whether it may be given several times; the value is then a tuple.
    choices : tuple of str
        The only values it takes.
    least : int or None
        Makes the value an integer of at least this.
    hidden : bool
        Whether the help leaves it out (accepted for compatibility).
    """

    __slots__ = ("choices", "default", "flag", "help", "hidden", "least", "metavar", "name", "repeat")

    def __init__(
        self,
        name: str,
        help: str = "",
        *,
        metavar: str = "TEXT",
        default: Any = None,
        flag: bool = False,
        repeat: bool = False,
        choices: tuple[str, ...] = (),
        least: int | None = None,
        hidden: bool = False,
    ) -> None:
        self.name = name
        self.help = help
        self.metavar = "|".join(choices) if choices else "INTEGER" if least is not None else metavar
        self.default = () if repeat else False if flag and default is None else default
        self.flag = flag
        self.repeat = repeat
        self.choices = choices
        self.least = least
        self.hidden = hidden

    def read(self, text: str) -> Any:
        """Turn the text given on the command line into the option's value.

        Raises
        ------
        UsageError
            If it isn't a value of this option.
        """
        if self.choices and text not in self.choices:
            close = suggest_name(text.lower(), self.choices)
            raise UsageError(
                f"--{self.name} can't be {text!r}.",
                wanted=" or ".join(self.choices),
                help=close if close.startswith("Did") else None,
            )
        if self.least is None:
            return text
        try:
            number = int(text)
        except ValueError:
            number = self.least - 1
        if number < self.least:
            raise UsageError(f"--{self.name} can't be {text!r}.", wanted=f"a whole number, at least {self.least}")
        return number


class Argument:
    """One positional argument: its name, whether it must be given, and whether it takes all that are left."""

    __slots__ = ("help", "name", "repeat", "required")

    def __init__(self, name: str, help: str = "", *, required: bool = True, repeat: bool = False) -> None:
        self.name = name
        self.help = help
        self.required = required
        self.repeat = repeat


OUTPUT = Option("output", "How the result is printed.", choices=("text", "json"), default="text")
"""The option of every command that lists or shows something."""
