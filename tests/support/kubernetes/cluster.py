"""A cluster as processes: etcd, API server, controller manager, scheduler, one kubelet, Argo's controller."""

import json
import os
import secrets
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.certificates import make_certificates
from tests.support.kubernetes.api import KubernetesApi
from tests.support.kubernetes.node import POD_IMAGE, Containerd, write_kubelet_settings
from tests.support.kubernetes.policy import make_pod_policy
from tests.support.ports import free_ports
from tests.support.processes import ServerProcess, end_all

__all__ = ["ARGO_NAMESPACE", "KubernetesCluster"]

ARGO_NAMESPACE = "argo"
"""Where the workflow controller's settings and its account are."""

NODE = "127.0.0.1"
"""The node's name is its address: the API server reaches its kubelet by it."""

PORTS = ("etcd", "peer", "api", "manager", "scheduler", "kubelet", "kubelet-health", "metrics", "telemetry")
USERS = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "node": (f"system:node:{NODE}", "system:nodes"),
}
"""For each kubeconfig file its user and the user's group, whose rights are Kubernetes' own."""

START_SECONDS = 120.0
CONTROLLERS = (
    "cronjob-controller,garbage-collector-controller,job-controller,namespace-controller,node-lifecycle-controller,"
    "pod-garbage-collector-controller,root-ca-certificate-publisher-controller,serviceaccount-controller,"
    "taint-eviction-controller,ttl-after-finished-controller"
)
COLLECTIONS = {
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
}
"""For each kind in Argo's manifests the collection that it is created in."""

MANIFESTS = (
    "base/workflow-controller/workflow-controller-sa.yaml",
    "base/workflow-controller/workflow-controller-configmap.yaml",
    "cluster-install-no-crds/workflow-controller-rbac/workflow-aggregate-roles.yaml",
    "cluster-install-no-crds/workflow-controller-rbac/workflow-controller-clusterrole.yaml",
    "cluster-install-no-crds/workflow-controller-rbac/workflow-controller-clusterrolebinding.yaml",
    "cluster-install-no-crds/workflow-controller-rbac/workflow-controller-role.yaml",
    "cluster-install-no-crds/workflow-controller-rbac/workflow-controller-rolebinding.yaml",
)
EXECUTOR_ROLE = "quick-start/base/executor/emissary/executor-role.yaml"
"""What the pods of a workflow may do."""


class KubernetesCluster:
    """A Kubernetes of one node, and Argo's controller.

    Parameters
    ----------
    programs : Path
        The folder that ``tests.support.kubernetes.build`` has made.
    image : Path
        The archive that ``make_pod_image`` has written.
    folder : Path
        For certificates, data and logs; made if it isn't there.

    Attributes
    ----------
    port : int
        Where the API server listens on 127.0.0.1, with TLS.
    authority : Path
        The certificate that vouches for it.
    kubeconfig : Path
        For kubectl and client libraries: a user who may do everything.
    api : KubernetesApi
        The same user's client.
    """

    def __init__(self, programs: Path, image: Path, folder: Path) -> None:
        self.programs, self.image, self.folder = programs, image, folder
        self.servers: dict[str, ServerProcess] = {}
        self.containerd: Containerd | None = None

    def start(self) -> Self:
        """Start everything and return once Argo's controller runs."""
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise
        return self

    def _start_all(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.authority, _ = make_certificates(self.folder)
        self._make_account_key()
        self._tokens = {name: secrets.token_hex(16) for name in USERS}
        lines = [f"{self._tokens[name]},{user},{name},{group}\n" for name, (user, group) in USERS.items()]
        (self.folder / "tokens.csv").write_text("".join(lines))
        self._ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.port = self._ports["api"]
        self.kubeconfig = self.write_kubeconfig("admin", self._tokens["admin"])
        self.api = KubernetesApi(self.port, str(self.authority), self._tokens["admin"])
        self.start_server("etcd")
        self.start_server("kube-apiserver")
        self.containerd = Containerd(self.folder)
        self.containerd.wait_until_ready(START_SECONDS)
        self.containerd.import_pod_image(self.image)
        self._wait_for_api()
        for collection, body in make_pod_policy(self.port):
            self.api.create(collection, body)
        self._allow_kubelet_access()
        for name in ("kube-controller-manager", "kube-scheduler", "kubelet"):
            self.start_server(name)
        self._install_argo()
        self.start_server("workflow-controller")
        self._wait_for("serviceaccounts/default", "default")
        self._wait_for_node()

    def _make_account_key(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (self.folder / "accounts.key").write_bytes(private)
        (self.folder / "accounts.pub").write_bytes(public)

    def start_server(self, name: str) -> None:
        """Start one of the programs, also again after it has ended."""
        arguments = getattr(self, "_arguments_of_" + name.replace("-", "_"))()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            # Of Argo's controller: it has no rival, and acts on a change within a second, where it waits for ten.
            "LEADER_ELECTION_DISABLE": "true",
            "DEFAULT_REQUEUE_TIME": "1s",
        }
        # The log of a server that is started again goes on in another file.
        number = len(list(self.folder.glob(f"{name}*.log")))
        log = self.folder / f"{name}{f'-{number}' if number else ''}.log"
        self.servers[name] = ServerProcess([str(self.programs / name), *arguments], environment, log)

    def _arguments_of_etcd(self) -> list[str]:
        client, peer = (f"http://127.0.0.1:{self._ports[name]}" for name in ("etcd", "peer"))
        return [
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _arguments_of_kube_apiserver(self) -> list[str]:
        return [
            f"--etcd-servers=http://127.0.0.1:{self._ports['etcd']}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={self.folder / 'server.pem'}",
            f"--tls-private-key-file={self.folder / 'server.key'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=Node,RBAC",
            f"--kubelet-client-certificate={self.folder / 'server.pem'}",
            f"--kubelet-client-key={self.folder / 'server.key'}",
            "--kubelet-preferred-address-types=Hostname",
            "--feature-gates=MutatingAdmissionPolicy=true",
            "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
            "--service-account-issuer=https://127.0.0.1",
            f"--service-account-key-file={self.folder / 'accounts.pub'}",
            f"--service-account-signing-key-file={self.folder / 'accounts.key'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--profiling=false",
        ]

    def _arguments_of_kube_controller_manager(self) -> list[str]:
        kubeconfig = self.write_kubeconfig("controller-manager", self._tokens["controller-manager"])
        return [
            f"--kubeconfig={kubeconfig}",
            f"--secure-port={self._ports['manager']}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
            f"--controllers={CONTROLLERS}",
            f"--root-ca-file={self.authority}",
            f"--service-account-private-key-file={self.folder / 'accounts.key'}",
            "--use-service-account-credentials=true",
        ]

    def _arguments_of_kube_scheduler(self) -> list[str]:
        return [
            f"--kubeconfig={self.write_kubeconfig('scheduler', self._tokens['scheduler'])}",
            f"--secure-port={self._ports['scheduler']}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
        ]

    def _arguments_of_kubelet(self) -> list[str]:
        assert self.containerd is not None
        settings, root = self.folder / "kubelet.json", self.folder / "kubelet"
        ports = (self._ports["kubelet"], self._ports["kubelet-health"])
        write_kubelet_settings(settings, self.containerd.socket, ports, self.authority)
        return [
            f"--config={settings}",
            f"--kubeconfig={self.write_kubeconfig('node', self._tokens['node'])}",
            f"--root-dir={root}",
            f"--cert-dir={root / 'pki'}",
            f"--hostname-override={NODE}",
        ]

    def _arguments_of_workflow_controller(self) -> list[str]:
        token = self.request_token(ARGO_NAMESPACE, "argo")
        kubeconfig = self.write_kubeconfig("argo", token, ARGO_NAMESPACE)
        return [
            f"--kubeconfig={kubeconfig}",
            f"--namespace={ARGO_NAMESPACE}",
            f"--executor-image={POD_IMAGE}",
            "--executor-image-pull-policy=Never",
            "--qps=200",
            "--burst=400",
        ]

    def request_token(self, namespace: str, account: str) -> str:
        """Return a token of a service account, good for a day."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        spec = {"expirationSeconds": 86400}
        body = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec}
        token: str = self.api.create(path, body)["status"]["token"]
        return token

    def write_kubeconfig(self, user: str, token: str, namespace: str = "default") -> Path:
        """Write the kubeconfig file of a user and return its path."""
        cluster = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority": str(self.authority)}
        config = {
            "kind": "Config",
            "apiVersion": "v1",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": user, "namespace": namespace}}],
            "current-context": "tests",
        }
        path = self.folder / f"{user}.kubeconfig"
        path.write_text(json.dumps(config))
        return path

    def _wait_for_api(self) -> None:
        end = time.monotonic() + START_SECONDS
        while not self.api.wait_until_ready("/readyz", 1):
            for server in self.servers.values():
                server.check()
            if time.monotonic() > end:
                raise TimeoutError(f"kube-apiserver isn't ready:\n{self.servers['kube-apiserver'].tail()}")

    def _wait_for_node(self) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            nodes = self.api.get("/api/v1/nodes")["items"]
            if any(
                one["type"] == "Ready" and one["status"] == "True" and not node["spec"].get("taints")
                for node in nodes
                for one in node["status"].get("conditions", ())
            ):
                return
            self.servers["kubelet"].check()
            if time.monotonic() > end:
                raise TimeoutError(f"The node isn't ready:\n{self.servers['kubelet'].tail()}")
            time.sleep(0.1)

    def _allow_kubelet_access(self) -> None:
        # The API server shows its own certificate to the kubelet, of this common name.
        user = {"kind": "User", "name": "the server"}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:kubelet-api-admin"}
        binding = {"metadata": {"name": "logs-and-exec"}, "roleRef": role, "subjects": [user]}
        self.api.create(COLLECTIONS["ClusterRoleBinding"], binding)

    def _wait_for(self, name: str, namespace: str) -> None:
        if not self.api.wait_until_ready(f"/api/v1/namespaces/{namespace}/{name}", START_SECONDS):
            raise TimeoutError(f"{name} isn't there:\n{self.servers['kube-controller-manager'].tail()}")

    def _install_argo(self) -> None:
        manifests = self.programs / "argo-manifests"
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        names = []
        for path in sorted(manifests.glob("base/crds/full/argoproj.io_*.yaml")):
            self.api.call("POST", definitions, path.read_bytes(), "application/yaml")
            names.append(path.stem.removeprefix("argoproj.io_"))
        self.create_namespace(ARGO_NAMESPACE, workflows=False)
        for manifest in MANIFESTS:
            for body in yaml.safe_load_all((manifests / manifest).read_text()):
                if body["kind"] == "ConfigMap":
                    body["data"] = self._settings_of_argo()
                self.create_object(body, ARGO_NAMESPACE)
        for name in names:
            if not self.api.wait_until_ready(f"/apis/argoproj.io/v1alpha1/{name}", START_SECONDS):
                raise TimeoutError(f"The API server doesn't serve {name}")

    def _settings_of_argo(self) -> dict[str, str]:
        # Its other port, 6060, can't be chosen; of two clusters on a machine the second does without.
        ports = {"metricsConfig": self._ports["metrics"], "telemetryConfig": self._ports["telemetry"]}
        return {name: json.dumps({"enabled": True, "port": port}) for name, port in ports.items()}

    def create_object(self, body: dict[str, Any], namespace: str) -> None:
        """Create an object of Argo's manifests; bindings that name no namespace mean this one."""
        for subject in body.get("subjects", ()):
            subject.setdefault("namespace", namespace)
        self.api.create(COLLECTIONS[body["kind"]].format(namespace=namespace), body)

    def create_namespace(self, name: str, workflows: bool = True) -> None:
        """Create a namespace whose default account may do what the pods of a workflow do.

        Parameters
        ----------
        name : str
            Of the namespace.
        workflows : bool
            Whether workflows run in it: the default account gets Argo's executor role.
        """
        self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        if not workflows:
            return
        role = next(yaml.safe_load_all((self.programs / "argo-manifests" / EXECUTOR_ROLE).read_text()))
        self.create_object(role, name)
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "executor"}
        subject = {"kind": "ServiceAccount", "name": "default", "namespace": name}
        binding = {"kind": "RoleBinding", "metadata": {"name": "executor"}, "roleRef": reference}
        self.create_object({**binding, "subjects": [subject]}, name)
        self._wait_for("serviceaccounts/default", name)
        self._wait_for("configmaps/kube-root-ca.crt", name)

    def stop(self) -> None:
        """End everything; clients first, so that nothing waits for a server that has gone."""
        end_all(list(reversed(self.servers.values())))
        self.servers.clear()
        if self.containerd is not None:
            containerd, self.containerd = self.containerd, None
            containerd.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
