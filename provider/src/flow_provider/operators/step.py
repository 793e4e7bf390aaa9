"""The operator that runs one step of a flow."""

from typing import TYPE_CHECKING, Any, ClassVar

from flow_provider.callbacks import clear_recorded_end
from flow_provider.compat import (
    AIRFLOW_3,
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
    conf,
)
from flow_provider.credentials import StoreAccess, store_access
from flow_provider.deployment import DagFileDeployment
from flow_provider.labels import label_task
from flow_provider.links import LINK_KEY, ArtifactsLink, artifacts_url
from flow_sdk.plan.model import StepPlan

if TYPE_CHECKING:
    from flow_provider.task_context import TaskContext
    from flow_provider.worker_process import WorkerProcess
    from flow_sdk.runtime.request import TaskRequest

__all__ = ["StepOperator", "not_started_by_loop"]


class StepOperator(BaseOperator):
    """Runs a step on the worker, in a process of its own, and streams its log into Airflow's.

    Parameters
    ----------
    deployment : Deployment
        The flow.
    step : StepPlan
        The step.
    split : str, optional
        The position that the mapped group stands for, as text.
    needs_chosen_check : bool
        Whether to check first if a switch chose the step; the task is skipped when none did.
    """

    template_fields = ("split",)
    shallow_copy_attrs = ("deployment", "step")
    operator_extra_links: ClassVar[tuple[Any, ...]] = (ArtifactsLink(),)
    ui_color = "#e8f1fb"
    custom_operator_name = "step"
    artifacts_url: ClassVar[str] = ""

    def __init__(
        self,
        *,
        deployment: DagFileDeployment,
        step: StepPlan,
        split: Any = None,
        needs_chosen_check: bool = False,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.deployment = deployment
        self.step = step
        self.split = split
        self.needs_chosen_check = needs_chosen_check
        self._worker_process: WorkerProcess | None = None
        self._access: StoreAccess | None = None

    def execute(self, context: Any) -> list[str] | None:
        """Run the step; a foreach returns the positions of its children."""
        here = self._read_task_context(context)
        with store_access(self.deployment) as self._access:
            self._label_task(context, here)
            if self.needs_chosen_check and not self._was_chosen(here):
                raise AirflowSkipException(f"The switch before step {self.step.name!r} chose another case.")
            clear_recorded_end(self.deployment, context, here.run)
            request = self._make_request(context, here)
            self._show_artifacts(context, request)
            self._run_attempt(request, here, context)
            return self._list_children(here)

    def on_kill(self) -> None:
        """End the step's process."""
        if self._worker_process is not None:
            self._worker_process.stop()

    def _read_task_context(self, context: Any) -> "TaskContext":
        from flow_provider.task_context import read_task_context  # not at the top: every parse would pay for it

        here = read_task_context(self.deployment, context, self.split, self.retries)
        if here is None:
            raise not_started_by_loop(self.deployment)
        return here

    def _label_task(self, context: Any, here: "TaskContext") -> None:
        if self.split is not None:
            label_task(context, self.deployment, self.step, here)

    def _was_chosen(self, here: "TaskContext") -> bool:
        from flow_sdk.runtime.run_queries import is_chosen, open_run

        view = open_run(self.deployment.store, self.deployment.plan.flow, here.run)
        return is_chosen(view, self.step.name, here.position)

    def _list_children(self, here: "TaskContext") -> list[str] | None:
        """Return what Airflow maps over: of a foreach step the positions of its children."""
        if self.step.kind != "foreach":
            return None
        from flow_sdk.runtime.run_queries import foreach_children, open_run

        view = open_run(self.deployment.store, self.deployment.plan.flow, here.run)
        return foreach_children(view, self.step.name, here.position)

    def _show_artifacts(self, context: Any, request: "TaskRequest") -> None:
        url = artifacts_url(request.root, request.flow, request.run, request.step, request.task)
        self.artifacts_url = url  # type: ignore[misc]
        if not AIRFLOW_3:
            context["ti"].xcom_push(key=LINK_KEY, value=url)
        self.log.info("Task %s; its artifacts are in %s", request.pathspec, url)

    def _make_request(self, context: Any, here: "TaskContext") -> "TaskRequest":
        from flow_sdk.runtime.request import TaskRequest
        from flow_sdk.runtime.run_queries import find_task_id

        deployment, ti = self.deployment, context["ti"]
        deployed = deployment.plan_hash, deployment.plan
        is_start = self.step.name == deployment.plan.start.name
        return TaskRequest(
            root=deployment.store,
            flow=deployment.plan.flow,
            run=here.run,
            step=self.step.name,
            task=find_task_id(
                deployment.store, deployment.plan.flow, here.run, deployed, self.step.name, here.position
            ),
            plan=deployment.plan_hash,
            package=deployment.package_hash,
            tries_left=here.tries_left,
            generation=here.generation,
            parameters=context["dag_run"].conf or {} if is_start else {},
            user="airflow",
            tags=deployment.tags,
            system_tags=("runtime:airflow", *((deployment.namespace,) if deployment.namespace else ())),
            namespace=deployment.namespace,
            orchestrator=here.orchestrator,
            max_num_splits=conf.getint("core", "max_map_length"),
            environment={
                "airflow": {
                    "dag": ti.dag_id,
                    "run": ti.run_id,
                    "task": ti.task_id,
                    "map_index": ti.map_index,
                    "try": ti.try_number,
                    "log": ti.log_url,
                }
            },
        )

    def _run_attempt(self, request: "TaskRequest", here: "TaskContext", context: Any) -> None:
        from flow_provider.worker_process import WorkerProcess

        self._worker_process = WorkerProcess(self.step.timeout.seconds)
        try:
            assert self._access is not None  # execute holds it open
            env = self._access.environment()
            code = self._worker_process.run(request, self._log_line, env)
        finally:
            self._worker_process = None
        if code == 0:
            return
        message = f"Task {request.pathspec} failed; its own log is above and in the store."
        raise AirflowFailException(message) if code == 2 else AirflowException(message)

    def _log_line(self, stream: str, line: str) -> None:
        self.log.info("%s", line)


def not_started_by_loop(deployment: DagFileDeployment) -> Exception:
    """Return the error for a body DAG that a user started."""
    error: Exception = AirflowFailException(
        f"This DAG is the body of a loop of DAG {deployment.dag!r}, which starts it for each iteration. "
        "Trigger that one."
    )
    return error
