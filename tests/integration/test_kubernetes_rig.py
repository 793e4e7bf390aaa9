"""What the tests on Kubernetes stand on: the real control plane, a real kubelet and Argo's own controller."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.kubernetes.api import ApiError, KubernetesApi
from tests.support.kubernetes.cluster import KubernetesCluster
from tests.support.kubernetes.node import POD_IMAGE

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow]

SECONDS = 180.0
Object = dict[str, Any]


class Namespace:
    """A namespace of a test.

    Parameters
    ----------
    api : KubernetesApi
        A client that may do everything.
    name : str
        Of the namespace.
    """

    def __init__(self, api: KubernetesApi, name: str) -> None:
        self.api, self.name = api, name
        self.pods = f"/api/v1/namespaces/{name}/pods"
        self.jobs = f"/apis/batch/v1/namespaces/{name}/jobs"
        self.workflows = f"/apis/argoproj.io/v1alpha1/namespaces/{name}/workflows"
        self.templates = f"/apis/argoproj.io/v1alpha1/namespaces/{name}/workflowtemplates"

    def create_job(self, command: list[str], **spec: Any) -> str:
        """Create a Job of one container and return its path."""
        pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container(command)]}
        self.api.create(self.jobs, {"metadata": {"name": "job"}, "spec": {**spec, "template": {"spec": pod}}})
        return f"{self.jobs}/job"

    def create_workflow(self, entry: str, templates: list[Object], **spec: Any) -> str:
        """Create a Workflow and return its path."""
        kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "workflow"}}
        whole = {**kind, "spec": {"entrypoint": entry, "templates": templates, **spec}}
        self.api.create(self.workflows, whole, fieldValidation="Strict")
        return f"{self.workflows}/workflow"

    def list_pods(self) -> list[Object]:
        """The namespace's pods."""
        pods: list[Object] = self.api.get(self.pods)["items"]
        return pods

    def wait_for_pods(self, fits: Callable[[list[Object]], bool]) -> list[Object]:
        """Wait until the pods are as wanted, and return them."""
        pods: list[Object] = self.api.wait_until(self.pods, lambda listed: fits(listed["items"]), SECONDS)["items"]
        return pods

    def wait_for_job(self, path: str) -> tuple[Object, Object]:
        """Wait for a Job's end; returns its status and the condition that ended it."""
        done = self.api.wait_until(path, lambda job: find_end(job) is not None, SECONDS)
        condition = find_end(done)
        assert condition is not None
        return done["status"], condition

    def wait_for_node(self, path: str, name: str, phase: str) -> None:
        """Wait until the controller has seen a node in a phase."""

        def is_seen(workflow: Object) -> bool:
            nodes = workflow.get("status", {}).get("nodes", {}).values()
            return any((node["displayName"], node["phase"]) == (name, phase) for node in nodes)

        self.api.wait_until(path, is_seen, SECONDS)

    def wait_for_workflow(self, path: str) -> tuple[str, dict[str, Object]]:
        """Wait for a workflow's end; returns its phase and its nodes by what Argo's UI shows as their names."""
        done = self.api.wait_until(path, lambda one: one.get("status", {}).get("finishedAt") is not None, SECONDS)
        return done["status"]["phase"], {node["displayName"]: node for node in done["status"]["nodes"].values()}


def container(command: list[str]) -> Object:
    """A container that runs a command."""
    return {"name": "main", "image": POD_IMAGE, "imagePullPolicy": "Never", "command": command}


def find_end(job: Object) -> Object | None:
    """The condition that has ended a Job, if it has ended."""
    conditions: list[Object] = job.get("status", {}).get("conditions", [])
    ends = (one for one in conditions if one["type"] in ("Complete", "Failed") and one["status"] == "True")
    return next(ends, None)


def is_one_running(pods: list[Object]) -> bool:
    """Whether there is one pod, and it runs."""
    return [pod["status"]["phase"] for pod in pods] == ["Running"]


@pytest.fixture
def namespace(cluster: KubernetesCluster, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A namespace of the test's own, which is deleted with all that is in it."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:63].strip("-")
    cluster.create_namespace(name)
    yield Namespace(cluster.api, name)
    cluster.api.delete(f"/api/v1/namespaces/{name}")


def test_a_job_succeeds_and_its_log_is_read(namespace: Namespace) -> None:
    status, condition = namespace.wait_for_job(namespace.create_job(["python3", "-c", "print(6 * 7)"]))
    assert (condition["type"], status["succeeded"]) == ("Complete", 1)
    (pod,) = namespace.list_pods()
    assert namespace.api.call("GET", f"{namespace.pods}/{pod['metadata']['name']}/log") == b"42\n"


def test_a_job_that_fails_is_tried_again(namespace: Namespace) -> None:
    status, condition = namespace.wait_for_job(namespace.create_job(["sh", "-c", "exit 3"], backoffLimit=1))
    assert (condition["type"], condition["reason"]) == ("Failed", "BackoffLimitExceeded")
    pods = namespace.list_pods()
    assert status["failed"] == len(pods) == 2
    codes = [pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] for pod in pods]
    assert codes == [3, 3]


def test_a_job_ends_at_its_deadline(namespace: Namespace) -> None:
    path = namespace.create_job(["sleep", "600"], activeDeadlineSeconds=2)
    _, condition = namespace.wait_for_job(path)
    assert (condition["type"], condition["reason"]) == ("Failed", "DeadlineExceeded")


def test_a_pod_failure_policy_ends_a_job_at_once(namespace: Namespace) -> None:
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
    path = namespace.create_job(["sh", "-c", "exit 42"], backoffLimit=3, podFailurePolicy={"rules": [rule]})
    status, condition = namespace.wait_for_job(path)
    assert (condition["type"], condition["reason"]) == ("Failed", "PodFailurePolicy")
    assert status["failed"] == 1


def test_an_evicted_pod_is_replaced_without_being_counted(namespace: Namespace) -> None:
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    path = namespace.create_job(["sleep", "600"], backoffLimit=0, podFailurePolicy={"rules": [rule]})
    (first,) = namespace.wait_for_pods(is_one_running)
    name = first["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    namespace.api.create(f"{namespace.pods}/{name}/eviction", eviction)
    (second,) = namespace.wait_for_pods(lambda pods: is_one_running(pods) and pods[0]["metadata"]["name"] != name)
    assert second["metadata"]["name"] != name
    assert not namespace.api.get(path)["status"].get("failed")


def test_a_workflow_runs_to_its_end(namespace: Namespace) -> None:
    item = {"parameters": [{"name": "item", "value": "{{item}}"}]}
    steps = [
        [{"name": "list", "template": "list"}],
        [
            {
                "name": "each",
                "template": "each",
                "withParam": "{{steps.list.outputs.parameters.items}}",
                "arguments": item,
            },
            {
                "name": "never",
                "template": "each",
                "when": "1 == 2",
                "arguments": {"parameters": [{"name": "item", "value": "9"}]},
            },
        ],
        [{"name": "flaky", "template": "flaky"}],
    ]
    templates = [
        {"name": "all", "steps": steps},
        {
            "name": "list",
            "container": container(["sh", "-c", 'echo \'["a", "b", "c"]\' > /items']),
            "outputs": {"parameters": [{"name": "items", "valueFrom": {"path": "/items"}}]},
        },
        {
            "name": "each",
            "inputs": {"parameters": [{"name": "item"}]},
            "container": container(["echo", "item {{inputs.parameters.item}}"]),
        },
        {
            "name": "flaky",
            "retryStrategy": {"limit": 2},
            "container": container(["sh", "-c", "exit $(( {{retries}} < 1 ))"]),
        },
        {"name": "bye", "container": container(["echo", "it is {{workflow.status}}"])},
    ]
    path = namespace.create_workflow("all", templates, onExit="bye")
    phase, nodes = namespace.wait_for_workflow(path)
    assert phase == "Succeeded"
    assert {name: node["phase"] for name, node in nodes.items() if node["type"] in ("Pod", "Skipped", "Retry")} == {
        "list": "Succeeded",
        "each(0:a)": "Succeeded",
        "each(1:b)": "Succeeded",
        "each(2:c)": "Succeeded",
        "never": "Skipped",
        "flaky": "Succeeded",
        "flaky(0)": "Failed",
        "flaky(1)": "Succeeded",
        "workflow.onExit": "Succeeded",
    }
    logs = b"".join(
        namespace.api.call("GET", f"{namespace.pods}/{pod['metadata']['name']}/log?container=main")
        for pod in namespace.list_pods()
    )
    assert all(line in logs for line in (b"item a\n", b"item b\n", b"item c\n", b"it is Succeeded\n"))


def test_a_deleted_pod_fails_its_node(namespace: Namespace) -> None:
    path = namespace.create_workflow("wait", [{"name": "wait", "container": container(["sleep", "600"])}])

    def has_ended(workflow: Object) -> bool:
        # Argo starts a pod again whose node began less than ten seconds ago; so each one is deleted.
        if any(node["phase"] == "Running" for node in workflow.get("status", {}).get("nodes", {}).values()):
            for pod in namespace.list_pods():
                namespace.api.delete(f"{namespace.pods}/{pod['metadata']['name']}", grace_seconds=0)
        return workflow.get("status", {}).get("finishedAt") is not None

    namespace.api.wait_until(path, has_ended, SECONDS)
    phase, nodes = namespace.wait_for_workflow(path)
    assert phase == "Error"
    assert "pod deleted" in nodes["workflow"]["message"]


def test_a_workflow_is_terminated(namespace: Namespace) -> None:
    path = namespace.create_workflow("wait", [{"name": "wait", "container": container(["sleep", "600"])}])
    namespace.wait_for_node(path, "workflow", "Running")
    namespace.api.patch(path, {"spec": {"shutdown": "Terminate"}})
    phase, nodes = namespace.wait_for_workflow(path)
    assert phase == "Failed"
    assert "Terminate" in nodes["workflow"]["message"]
    namespace.wait_for_pods(lambda pods: all(p["status"]["phase"] in ("Failed", "Succeeded") for p in pods))


def test_misspelt_fields_of_a_template_are_refused(namespace: Namespace) -> None:
    task = {"name": "one", "template": "say", "dependencys": ["none"]}
    templates = [{"name": "all", "dag": {"tasks": [task]}}, {"name": "say", "container": container(["true"])}]
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate", "metadata": {"name": "misspelt"}}
    spec = {"entrypoint": "all", "paralelism": 3, "templates": templates}
    with pytest.raises(ApiError) as refused:
        namespace.api.create(namespace.templates, {**kind, "spec": spec}, fieldValidation="Strict")
    assert refused.value.code == 400
    assert 'unknown field "spec.paralelism"' in str(refused.value)
    assert 'unknown field "spec.templates[0].dag.tasks[0].dependencys"' in str(refused.value)


def test_accounts_have_no_more_than_their_rights(cluster: KubernetesCluster, namespace: Namespace) -> None:
    token = cluster.request_token(namespace.name, "default")
    account = KubernetesApi(cluster.port, str(cluster.authority), token)
    with pytest.raises(ApiError) as refused:
        account.get(namespace.pods)
    assert refused.value.code == 403
