"""LocalStack's Step Functions interpreter (4.9.2), started by `StepFunctionsServer` in LocalStack's environment.

Calls of a state machine to other services go to the server named by RIG_BACKEND, with credentials of its role. The
functions here correct, one each, what the interpreter does differently from AWS.
"""

import copy
import functools
import json
import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from localstack.aws.api.stepfunctions import HistoryEventType, TaskFailedEventDetails
from localstack.runtime.main import main
from localstack.services.stepfunctions.asl.component.common.error_name import (
    custom_error_name,
    error_name,
    failure_event,
    states_error_name,
    states_error_name_type,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_map.iteration import (
    distributed_iteration_component as distributed,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker as worker,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service import (
    state_task_service_batch as batch,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service import (
    state_task_service_callback as callback,
)
from localstack.services.stepfunctions.asl.eval.event.event_detail import EventDetails
from localstack.services.stepfunctions.asl.utils import boto_client
from localstack.services.stepfunctions.backend.alias import Alias

POLL = 0.1
MOST_DESCRIBED = 100
"""Jobs that Batch describes at once."""
REFUSE = "rig.refuse"
"""Tag of a job whose submission is refused as often as it says, as Batch does when there are too many at once."""
OWN = ("stepfunctions",)


class Backend:
    """Stands where LocalStack gets clients of its own services: gives those of the other server.

    Parameters
    ----------
    own : object
        LocalStack's own factory, kept for calls of Step Functions itself.
    url : str
        Address of the other server.
    """

    def __init__(self, own: Any, url: str) -> None:
        self.own, self.url = own, url
        self.lock = threading.Lock()
        self.clients: dict[tuple[str, ...], Any] = {}

    def with_assumed_role(self, **options: Any) -> "Backend.Clients":
        """Return a factory of clients for a role."""
        return Backend.Clients(self, options)

    class Clients:
        """A factory of clients with one role's credentials."""

        def __init__(self, backend: "Backend", options: dict[str, Any]) -> None:
            self.backend, self.options = backend, options

        def get_client(self, service: str) -> Any:
            """Return a client, of LocalStack for Step Functions itself and of the other server for the rest."""
            if service in OWN:
                return self.backend.own.with_assumed_role(**self.options).get_client(service=service)
            key = (service, self.options["region_name"], self.options["role_arn"])
            with self.backend.lock:
                if key not in self.backend.clients:
                    self.backend.clients[key] = self._new(*key)
                return self.backend.clients[key]

        def _new(self, service: str, region: str, role: str) -> Any:
            make = functools.partial(boto3.client, region_name=region, endpoint_url=self.backend.url)
            session = make("sts").assume_role(RoleArn=role, RoleSessionName="states")["Credentials"]
            client = make(
                service,
                aws_access_key_id=session["AccessKeyId"],
                aws_secret_access_key=session["SecretAccessKey"],
                aws_session_token=session["SessionToken"],
                config=self.options["config"],
            )
            if service == "batch":
                client.meta.events.register("before-call.batch.SubmitJob", refusal())
            return client


def refusal() -> Callable[..., None]:
    """Return what refuses jobs before they are submitted, each as often as its tag `REFUSE` says."""
    refused: Counter[str] = Counter()

    def before_submit(params: dict[str, Any], **_: Any) -> None:
        asked = json.loads(params["body"])
        name = asked["jobName"]
        if refused[name] < int(asked.get("tags", {}).get(REFUSE, 0)):
            refused[name] += 1
            # AWS gives the error of its client for Java to the state machine, not the service's own.
            error = {"Code": "AWSBatchException", "Message": "TooManyRequestsException: Too Many Requests"}
            raise ClientError(
                {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 429, "RequestId": name}}, "SubmitJob"
            )

    return before_submit


class JobWatch:
    """Asks Batch for all jobs that are waited for at once; a question for each cost more than the jobs themselves.

    Parameters
    ----------
    client : object
        A client of Batch.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.asked = threading.Condition()
        self.waiting: set[str] = set()
        threading.Thread(target=self._look, daemon=True).start()

    def wait_for(self, job_id: str) -> None:
        """Watch a job from now on."""
        with self.asked:
            self.waiting.add(job_id)
            self.asked.notify()

    def ended(self, job_id: str) -> bool:
        """Whether a job has ended, or can't be asked for."""
        return job_id not in self.waiting

    def _look(self) -> None:
        while True:
            with self.asked:
                self.asked.wait_for(lambda: self.waiting)
                jobs = sorted(self.waiting)
            for start in range(0, len(jobs), MOST_DESCRIBED):
                self._look_at(jobs[start : start + MOST_DESCRIBED])
            time.sleep(POLL)

    def _look_at(self, jobs: list[str]) -> None:
        try:
            found = self.client.describe_jobs(jobs=jobs)["jobs"]
            running = {job["jobId"] for job in found if job["status"] not in ("SUCCEEDED", "FAILED")}
        except (BotoCoreError, ClientError):  # each is then asked for by itself, where an error belongs to its state
            running = set()
        with self.asked:
            self.waiting -= set(jobs) - running


job_watch = functools.cache(JobWatch)


def retry_synchronous_tasks() -> None:
    """A retried .sync task ended in States.Timeout, as it listened for the task token of the attempt before.

    A stopped or timed out one terminates its job, as on AWS.
    """
    callback._DELAY_SECONDS_SYNC_CONDITION_CHECK = POLL
    evaluate = callback.StateTaskServiceCallback._eval_sync
    build = batch.StateTaskServiceBatch._build_sync_resolver

    def build_sync_resolver(self: Any, env: Any, **options: Any) -> Any:
        job_id = env.stack[-1]["JobId"]
        resolver = build(self, env=env, **options)
        client = batch.boto_client_for(
            service="batch",
            region=options["resource_runtime_part"].region,
            state_credentials=options["state_credentials"],
        )

        watch = job_watch(client)
        watch.wait_for(job_id)

        def look() -> Any:
            return resolver() if watch.ended(job_id) else None

        look.end = lambda: client.terminate_job(jobId=job_id, reason="The execution was stopped.")  # type: ignore[attr-defined]
        return look

    def eval_sync(self: Any, **options: Any) -> Any:
        outcome = evaluate(self, **{**options, "callback_endpoint": None, "heartbeat_endpoint": None})
        end = getattr(options["sync_resolver"], "end", None)
        if outcome is None and end is not None:
            end()
        return outcome

    batch.StateTaskServiceBatch._build_sync_resolver = build_sync_resolver
    callback.StateTaskServiceCallback._eval_sync = eval_sync


def fail_distributed_maps() -> None:
    """A distributed map succeeded whatever its children did: apply the tolerated failures."""
    run = distributed.DistributedIterationComponent._map_run

    def map_run(self: Any, env: Any, eval_input: Any) -> None:
        items = len(env.stack[-1])
        run(self, env=env, eval_input=eval_input)
        counter = eval_input.map_run_record.item_counter
        failed = counter.failed.get() + counter.timed_out.get()
        count, percentage = eval_input.tolerated_failure_count or 0, eval_input.tolerated_failure_percentage or 0
        if failed > count and 100 * failed > percentage * items:
            kind = states_error_name_type.StatesErrorNameType.StatesExceedToleratedFailureThreshold
            details = TaskFailedEventDetails(
                error=kind.to_name(), cause="The specified tolerated failure threshold was exceeded"
            )
            raise failure_event.FailureEventException(
                failure_event.FailureEvent(
                    env=env,
                    error_name=states_error_name.StatesErrorName(typ=kind),
                    event_type=HistoryEventType.TaskFailed,
                    event_details=EventDetails(taskFailedEventDetails=details),
                )
            )

    distributed.DistributedIterationComponent._map_run = map_run


def name_children() -> None:
    """The children of a distributed map are executions of their own, with names of their own."""
    evaluate = worker.DistributedItemProcessorWorker._eval_job

    def eval_job(self: Any, env: Any, job: Any) -> None:
        context = env.states.context_object.context_object_data
        label = self._map_run_record.map_run_arn.split("/")[-1].split(":")[0]
        name = str(uuid.uuid4())
        machine, execution = copy.deepcopy(context["StateMachine"]), copy.deepcopy(context["Execution"])
        machine["Id"], machine["Name"] = f"{machine['Id']}/{label}", f"{machine['Name']}/{label}"
        execution["Id"] = f"{machine['Id'].replace(':stateMachine:', ':execution:')}:{name}"
        execution["Name"] = name
        context["StateMachine"], context["Execution"] = machine, execution
        evaluate(self, env=env, job=job)

    worker.DistributedItemProcessorWorker._eval_job = eval_job


def copy_aliases() -> None:
    """StartExecution failed on a machine that has an alias, whose lock can't be copied."""
    Alias.__deepcopy__ = lambda self, memo: self


def keep_error_names() -> None:
    """The States.* error of a Map's or Parallel's child came out as States.Runtime."""
    custom_error_name.CustomErrorName.__init__ = lambda self, error_name: _name(self, error_name)


def _name(self: Any, name: str | None) -> None:
    error_name.ErrorName.__init__(self, error_name=name)


if __name__ == "__main__":
    boto_client.connect_to = Backend(boto_client.connect_to, os.environ["RIG_BACKEND"])
    for correct in (retry_synchronous_tasks, fail_distributed_maps, name_children, copy_aliases, keep_error_names):
        correct()
    main()
