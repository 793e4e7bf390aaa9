"""The operator that runs a loop: a DAG of its body once for each iteration, until one leads out."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import BaseSensorOperator

from flow_provider.compat import (
    AirflowFailException,
    AirflowSkipException,
    dag_run_exists,
    dag_run_state,
    reschedule_until,
    start_dag_run,
)
from flow_provider.credentials import store_access
from flow_provider.deployment import DagFileDeployment
from flow_provider.labels import label_task
from flow_provider.layout import loop_dag_id
from flow_provider.operators.step import not_started_by_loop
from flow_provider.run_ids import child_run_id
from flow_provider.task_context import TaskContext, loop_conf, read_task_context
from flow_sdk.plan.model import StepPlan
from flow_sdk.plan.positions import last_number

__all__ = ["LoopOperator"]

POLL_INTERVAL = 1.0
"""Seconds between two reads of the state of an iteration that runs."""

HOLD = 20.0
"""Seconds for which the worker slot is held while an iteration runs. Then it is given back for as long, so that loops
alone can't fill all slots and keep the steps inside them from running."""


class LoopOperator(BaseSensorOperator):
    """Runs a loop: starts the DAG of its body and waits for it, until an iteration leads out of the loop.

    It keeps nothing in memory between iterations: the store and the DAG runs show what is done. A retry continues with
    the iteration that runs. When the task is cleared after an iteration failed, and the inputs of the loop are
    unchanged, it continues with that iteration; otherwise it begins again with the first.

    Parameters
    ----------
    deployment : Deployment
        The flow.
    entry : StepPlan
        The loop's entry.
    split : str, optional
        The position that the mapped group stands for.
    needs_chosen_check : bool
        Whether to check first if a switch chose the loop; the task is skipped when none did.
    """

    template_fields = ("split",)
    shallow_copy_attrs = ("deployment", "entry")
    ui_color = "#fbf3e0"
    custom_operator_name = "loop"

    def __init__(
        self,
        *,
        deployment: DagFileDeployment,
        entry: StepPlan,
        split: Any = None,
        needs_chosen_check: bool = False,
        **arguments: Any,
    ) -> None:
        # A sensor in this mode is what Airflow lets give its slot back. Its own time limit isn't meant here.
        super().__init__(
            mode="reschedule", poke_interval=HOLD, timeout=timedelta(days=3650).total_seconds(), **arguments
        )
        self.deployment = deployment
        self.entry = entry
        self.split = split
        self.needs_chosen_check = needs_chosen_check

    def execute(self, context: Any) -> None:
        """Run the loop, or continue with it."""
        here = read_task_context(self.deployment, context, self.split, self.retries)
        if here is None:
            raise not_started_by_loop(self.deployment)
        with store_access(self.deployment):
            if self.split is not None:
                label_task(context, self.deployment, self.entry, here)
            _Iterations(self, here).run()


class _Iterations:
    """The iterations of one loop, as one attempt of its operator runs them."""

    def __init__(self, operator: LoopOperator, here: TaskContext) -> None:
        self.log = operator.log
        self.needs_chosen_check = operator.needs_chosen_check
        self.here = here
        self.flow, self.store = operator.deployment.plan.flow, operator.deployment.store
        self.entry = operator.entry
        self.body = loop_dag_id(operator.deployment.dag, operator.entry.name)
        outer = operator.entry.kinds[:-1]
        from flow_sdk.ids import parse_position

        self.outer = parse_position(outer, here.position)
        self.until = time.monotonic() + HOLD

    def run(self) -> None:
        view = self._open_run()
        if self.needs_chosen_check and not self._was_chosen(view):
            raise AirflowSkipException(f"The switch before step {self.entry.name!r} chose another case.")
        generation = self.here.generation
        if self._can_continue(view):
            generation = self._read_entry(view, 0).generation
        number = self._last_iteration(view, generation) or 0
        while True:
            run = self._run_id(number)
            start_dag_run(self.body, run, loop_conf(self.here, self._position_text(number), generation))
            self.log.info("Iteration %d: run %s of DAG %s", number, run, self.body)
            self._wait_for_run(run)
            target = self._find_outcome(number)
            if target is not None:
                self.log.info("Iteration %d led out of the loop, to step %s.", number, target)
                return
            number += 1

    def _wait_for_run(self, run: str) -> None:
        while (state := dag_run_state(self.body, run)) != "success":
            if state == "failed":
                raise AirflowFailException(
                    f"An iteration failed: run {run} of DAG {self.body}. Fix the cause, then clear this task."
                )
            if time.monotonic() > self.until:
                raise reschedule_until(datetime.now(UTC) + timedelta(seconds=HOLD))
            time.sleep(POLL_INTERVAL)

    def _position_text(self, number: int) -> str:
        return self.entry.position_text((*self.outer, number))

    def _run_id(self, number: int) -> str:
        return child_run_id(self.here.airflow_run, self._position_text(number), self.here.series)

    def _open_run(self) -> Any:
        """Open the run. It has begun: no loop is entered at a flow's start."""
        from flow_sdk.runtime.run_queries import open_run

        return open_run(self.store, self.flow, self.here.run)

    def _read_entry(self, view: Any, number: int) -> Any:
        """Read the committed entry of an iteration, by its id in the version of the flow that the run has."""
        known = {step.name: step for step in view.plan.steps}
        return view.read(known.get(self.entry.name, self.entry), (*self.outer, number))

    def _was_chosen(self, view: Any) -> bool:
        from flow_sdk.runtime.run_queries import is_chosen

        return is_chosen(view, self.entry.name, self._position_text(0))

    def _find_outcome(self, number: int) -> str | None:
        from flow_sdk.runtime.run_queries import loop_outcome

        return loop_outcome(self._open_run(), self.entry.name, self._position_text(number))

    def _can_continue(self, view: Any) -> bool:
        """Return whether a cleared loop continues with the iterations it has, rather than running all of them again."""
        first = self._read_entry(view, 0)
        if first is None or first.generation >= self.here.generation:
            return False
        for parent in first.parents:
            step = view.plan[parent.step]
            found = view.read(step, step.position(parent.task))
            if found is None or found.attempt != parent.attempt:
                return False
        last = self._last_iteration(view, 0) or 0
        return not self._is_finished(last) or dag_run_exists(self.body, self._run_id(last))

    def _is_finished(self, number: int) -> bool:
        from flow_sdk.errors import TransitionError

        try:
            return self._find_outcome(number) is not None
        except TransitionError:
            return False

    def _last_iteration(self, view: Any, generation: int) -> int | None:
        """Return the number of the last iteration whose entry is committed. Reads O(log iterations) objects."""

        def has_begun(number: int) -> bool:
            found = self._read_entry(view, number)
            return found is not None and found.generation >= generation

        return last_number(has_begun)
