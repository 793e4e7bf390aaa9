"""What the cluster adds to each pod: the machine's network, and where the API server is on it.

The rig has no pod network and no service addresses. Definitions that are tested must not know of that, so the API
server adds it, by a MutatingAdmissionPolicy.
"""

from typing import Any

__all__ = ["make_pod_policy"]

_GROUP = "admissionregistration.k8s.io/v1beta1"


def _add_environment(kind: str, port: int) -> str:
    variables = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
    items = ", ".join(
        f'Object.spec.{kind}.env{{name: "{name}", value: "{value}"}}' for name, value in variables.items()
    )
    return f"object.spec.{kind}.map(c, Object.spec.{kind}{{name: c.name, env: [{items}]}})"


def make_pod_policy(port: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the objects, each with the collection that it is created in."""
    main, init = _add_environment("containers", port), _add_environment("initContainers", port)
    plain = f"Object{{spec: Object.spec{{hostNetwork: true, containers: {main}}}}}"
    with_init = f"Object{{spec: Object.spec{{initContainers: {init}}}}}"
    mutations = [
        {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}
        for expression in (plain, f"has(object.spec.initContainers) ? {with_init} : Object{{}}")
    ]
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "mutations": mutations,
    }
    name = {"name": "pods-on-this-machine"}
    policy = {"apiVersion": _GROUP, "kind": "MutatingAdmissionPolicy", "metadata": name, "spec": spec}
    binding = {
        "apiVersion": _GROUP,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": name,
        "spec": {"policyName": name["name"]},
    }
    return [
        (f"/apis/{_GROUP}/mutatingadmissionpolicies", policy),
        (f"/apis/{_GROUP}/mutatingadmissionpolicybindings", binding),
    ]
