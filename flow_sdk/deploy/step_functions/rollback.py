"""Choosing the version that a deployed flow moves back to."""

from flow_sdk.deploy.step_functions.machine import StateMachine
from flow_sdk.errors import DeployError

__all__ = ["choose_version"]


def choose_version(machine: StateMachine, wanted: str | None) -> int:
    """Find the version to move to.

    Parameters
    ----------
    machine : StateMachine
        The state machine.
    wanted : str or None
        What the user says: a number; None for the version before the present one.

    Raises
    ------
    DeployError
        If there is no such version.
    AwsError
        If AWS can't be asked.
    """
    known, live = machine.list_versions(), machine.find_live()
    there = f"{_join_numbers(known)}; the present one is {live}" if known else "none"
    if wanted is not None:
        if wanted.isascii() and wanted.isdigit() and int(wanted) in known:
            return int(wanted)
        raise DeployError(
            f"{machine.deployed_name} has no version {wanted}.", wanted=f"one of {there}", where=str(machine.account)
        )
    older = [number for number in known if live is None or number < live]
    if not older:
        raise DeployError(
            f"{machine.deployed_name} has no version before the present one.", seen=there, where=str(machine.account)
        )
    return older[0]


def _join_numbers(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:12]))
    return f"{shown}, ... ({len(numbers)} in all)" if len(numbers) > 12 else shown
