"""What the ``trigger`` commands of all targets share: the run's id given, written to a file and printed."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.user_files import check_writable, write_file

if TYPE_CHECKING:
    from flow_sdk.cli.context import CommandContext
    from flow_sdk.deploy.run_ids import RunIdRule

__all__ = ["given_run_id", "refuse_stored_run", "write_run_id"]


def given_run_id(context: CommandContext, rule: RunIdRule, prefix: str | None = None) -> str | None:
    """Check ``--run-id`` and ``--run-id-file`` before anything starts.

    Returns
    -------
    str or None
        The id for the orchestrator, without the target's prefix; None where one is to be made.

    Raises
    ------
    UsageError
        If the id or the file can't be used.
    """
    from flow_sdk.deploy.run_ids import check_run_id

    check_writable(context["run-id-file"])
    return None if context["run-id"] is None else check_run_id(context["run-id"], rule, prefix)


def refuse_stored_run(context: CommandContext, run: str, target: str) -> None:
    """Refuse the id of a run that the store has; the orchestrator may have forgotten it.

    Parameters
    ----------
    context : CommandContext
        The command.
    run : str
        The run's id in the store.
    target : str
        The orchestrator's name.

    Raises
    ------
    DeployError
        If there is such a run: a new one of its id would take its results for its own.
    StoreError
        If the store can't be read.
    """
    from flow_sdk.deploy.run_ids import existing_run_error
    from flow_sdk.deploy.tokens import existing_store
    from flow_sdk.runtime.task.run_start import read_record

    store = existing_store(context.store.root)
    if store is not None and read_record(store, context.flow, run) is not None:
        raise existing_run_error(run, target, store.url)


def write_run_id(context: CommandContext, run: str) -> None:
    """Write the started run's id in the store to ``--run-id-file``."""
    if context["run-id-file"]:
        write_file(context["run-id-file"], run.encode())
