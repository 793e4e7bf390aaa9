"""Ids of runs that ``trigger`` starts, by the same rules on every target. Pure.

- ``--run-id`` takes the id that the orchestrator gives to the run. The run's id in the store has the target's prefix
  before it (``sfn-``, ``airflow-``); an id that begins with that prefix is taken as the run's id in the store.
- An id that the orchestrator or the store couldn't hold is refused before anything is sent.
- The id of an existing run is refused, whatever its parameters and state are.
- ``trigger`` prints the run's id in the store, the one that ``resume`` and the client take.

Parameters follow one rule as well: :func:`flow_sdk.plan.parameters.convert_value` takes a value as data and as the text
that means it, so ``0.5`` and ``"0.5"`` start equal runs on every target.
"""

import re
from dataclasses import dataclass

from flow_sdk.errors import DeployError, UsageError

__all__ = ["RunIdRule", "check_run_id", "existing_run_error"]


@dataclass(frozen=True, slots=True)
class RunIdRule:
    """Which ids an orchestrator takes for its runs.

    Parameters
    ----------
    target : str
        The orchestrator's name, for messages.
    prefix : str
        What the run's id in the store has before the orchestrator's id.
    letters : str
        The characters of an id, as the inside of a regular expression's character class.
    longest : int
        Most characters of an id (>= 1).
    """

    target: str
    prefix: str
    letters: str
    longest: int


def check_run_id(given: str, rule: RunIdRule, prefix: str | None = None) -> str:
    """Check the id that a user gives for a run that doesn't exist yet.

    Parameters
    ----------
    given : str
        What ``--run-id`` says.
    rule : RunIdRule
        What the orchestrator takes.
    prefix : str, optional
        The prefix of the deployment's runs where it isn't that of the rule.

    Returns
    -------
    str
        The id for the orchestrator: without the prefix.

    Raises
    ------
    UsageError
        If the orchestrator couldn't hold it.
    """
    wanted = rule.prefix if prefix is None else prefix
    name = given.removeprefix(wanted)
    if re.fullmatch(rf"[{rule.letters}]{{1,{rule.longest}}}", name, re.ASCII) and name[0].isalnum():
        return name
    return _run_id_error(given, name, rule)


def _run_id_error(given: str, name: str, rule: RunIdRule) -> str:
    too_long = len(name) > rule.longest
    letters = " ".join(["letters A-Z a-z and digits, or", *rule.letters.removeprefix("A-Za-z0-9")])
    raise UsageError(
        f"--run-id is too long for a run of {rule.target}."
        if too_long
        else f"--run-id can't be the id of a run of {rule.target}.",
        seen=f"{len(name):,} characters: {given[:60]!r}..." if too_long else repr(given)[:200],
        wanted=f"at most {rule.longest} characters: {letters}; the first one a letter or digit",
    )


def existing_run_error(run: str, target: str, where: str) -> DeployError:
    """Make the error that says that a run of the id exists already.

    Parameters
    ----------
    run : str
        The run's id in the store.
    target : str
        The orchestrator's name.
    where : str
        The orchestrator's address or the run's ARN.
    """
    return DeployError(
        f"There is a run {run} in {target} already. No run was started.",
        where=where,
        wanted="an id that no run has had",
        help="Give another --run-id, or leave it out to have one made.",
    )
