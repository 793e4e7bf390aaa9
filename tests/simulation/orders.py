"""All orders in which a few processes can take their steps at a store, each kind of order once.

Two steps that neither reads nor writes what the other writes can change places without anybody noticing. Orders that
differ by nothing else are played once: so many, and not more, as there are stories to tell. All states are reached.
"""

import itertools
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass

from tests.support.stepped_processes import Actor

__all__ = ["Order", "every_order"]

BEGINNING = 12
"""Steps by which orders are told apart where only a share of them is played."""
_READS = ("get", "head", "list", "folders")


@dataclass(slots=True)
class _Choice:
    ready: dict[int, str]
    """What each process that isn't over is about to do."""
    asleep: set[int]
    """Those whose turn at this place leads to nothing new."""
    chosen: int


@dataclass(frozen=True, slots=True)
class Order:
    """One order, played to its end.

    Parameters
    ----------
    steps : tuple of str
        What was done, with the number of who did it.
    """

    steps: tuple[str, ...]


def every_order(
    begin: Callable[[], Sequence[Actor]],
    look: Callable[[], None] = lambda: None,
    *,
    alike: bool = False,
    share: Container[int] = range(1_000_000_000),
    most: int = 100_000,
) -> Iterator[Order]:
    """Play all orders.

    Parameters
    ----------
    begin : callable
        Makes the world anew and starts its processes, each before its first step.
    look : callable
        Is called after each step.
    alike : bool
        Whether to play also the orders that differ by nothing that anybody could notice.
    share : container of int
        Which beginnings to play, by their number; with each all orders that begin so.
    most : int
        More orders than this are an error: nobody would wait for the end.

    Yields
    ------
    Order
        Each order, when all processes are over.
    """
    choices: list[_Choice] = []
    count = 0
    beginnings = itertools.count()

    def is_left_out() -> bool:
        return len(choices) == BEGINNING and next(beginnings) not in share

    while True:
        actors = begin()
        _replay(actors, choices)
        if choices:
            look()
        while ready := {number: actor.next for number, actor in enumerate(actors) if not actor.is_over}:
            asleep = _still_asleep(choices[-1]) if choices and not alike else set()
            awake = sorted(ready.keys() - asleep)
            if not awake:
                break
            choices.append(_Choice(ready, asleep, awake[0]))
            if is_left_out():
                break
            actors[awake[0]].step()
            look()
        else:
            count += 1
            assert count <= most, f"more than {most:,} orders"
            yield Order(tuple(f"{choice.chosen} {choice.ready[choice.chosen]}" for choice in choices))
        for actor in actors:
            actor.kill()
        while choices:
            last = choices[-1]
            last.asleep.add(last.chosen)
            left = sorted(last.ready.keys() - last.asleep)
            if not left:
                choices.pop()
                continue
            last.chosen = left[0]
            if not is_left_out():
                break
        else:
            return


def _replay(actors: Sequence[Actor], choices: Sequence[_Choice]) -> None:
    """Do again what was done and looked at in the order before, and the first step that is new."""
    for chosen, steps in itertools.groupby(choice.chosen for choice in choices):
        actors[chosen].step(len(list(steps)))


def _still_asleep(choice: _Choice) -> set[int]:
    step = choice.ready[choice.chosen]
    return {number for number in choice.asleep if not _meet(choice.ready[number], step)}


def _meet(one: str, other: str) -> bool:
    """Tell whether it matters which of two steps comes first."""
    (verb, _, key), (its_verb, _, its_key) = one.partition(" "), other.partition(" ")
    if not verb or not its_verb or (verb in _READS and its_verb in _READS):
        return False
    listed = [k for v, k in ((verb, key), (its_verb, its_key)) if v in ("list", "folders")]
    return key.startswith(listed[0]) and its_key.startswith(listed[0]) if listed else key == its_key
