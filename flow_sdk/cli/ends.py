"""What an orchestrator says of a run's end, brought into the store where the store doesn't know it yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_sdk.errors import FlowSDKError

if TYPE_CHECKING:
    from flow_sdk.cli.context import Call
    from flow_sdk.cli.deployed_runs import ListedRun

__all__ = ["Ends"]

LOOKED_AT = 20
"""How many runs of a list are looked at: the newest that have failed."""

ENDED = ("FAILED", "TIMED_OUT", "ABORTED")
HOW = {"FAILED": "has failed", "TIMED_OUT": "took longer than its workflow timeout", "ABORTED": "was stopped"}


class Ends:
    """Notes in the store how runs have ended that their orchestrator gave up between two tasks.

    Whoever looks at a run brings it up to date; a store that can't be reached hinders nobody from looking.

    Parameters
    ----------
    call : Call
        The command.
    by, name : str
        The kind of orchestrator, and what it is called.
    """

    def __init__(self, call: Call, by: str, name: str) -> None:
        self._call, self._by, self._name, self._left = call, by, name, LOOKED_AT

    def saw(self, run: ListedRun) -> None:
        """Take in what the orchestrator says of a run."""
        if run.status in ENDED and self._left > 0:
            self._left -= 1
            self._note(run, f"{self._name} says that it {HOW[run.status]}; no task of it has")

    def stopped(self, run: ListedRun) -> None:
        """Note that the command has stopped a run."""
        self._note(run, f"it was stopped with {self._call.name}")

    def stopping(self, run: ListedRun) -> None:
        """Say, and note, that the command is about to stop a run."""
        self._call.say(f"Stopping the run {run.run}.")
        self.stopped(run)

    def goes_on(self, run: ListedRun) -> None:
        """Take back what was noted of a run that goes on."""
        from flow_sdk.runtime.run_abandonment import take_back_end

        take_back_end(self._call.root, self._call.flow, run.run)

    def _note(self, run: ListedRun, reason: str) -> None:
        from flow_sdk.runtime.run_abandonment import note_given_up

        when = None if run.stopped is None else run.stopped.timestamp()
        try:
            note_given_up(self._call.root, self._call.flow, run.run, self._by, reason, when)
        except FlowSDKError as error:
            self._left = 0
            self._call.say(f"How its runs ended couldn't be noted in the store: {error.headline}")
