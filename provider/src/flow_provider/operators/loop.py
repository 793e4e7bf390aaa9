"""The operator that runs a loop: a DAG of its body once for each pass, until a pass leads out."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import BaseSensorOperator

from flow_provider.compat import (
    AirflowFailException,
    AirflowSkipException,
    dag_run_exists,
    dag_run_state,
    reschedule,
    start_dag_run,
)
from flow_provider.credentials import store_access
from flow_provider.deployment import Deployment
from flow_provider.instance import Instance, locate, loop_conf
from flow_provider.labels import label_task
from flow_provider.layout import loop_dag_id
from flow_provider.operators.step import not_started_by_loop
from flow_provider.run_ids import child_run_id
from flow_sdk.plan.model import StepPlan
from flow_sdk.plan.positions import last_number

__all__ = ["LoopOperator"]

LOOK_EVERY = 1.0
"""Seconds between looks at a pass that runs."""

HOLD = 20.0
"""Seconds for which the worker slot is held while a pass runs. Then it is given back for as long, so that loops
alone can't fill all slots and keep the steps inside them from running."""


class LoopOperator(BaseSensorOperator):
    """Starts the DAG of a loop's body, waits for it, and does so again until a pass leads out of the loop.

    It keeps nothing in memory between passes: what has been done stands in the store and in the DAG runs. A retry goes
    on with the pass that runs. When it is cleared after a pass failed, and what the loop began with is unchanged, it
    goes on with that pass; otherwise it begins again with the first.

    Parameters
    ----------
    deployment : Deployment
        The flow.
    entry : StepPlan
        The loop's entry.
    split : str, optional
        The position that the mapped group stands for.
    asks : bool
        Whether to look first if the run chose the loop.
    """

    template_fields = ("split",)
    shallow_copy_attrs = ("deployment", "entry")
    ui_color = "#fbf3e0"
    custom_operator_name = "loop"

    def __init__(
        self, *, deployment: Deployment, entry: StepPlan, split: Any = None, asks: bool = False, **arguments: Any
    ) -> None:
        # A sensor in this mode is what Airflow lets give its slot back. Its own time limit isn't meant here.
        super().__init__(
            mode="reschedule", poke_interval=HOLD, timeout=timedelta(days=3650).total_seconds(), **arguments
        )
        self.deployment = deployment
        self.entry = entry
        self.split = split
        self.asks = asks

    def execute(self, context: Any) -> None:
        """Run the loop, or go on with it."""
        here = locate(self.deployment, context, self.split, self.retries)
        if here is None:
            raise not_started_by_loop(self.deployment)
        with store_access(self.deployment):
            if self.split is not None:
                label_task(context, self.deployment, self.entry, here)
            _Passes(self, here).run()


class _Passes:
    """The passes of one loop, seen from one try of its operator."""

    def __init__(self, operator: LoopOperator, here: Instance) -> None:
        self.log = operator.log
        self.asks = operator.asks
        self.here = here
        self.flow, self.store = operator.deployment.plan.flow, operator.deployment.store
        self.entry = operator.entry
        self.body = loop_dag_id(operator.deployment.dag, operator.entry.name)
        outer = operator.entry.kinds[:-1]
        from flow_sdk.ids import parse_position

        self.outer = parse_position(outer, here.position)
        self.until = time.monotonic() + HOLD

    def run(self) -> None:
        view = self._view()
        if self.asks and not self._chosen(view):
            raise AirflowSkipException(f"The switch before step {self.entry.name!r} chose another case.")
        generation = self.here.generation
        if self._goes_on(view):
            generation = self._read(view, 0).generation
        number = self._last(view, generation) or 0
        while True:
            run = self._run_id(number)
            start_dag_run(self.body, run, loop_conf(self.here, self._position(number), generation))
            self.log.info("Pass %d: run %s of DAG %s", number, run, self.body)
            self._wait(run)
            target = self._outcome(number)
            if target is not None:
                self.log.info("Pass %d led out of the loop, to step %s.", number, target)
                return
            number += 1

    def _wait(self, run: str) -> None:
        while (state := dag_run_state(self.body, run)) != "success":
            if state == "failed":
                raise AirflowFailException(
                    f"A pass failed: run {run} of DAG {self.body}. Mend the cause, then clear this task to go on."
                )
            if time.monotonic() > self.until:
                raise reschedule(datetime.now(UTC) + timedelta(seconds=HOLD))
            time.sleep(LOOK_EVERY)

    def _position(self, number: int) -> str:
        return self.entry.position_text((*self.outer, number))

    def _run_id(self, number: int) -> str:
        return child_run_id(self.here.airflow_run, self._position(number), self.here.series)

    def _view(self) -> Any:
        """The run as its tasks see it. It has begun: no loop is entered at a flow's start."""
        from flow_sdk.runtime.run_queries import open_run

        return open_run(self.store, self.flow, self.here.run)

    def _read(self, view: Any, number: int) -> Any:
        """The committed entry of a pass. Its id is that of the version that the run has, if it has the step."""
        known = {step.name: step for step in view.plan.steps}
        return view.read(known.get(self.entry.name, self.entry), (*self.outer, number))

    def _chosen(self, view: Any) -> bool:
        from flow_sdk.runtime.run_queries import is_chosen

        return is_chosen(view, self.entry.name, self._position(0))

    def _outcome(self, number: int) -> str | None:
        from flow_sdk.runtime.run_queries import loop_outcome

        return loop_outcome(self._view(), self.entry.name, self._position(number))

    def _goes_on(self, view: Any) -> bool:
        """Whether a cleared loop goes on with the passes it has, rather than running all of them again."""
        first = self._read(view, 0)
        if first is None or first.generation >= self.here.generation:
            return False
        for parent in first.parents:
            step = view.plan[parent.step]
            found = view.read(step, step.position(parent.task))
            if found is None or found.attempt != parent.attempt:
                return False
        last = self._last(view, 0) or 0
        return not self._finished(last) or dag_run_exists(self.body, self._run_id(last))

    def _finished(self, number: int) -> bool:
        from flow_sdk.errors import TransitionError

        try:
            return self._outcome(number) is not None
        except TransitionError:
            return False

    def _last(self, view: Any, generation: int) -> int | None:
        """Number of the last pass whose entry is committed. Looks at O(log passes) objects."""

        def begun(number: int) -> bool:
            found = self._read(view, number)
            return found is not None and found.generation >= generation

        return last_number(begun)
