"""From the data in a DAG file to Airflow's DAG objects. Runs at every parse: no user code, no store, few imports."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flow_provider.arguments import dag_arguments, dag_tags, task_arguments, waiting_arguments
from flow_provider.callbacks import RunFailureCallback, named_callbacks
from flow_provider.compat import DAG, Param, TriggerRule, cron_timetable, quiet_emails, task_group
from flow_provider.deployment import DagFileDeployment, read_deployment
from flow_provider.labels import TEMPLATE
from flow_provider.layout import DagLayout, Group, TaskNode, lay_out, loop_dag_id
from flow_provider.operators.splits import SplitsOperator
from flow_provider.operators.step import StepOperator

__all__ = ["load_dags"]

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
"""Every DAG's start date: before any schedule's first instant, and the same in every file."""

MANY_RUNS = 10_000
"""How many runs of a loop's body may be active: one for each task of a foreach around the loop."""

GRACE = timedelta(minutes=5)
"""Time that Airflow grants a task beyond the step's own @timeout, which the task runner enforces."""


def load_dags(data: dict[str, Any]) -> dict[str, Any]:
    """Build the DAGs of a deployment.

    Parameters
    ----------
    data : dict
        The deployment, as the DAG file holds it.

    Returns
    -------
    dict of str to DAG
        The flow's DAG and one for the body of each of its loops, by names that are free for module globals.
    """
    deployment = read_deployment(data)
    dags = [_AirflowDagBuilder(deployment, layout).build() for layout in lay_out(deployment.plan)]
    return {f"dag_{number}": dag for number, dag in enumerate(dags)}


LOOP_RETRIES, LOOP_RETRY_DELAY = 2, timedelta(seconds=10)
"""A loop's own task only waits: a retry continues where a lost worker was. A failed iteration fails it at once."""


class _AirflowDagBuilder:
    """Builds one DAG."""

    def __init__(self, deployment: DagFileDeployment, layout: DagLayout) -> None:
        self.deployment = deployment
        self.layout = layout
        self.operators: dict[str, Any] = {}

    def build(self) -> Any:
        with self._create_dag() as dag:
            for node in self.layout.nodes:
                if node.kind != "splits" and node.group is None:
                    self._create_operator(node, None)
            for group in self.layout.groups:
                self._create_list_source(group.source)
                self._create_group(group)
            for node in self.layout.nodes:
                self._add_edges(node, within=False)
        return dag

    def _create_dag(self) -> Any:
        deployment, plan = self.deployment, self.deployment.plan
        options: dict[str, Any] = {"start_date": BEGINNING, "catchup": False, "schedule": None}
        if deployment.max_workers is not None:
            options["max_active_tasks"] = deployment.max_workers
        options.update(dag_arguments(deployment, is_body=self.layout.loop is not None))
        if self.layout.loop is not None:
            entry = self.layout.loop.step.name
            return DAG(
                dag_id=loop_dag_id(deployment.dag, entry),
                description=f"Body of the loop at step {entry} of {deployment.dag}: started by it for each iteration.",
                tags=["flow-sdk", "internal"],
                is_paused_upon_creation=False,
                max_active_runs=MANY_RUNS,
                **options,
            )
        if deployment.cron is not None:
            options["schedule"] = cron_timetable(deployment.cron, deployment.timezone or "UTC")
        given = plan.airflow_dag
        if given.max_active_runs is not None:
            options["max_active_runs"] = given.max_active_runs
        if given.on_success_callback is not None:
            options["on_success_callback"] = list(named_callbacks(given.on_success_callback))
        failure = [RunFailureCallback(deployment), *named_callbacks(given.on_failure_callback)]
        return DAG(
            dag_id=deployment.dag,
            description=plan.doc.partition("\n")[0] or f"Flow {plan.flow}",
            doc_md=f"{plan.doc}\n\nFlow SDK, deployment {deployment.digest}.\n".lstrip(),
            tags=dag_tags(deployment),
            params=self._make_params(),
            is_paused_upon_creation=deployment.paused,
            on_failure_callback=failure if len(failure) > 1 else failure[0],
            **options,
        )

    def _make_params(self) -> dict[str, Any]:
        if not self.deployment.plan.parameters:
            return {}
        from flow_sdk.plan.parameters import json_schema

        params = {}
        for parameter in self.deployment.plan.parameters:
            schema = dict(json_schema(parameter))
            if not parameter.required:
                schema["default"] = schema.get("default", parameter.default)
            params[parameter.name] = Param(**schema)
        return params

    def _create_group(self, group: Group) -> None:
        @task_group(group_id=group.id, prefix_group_id=False)
        def mapped(split: Any) -> None:
            for node in group.nodes:
                self._create_operator(node, split)
            for node in group.nodes:
                self._add_edges(node, within=True)

        mapped.expand(split=self.operators[group.source.id].output)

    def _create_list_source(self, node: TaskNode) -> None:
        if node.id not in self.operators:
            opener = self.operators[node.step.name]
            self.operators[node.id] = SplitsOperator(
                task_id=node.id,
                lists=opener.output,
                retries=1,
                trigger_rule=_trigger_rule(node),
                doc_md=f"All tasks that the foreach of step {node.step.name} starts.",
                **waiting_arguments(self.deployment),
            )
            _forget_params(self.operators[node.id])

    def _create_operator(self, node: TaskNode, split: Any) -> None:
        arguments = {
            "deployment": self.deployment,
            "split": split,
            "needs_chosen_check": node.needs_chosen_check,
            "trigger_rule": _trigger_rule(node),
        }
        if split is not None:
            arguments["map_index_template"] = TEMPLATE
        if node.kind == "loop":
            from flow_provider.operators.loop import LoopOperator

            arguments.update(task_id=node.id, entry=node.step, retries=LOOP_RETRIES, retry_delay=LOOP_RETRY_DELAY)
            arguments.update(
                waiting_arguments(self.deployment),
                doc_md=f"Runs the loop at step {node.step.name}, a DAG run for each iteration.",
            )
            self.operators[node.id] = LoopOperator(**arguments)
        else:
            arguments.update(task_id=node.id, step=node.step, **_attempt_arguments(node))
            arguments.update(task_arguments(self.deployment, node.step))
            with quiet_emails():
                self.operators[node.id] = _step_operator(arguments)
        _forget_params(self.operators[node.id])

    def _add_edges(self, node: TaskNode, *, within: bool) -> None:
        """Add the edges into a task that come from its own mapped group, or those that don't."""
        for upstream in node.upstream:
            inside = node.group is not None and upstream.group is node.group
            if node.kind != "splits" and inside is within:
                self.operators[node.id].set_upstream(self.operators[upstream.id])


def _step_operator(arguments: dict[str, Any]) -> Any:
    if arguments["step"].batch is None:
        return StepOperator(**arguments)
    from flow_provider.operators.batch import BatchStepOperator

    return BatchStepOperator(**_batch_arguments(arguments))


def _forget_params(operator: Any) -> None:
    """Remove the DAG's parameters from a task, which reads them from its run: a long default is held once."""
    operator.params = type(operator.params)()


def _trigger_rule(node: TaskNode) -> str:
    return str(
        TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS.value if node.allows_skipped_upstream else TriggerRule.ALL_SUCCESS.value
    )


def _attempt_arguments(node: TaskNode) -> dict[str, Any]:
    """Return retries, delay, time limit and documentation of a step's task, from its decorators."""
    step = node.step
    found: dict[str, Any] = {
        "retries": step.max_extra_attempts,
        "retry_delay": timedelta(seconds=step.retry.delay),
        "do_xcom_push": step.kind == "foreach",
        # Airflow 2.11 takes a text that ends in ".md" for a file's name.
        "doc_md": f"{step.doc}\n" if step.doc else None,
    }
    if step.timeout.seconds is not None:
        found["execution_timeout"] = timedelta(seconds=step.timeout.seconds) + GRACE
    return found


def _batch_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a step on AWS Batch.

    They have no time limit, as the time in the queue doesn't count, and tries of Airflow beyond the step's own for lost
    workers.
    """
    from flow_provider.operators.batch import SPARE_TRIES

    own = arguments["retries"]
    found = {**arguments, "own_retries": own, "retries": own + SPARE_TRIES}
    found.pop("execution_timeout", None)
    if own == 0:
        found["retry_delay"] = LOOP_RETRY_DELAY
    return found
