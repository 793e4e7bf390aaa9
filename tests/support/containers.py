"""The container engine of this machine, and the image of docker/ built with it."""

import os
import resource
import subprocess
from pathlib import Path

__all__ = ["LIMITS", "build", "call", "engine"]

ROOT = Path(__file__).resolve().parents[2]
MOST = 4096


def _limit(name: str, number: int) -> str:
    hard = resource.getrlimit(number)[1]
    most = MOST if hard == resource.RLIM_INFINITY else min(MOST, hard)
    return f"{name}={most}:{most}"


# An engine's own are higher than an engine that runs in a container itself may set.
LIMITS = (
    *("--ulimit", _limit("nofile", resource.RLIMIT_NOFILE)),
    *("--ulimit", _limit("nproc", resource.RLIMIT_NPROC)),
)
"""Options of containers and builds."""


def engine() -> str:
    """The engine's command: docker or podman."""
    return os.environ["FLOW_TEST_CONTAINERS"]


def call(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Call the engine in the checkout."""
    done = subprocess.run([engine(), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert not check or done.returncode == 0, done.stderr + done.stdout
    return done


def base() -> str:
    """The image to build on."""
    return os.environ["FLOW_TEST_BASE_IMAGE"]


def build(tag: str) -> None:
    """Build the image of docker/."""
    # podman keeps the layers of a build as images, which nothing would ever remove.
    kept = ["--layers=false"] if Path(engine()).name == "podman" else []
    options = ("--network", "host", "--file", "docker/Dockerfile", "--build-arg", f"BASE={base()}")
    call("build", *kept, *LIMITS, *options, "--tag", tag, ".")
