"""The one node of the cluster: Debian's containerd and runc, with Kubernetes' own kubelet and scheduler.

Its pods share the machine's network, so they reach the API server and the tests' servers on 127.0.0.1, and nothing that
needs a network plugin.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.guardian import MARK, start_guardian
from tests.support.processes import ServerProcess, end_all

__all__ = ["POD_IMAGE", "Containerd", "make_pod_image", "write_kubelet_settings"]

POD_IMAGE = "localhost/flow-sdk-pod:tests"
"""An image with Python, argoexec and ``sleep``: that of pods, of Argo's own containers and of each pod's sandbox."""

_DOCKERFILE = """\
FROM {base}
COPY argoexec /bin/argoexec
CMD ["sleep", "infinity"]
"""


def make_pod_image(engine: str, base: str, argoexec: Path, archive: Path) -> None:
    """Write the image of pods as an archive.

    Parameters
    ----------
    engine, base : str
        The container engine (``docker`` or ``podman``), and an image of its own with Python.
    argoexec : Path
        The program.
    archive : Path
        What is written, in the form that ``ctr images import`` reads.
    """
    # Another test run's image is another one until it is in a containerd of its own.
    tag = f"{POD_IMAGE}-{os.getpid()}"
    with tempfile.TemporaryDirectory() as context:
        shutil.copy2(argoexec, context)
        Path(context, "Dockerfile").write_text(_DOCKERFILE.format(base=base))
        run = [engine, "build", "--quiet", "--network=none", "--tag", tag, context]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    form = ("--format", "docker-archive") if engine == "podman" else ()
    try:
        subprocess.run([engine, "save", *form, "--output", str(archive), tag], check=True, capture_output=True)
    finally:
        subprocess.run([engine, "rmi", "--force", tag], check=False, capture_output=True)


class Containerd:
    """Debian's containerd, with data of its own.

    Parameters
    ----------
    folder : Path
        For its settings, data and log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = Path(tempfile.mkdtemp(prefix="containerd-", dir="/run"))
        self.socket = self.state / "containerd.sock"
        (folder / "containerd.toml").write_text(self._settings())
        command = ["containerd", "--config", str(folder / "containerd.toml")]
        # Containers are children of shims, which have left containerd's session: the guardian finds them by its mark.
        start_guardian()
        environment = {name: os.environ[name] for name in ("PATH", MARK)}
        self.server = ServerProcess(command, environment, folder / "containerd.log")

    def _settings(self) -> str:
        cri = 'plugins."io.containerd.grpc.v1.cri"'
        return "\n".join(
            [
                "version = 2",
                f"root = {json.dumps(str(self.folder / 'containerd'))}",
                f"state = {json.dumps(str(self.state / 'state'))}",
                "[grpc]",
                f"address = {json.dumps(str(self.socket))}",
                f"[{cri}]",
                f"sandbox_image = {json.dumps(POD_IMAGE)}",
                "disable_apparmor = true",
                "restrict_oom_score_adj = true",
                f"[{cri}.cni]",
                f"conf_dir = {json.dumps(str(self._loopback()))}",
                'bin_dir = "/usr/lib/cni"',
                "",
            ]
        )

    def _loopback(self) -> Path:
        # Without any network the kubelet calls the node not ready; pods on the machine's network use none of it.
        folder = self.folder / "cni"
        folder.mkdir()
        plugins = [{"type": "loopback"}]
        settings = {"cniVersion": "0.4.0", "name": "loopback", "plugins": plugins}
        (folder / "loopback.conflist").write_text(json.dumps(settings))
        return folder

    def call(self, *arguments: str) -> str:
        """Run ``ctr`` on the containers and images of Kubernetes."""
        command = ["ctr", "--address", str(self.socket), "--namespace", "k8s.io", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def import_pod_image(self, archive: Path) -> None:
        """Import what ``make_pod_image`` has written."""
        self.call("images", "import", str(archive))
        (name,) = {name for name in self.call("images", "list", "--quiet").split() if name.startswith(POD_IMAGE)}
        self.call("images", "tag", name, POD_IMAGE)

    def wait_until_ready(self, seconds: float) -> None:
        """Wait until it answers."""
        end = time.monotonic() + seconds
        while True:
            self.server.check()
            try:
                self.call("version")
                return
            except RuntimeError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def stop(self) -> None:
        """End it, with all containers that are left, and remove its state. The kubelet has ended before."""
        try:
            self._kill_tasks()
        finally:
            self._remove_state()

    def _kill_tasks(self) -> None:
        if self.server.process.poll() is not None:
            return
        for task in self.call("tasks", "list", "--quiet").split():
            try:
                self.call("tasks", "kill", "--signal", "SIGKILL", "--all", task)
            except RuntimeError:
                # It has ended by itself meanwhile; what hasn't, ends with its shim.
                continue

    def _remove_state(self) -> None:
        end_all([self.server])
        kill_shims(self.socket)
        # What was mounted for pods and containers lies beneath either folder, the inner ones last.
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            point = line.split()[1]
            if point.startswith((f"{self.state}/", f"{self.folder}/")):
                subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
        shutil.rmtree(self.state, ignore_errors=True)


def kill_shims(socket: Path) -> None:
    """Kill the shims, parents of containers, of the containerd that listens on a socket."""
    mine = f"-address\0{socket}\0".encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mine in path.read_bytes():
                os.kill(int(path.parent.name), signal.SIGKILL)
        except (OSError, ValueError):
            continue


def write_kubelet_settings(path: Path, socket: Path, ports: tuple[int, int], authority: Path) -> None:
    """Write the kubelet's settings: cgroups of whichever version, and no limits that a small machine couldn't meet."""
    settings: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "failSwapOn": False,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}},
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{socket}",
        "address": "127.0.0.1",
        "port": ports[0],
        "healthzPort": ports[1],
        "readOnlyPort": 0,
        "makeIPTablesUtilChains": False,
        "localStorageCapacityIsolation": False,
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "maxPods": 500,
        "syncFrequency": "10s",
        "tlsCertFile": str(authority.with_name("server.pem")),
        "tlsPrivateKeyFile": str(authority.with_name("server.key")),
    }
    settings["authentication"]["x509"] = {"clientCAFile": str(authority)}
    path.write_text(json.dumps(settings))
