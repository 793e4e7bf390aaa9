"""Builds the programs of the Kubernetes tests: ``python3 -m tests.support.kubernetes.build`` prints their folder.

Two Go modules beside this file pin the releases, as Argo and Kubernetes want different releases of the same libraries.
The programs lie outside of the checkout, in a folder named by the hash of all they are made of, so that they are built
once on a machine. Needs a Go of the release that the modules name, and its module proxy; no Python package.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["build_programs", "find_folder", "main"]

HERE = Path(__file__).resolve().parent
ARGO = "github.com/argoproj/argo-workflows/v4"
PROGRAMS = {
    "etcd": ("control_plane", "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": ("control_plane", "k8s.io/kubernetes/cmd/kube-apiserver"),
    "kube-controller-manager": ("control_plane", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    "kube-scheduler": ("control_plane", "k8s.io/kubernetes/cmd/kube-scheduler"),
    "kubelet": ("control_plane", "k8s.io/kubernetes/cmd/kubelet"),
    "workflow-controller": ("argo", f"{ARGO}/cmd/workflow-controller"),
    "argoexec": ("argo", f"{ARGO}/cmd/argoexec"),
}
"""For each program the module of ours that pins it, and its package."""

OVERLAID = "workflow/executor/osspecific/signal_linux.go"
"""A file that Argo's module lacks, and without which argoexec doesn't build for Linux: ours takes its place."""

OVERLAY = HERE / "argo" / "overlay" / "signal_linux.go"
FLAGS = ("-ldflags", "-s -w")
ENVIRONMENT = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}


def _ask_go(module: str, *arguments: str) -> str:
    command = ["go", "-C", str(HERE / module), *arguments]
    return subprocess.run(
        command, env={**os.environ, **ENVIRONMENT}, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def find_folder() -> Path:
    """Return where the programs of these sources belong, whether they are there or not."""
    made_of = hashlib.sha256()
    for path in (HERE / "control_plane", HERE / "argo"):
        for name in ("go.mod", "go.sum"):
            made_of.update((path / name).read_bytes())
    made_of.update(OVERLAY.read_bytes())
    made_of.update(repr((PROGRAMS, FLAGS, ENVIRONMENT, _ask_go("argo", "env", "GOVERSION", "GOARCH"))).encode())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "flow-sdk-tests" / "kubernetes" / made_of.hexdigest()[:16]


def build_programs(folder: Path) -> None:
    """Build the programs that a folder lacks; of two builds at once, the second waits for the first.

    Parameters
    ----------
    folder : Path
        Made if it isn't there. ``argo-manifests`` in it leads to the manifests in Argo's module.

    Raises
    ------
    subprocess.CalledProcessError
        If Go is too old, finds no proxy, or a program doesn't build.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _ask_go("argo", "mod", "download", ARGO)
        module = Path(_ask_go("argo", "list", "-m", "-f", "{{.Dir}}", ARGO))
        (folder / "argo-manifests").unlink(missing_ok=True)
        (folder / "argo-manifests").symlink_to(module / "manifests")
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            for name, (of, package) in PROGRAMS.items():
                if (folder / name).exists():
                    continue
                built = Path(scratch, name)
                extra = _add_missing_file(folder, module) if name == "argoexec" else ()
                _ask_go(of, "build", *FLAGS, *extra, "-o", str(built), package)
                built.replace(folder / name)


def _add_missing_file(folder: Path, module: Path) -> tuple[str, ...]:
    # Go lets nothing be laid over a module in its cache, so the module is replaced by a folder that exists in the
    # overlay only: each of its files is the module's own, and ours is the one that is added.
    shown = folder / "argo-module"
    files = {shown / path.relative_to(module): path for path in module.rglob("*") if path.is_file()}
    if shown / OVERLAID in files:
        raise FileExistsError(f"{ARGO} has {OVERLAID} itself by now: remove ours and _add_missing_file")
    files[shown / OVERLAID] = OVERLAY
    overlay, modfile = folder / "overlay.json", folder / "argo.mod"
    overlay.write_text(json.dumps({"Replace": {str(key): str(path) for key, path in files.items()}}))
    modfile.write_text(f"{(HERE / 'argo' / 'go.mod').read_text()}\nreplace {ARGO} => {shown}\n")
    modfile.with_suffix(".sum").write_bytes((HERE / "argo" / "go.sum").read_bytes())
    return ("-modfile", str(modfile), "-overlay", str(overlay))


def main() -> int:
    """Build what is missing and print the folder."""
    try:
        folder = find_folder()
        build_programs(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"The programs of the Kubernetes tests can't be built: {error}", file=sys.stderr)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
