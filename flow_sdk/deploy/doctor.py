"""What looking at one part of an installation gives, for ``flow-sdk doctor``."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flow_sdk.errors import FlowSDKError

__all__ = [
    "FAILED",
    "MISSING",
    "NOT_LOOKED",
    "NOT_SET",
    "OK",
    "Check",
    "Look",
    "examine_all",
    "examine_part",
    "failed_check",
]

OK, NOT_SET, MISSING, FAILED, NOT_LOOKED = "ok", "not set up", "missing", "failed", "couldn't look"


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of one part.

    Parameters
    ----------
    name : str
        The part.
    state : str
        ``ok``; ``not set up`` (no setting asks for it); ``missing`` (what else is set up needs it); ``failed``;
        ``couldn't look`` (we may not, or what it takes is missing).
    found : str
        What was seen, for people; never a secret.
    help : str
        How to fix it; ``""`` if there's nothing to fix.
    """

    name: str
    state: str
    found: str
    help: str = ""


Look = tuple[str, Callable[[], Check]]
"""The name of a part, and the function that looks at it."""


def examine_part(name: str, look: Callable[[], Check]) -> Check:
    """Check a part; an error of ours becomes what was found."""
    try:
        return look()
    except FlowSDKError as error:
        return failed_check(name, error)


def failed_check(name: str, error: FlowSDKError) -> Check:
    """Return an error as what was found of a part."""
    found = error.headline if not error.seen else f"{error.headline} {error.seen}"
    if error.where:
        found += f" ({error.where})"
    help = " ".join(part for part in (error.wanted and f"Wanted: {error.wanted}.", error.help) if part)
    return Check(name, FAILED, " ".join(found.split()), " ".join(help.split()))


def examine_all(looks: Sequence[Look], seconds: float) -> list[Check]:
    """Look at several parts at once.

    Parameters
    ----------
    looks : sequence of Look
        The parts.
    seconds : float
        How long all of it may take (> 0); a part that hasn't answered then has failed.

    Returns
    -------
    list of Check
        One for each part, in the same order.
    """
    answers: queue.SimpleQueue[tuple[int, Check]] = queue.SimpleQueue()

    def work(index: int, name: str, look: Callable[[], Check]) -> None:
        answers.put((index, examine_part(name, look)))

    for index, (name, look) in enumerate(looks):
        # As daemons: one that hangs in a socket doesn't keep the command from ending.
        threading.Thread(target=work, args=(index, name, look), daemon=True).start()
    found: dict[int, Check] = {}
    end = time.monotonic() + seconds
    while len(found) < len(looks):
        try:
            index, check = answers.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        found[index] = check
    late = f"No answer within {seconds:g} seconds."
    return [
        found.get(index, Check(name, FAILED, late, "Check the network and the address."))
        for index, (name, _) in enumerate(looks)
    ]
