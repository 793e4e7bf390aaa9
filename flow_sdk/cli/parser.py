"""Options and arguments of a command line, and how they are parsed.

Our own few lines and not click: importing click alone costs more (about 50 ms) than all of ``flow.py --help`` may.
An option may stand before or after the command, as ``--name value`` or ``--name=value``.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.errors import UsageError
from flow_sdk.options import Argument, Option
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

__all__ = ["Argument", "Command", "Option", "Parsed", "parse_line"]


class Command:
    """One command.

    Parameters
    ----------
    run : callable
        Takes the :class:`~flow_sdk.cli.context.CommandContext` (a command of ``flow-sdk``: the :class:`Parsed` line),
        returns the exit code.
    arguments : sequence of Argument
        Its positional arguments.
    options : sequence of Option
        Its own options.
    parameters : callable, optional
        Takes the flow class, returns one option for each parameter of the flow.
    advise : callable, optional
        Takes positional arguments that are too many, returns what to do about them; "" where nothing is known.
    epilog : callable, optional
        Returns further lines of the help.
    """

    __slots__ = ("advise", "arguments", "epilog", "options", "parameters", "run")

    def __init__(
        self,
        run: Callable[[Any], int],
        *,
        arguments: Sequence[Argument] = (),
        options: Sequence[Option] = (),
        parameters: Callable[[Any], Sequence[Option]] | None = None,
        advise: Callable[[Sequence[str]], str] | None = None,
        epilog: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self.run = run
        self.epilog = epilog
        self.advise = advise
        self.arguments = arguments
        self.options = options
        self.parameters = parameters


class Parsed:
    """A command line, taken apart.

    Attributes
    ----------
    words : list of str
        The positional arguments, the command's own words first.
    values : dict
        Values of the general and the command's options by name, defaults included.
    parameters : dict
        Texts of those flow parameters that were given, by name: a list of them where the parameter may be given several
        times, True or False for a flag.
    given : set of str
        Names of the options that were given.
    """

    __slots__ = ("given", "parameters", "values", "words")

    def __init__(self) -> None:
        self.words: list[str] = []
        self.values: dict[str, Any] = {}
        self.parameters: dict[str, Any] = {}
        self.given: set[str] = set()

    def set_option(self, option: Option, value: Any) -> None:
        """Set an option, or add a value of a repeatable one.

        Raises
        ------
        UsageError
            If it is given twice with different values.
        """
        if option.repeat:
            self.values[option.name] = (*self.values.get(option.name, ()), value)
        elif option.name in self.given and self.values[option.name] != value:
            raise UsageError(f"--{option.name} was given twice.", seen=f"{self.values[option.name]!r} and {value!r}")
        else:
            self.values[option.name] = value
        self.given.add(option.name)


def parse_line(
    argv: Sequence[str], general: Iterable[Option], own: Iterable[Option] = (), parameters: Iterable[Option] = ()
) -> Parsed:
    """Parse a command line.

    Parameters
    ----------
    argv : sequence of str
        The arguments without the program.
    general : iterable of Option
        The options of every command.
    own : iterable of Option
        The command's own options.
    parameters : iterable of Option
        The flow's parameters. After the first positional argument they win over options of the same name, before it
        the options do: so a flow may call a parameter whatever it likes.

    Returns
    -------
    Parsed

    Raises
    ------
    UsageError
        For an unknown option, a missing or wrong value.
    """
    parsed = Parsed()
    options = {option.name: option for option in (*general, *own)}
    by_parameter = {option.name: option for option in parameters}
    for option in options.values():
        parsed.values[option.name] = option.default
    rest = iter(argv)
    for token in rest:
        if token == "--":
            parsed.words.extend(rest)
        elif not token.startswith("-") or token == "-" or _is_number(token):
            parsed.words.append(token)
        else:
            name, equals, text = token.lstrip("-").partition("=")
            parameter = by_parameter.get(name) if parsed.words or name not in options else None
            if not token.startswith("--") or (parameter is None and name not in options):
                if not _apply_negation(parsed, {**by_parameter, **options}, by_parameter, token):
                    raise _unknown_option(token.partition("=")[0], [*options.values(), *by_parameter.values()])
                continue
            found = parameter or options[name]
            if found.flag:
                if equals:
                    raise UsageError(f"--{name} takes no value.", seen=token)
                if parameter is None:
                    parsed.set_option(found, True)
                else:
                    parsed.parameters[name] = not parameter.default
                continue
            if not equals:
                text = _take_value(found, rest, options, by_parameter)
            if parameter is None:
                parsed.set_option(found, found.read(text))
            elif found.repeat:
                parsed.parameters.setdefault(name, []).append(text)
            elif name in parsed.parameters and parsed.parameters[name] != text:
                raise UsageError(f"--{name} was given twice.", seen=f"{parsed.parameters[name]!r} and {text!r}")
            else:
                parsed.parameters[name] = text
    return parsed


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def _apply_negation(parsed: Parsed, options: dict[str, Option], by_parameter: dict[str, Option], token: str) -> bool:
    option = options.get(token[5:]) if token.startswith("--no-") else None
    if option is None or not option.flag:
        return False
    if by_parameter.get(option.name) is option:
        parsed.parameters[option.name] = False
    else:
        parsed.set_option(option, False)
    return True


def _take_value(option: Option, rest: Any, *tables: dict[str, Option]) -> str:
    """Return an option's value: the next token, unless that is itself an option."""
    text = next(rest, None)
    if text is None:
        raise UsageError(f"--{option.name} needs a value.", wanted=f"--{option.name} {option.metavar}")
    if text.startswith("--") and any(text[2:].partition("=")[0] in table for table in tables):
        # What was given to the next option isn't said: it may be a password.
        other = text.partition("=")[0]
        raise UsageError(
            f"--{option.name} needs a value.",
            seen=f"the option {other}",
            help=f"To hand over this very text, write --{option.name}={other}" + ("=..." if other != text else ""),
        )
    return str(text)


def _unknown_option(token: str, options: Sequence[Option]) -> UsageError:
    close = suggest_name(token.lstrip("-"), [option.name for option in options if not option.hidden])
    if close.startswith("Did"):
        return UsageError(f"There's no option {token!r}.", help=close.replace("'", "'--", 1))
    return UsageError(f"There's no option {token!r}.", help="See --help for those there are.")
