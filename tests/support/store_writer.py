"""What a writer to a store is to the fault tests: an act that can be cut off anywhere and done again."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flow_sdk.metadata.runs import Runs
from flow_sdk.store.open_store import open_store
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.model import RunRecord
from tests.fault.cut_flow import Cut
from tests.support.in_process_runs import InProcessRun

__all__ = ["EARLY", "NAME", "Place", "Writer", "begun", "begun_run", "record"]

NAME = "Cut"
EARLY = 1_700_000_000.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an act writes.

    Parameters
    ----------
    url : str
        The store.
    folder : str
        A folder of this machine, for what isn't in the store; a local store lies in it.
    """

    url: str
    folder: str

    def store(self) -> ObjectStore:
        """Open the store."""
        return open_store(self.url)


@dataclass(frozen=True, slots=True)
class Writer:
    """One of the acts.

    Parameters
    ----------
    prepare, act : callable
        What was there before, and the act.
    look : callable
        What a reader sees.
    between : callable
        Tells whether something seen is a step on the way; none are by default.
    again : callable
        What is left of ``look`` after an act that is done again: for what keeps count of tries.
    """

    prepare: Callable[[Place], Any]
    act: Callable[[Place], Any]
    look: Callable[[Place], Any]
    between: Callable[[Any], bool] = lambda seen: False
    again: Callable[[Any], Any] = lambda seen: seen


def record(place: Place, run: str, kind: str = "test") -> RunRecord:
    made = InProcessRun(Cut, store=place.store(), run=run)
    return dataclasses.replace(
        made.record,
        started=EARLY,
        system_tags=("user:tester", "runtime:test"),
        tags=("mine", "yours"),
        orchestrator={"kind": kind},
        end="end",
    )


def begun(place: Place) -> None:
    """Begin the run "r"."""
    Runs(place.store()).create(record(place, "r"))


def begun_run(place: Place, run: str = "r") -> InProcessRun:
    """A run that has begun, or begins, to run tasks of."""
    made = InProcessRun(Cut, store=place.store(), run=run)
    made.record = Runs(place.store()).create(record(place, run))
    return made
