"""Run the soak: ``python -m tests.soak.run_soak --minutes 60``. Ends with 1 when something has grown or failed.

Four processes are watched: the driver of one long local run and the process that its tasks are forked from, a worker
that supervises tasks as an orchestrator's does, and a user's process that starts and reads runs. Their store is in S3
behind a proxy that fails a share of the requests, and tasks are killed all the time.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.actors import ACTORS, FLOW
from tests.soak.samples import Sample, find_growth, measure, read_samples
from tests.support.fault_proxy import FaultProxy, Rule
from tests.support.moto import MotoServer

__all__ = ["run_soak"]

FAULTS = ("SlowDown", "InternalError", "reset", "cut", "flip", "lost")
SHARE = 0.003
"""The share of requests that each of the faults hits."""

WORKERS = 8
TASK_SECONDS = 5.0
SAMPLE_SECONDS = 2.0
KILL_SECONDS = 15.0


def run_soak(minutes: float, warm_up: float, window: float, folder: Path) -> dict[str, list[str]]:
    """Run it.

    Parameters
    ----------
    minutes : float
        How long.
    warm_up, window : float
        Seconds, as :func:`~tests.soak.samples.find_growth` takes them.
    folder : Path
        An empty folder to work in.

    Returns
    -------
    dict of str to list of str
        By process, what is wrong with it; empty lists when all is well.
    """
    with MotoServer("soak") as moto, FaultProxy(moto.url, *(Rule(fault, share=SHARE) for fault in FAULTS)) as proxy:
        environment = {**os.environ, **moto.env(), "AWS_ENDPOINT_URL": proxy.url, "FLOW_SDK_USER": "soak"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (os.getcwd(), os.environ.get("PYTHONPATH"))))
        items = str(int(minutes * 60 / TASK_SECONDS * WORKERS * 2) + 10)
        run = [sys.executable, str(FLOW), "--datastore", "s3", "--datastore-root", "s3://soak/run", "run"]
        run += [f"--items={items}", f"--seconds={TASK_SECONDS}", f"--max-workers={WORKERS}", "--max-num-splits=1000000"]
        started = {"driver": _start(run, folder, "driver", environment)}
        for kind in ACTORS:
            command = [sys.executable, "-m", "tests.soak.actors", kind, str(folder), f"s3://soak/{kind}"]
            started[kind] = _start(command, folder, kind, environment)
        try:
            samples = _watch(started, time.monotonic() + minutes * 60)
        finally:
            _end_all(started)
        for kind in ACTORS:
            samples[kind] = read_samples(folder / f"{kind}.samples")
        found = {name: find_growth(each, warm_up, window) for name, each in samples.items()}
        for name, process in started.items():
            if process.returncode != -signal.SIGKILL:
                text = (folder / f"{name}.log").read_text("utf-8", "replace")[-2000:]
                found[name].append(f"ended by itself with {process.returncode}: {text}")
        if not proxy.faults:
            found["driver"].append("no request was hit by a fault")
        print(f"{proxy.faults} of {len(proxy.asked)} requests were hit by a fault", flush=True)
        for name, each in samples.items():
            print(f"{name}: {len(each)} samples; first {each[:1]}, last {each[-1:]}", flush=True)
        return found


def _start(command: list[str], folder: Path, name: str, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    with open(folder / f"{name}.log", "wb") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )


def _watch(started: "dict[str, subprocess.Popen[bytes]]", until: float) -> dict[str, list[Sample]]:
    """Sample the driver and its fork server, and kill a task now and then, until the time is over."""
    samples: dict[str, list[Sample]] = {"driver": [], "fork server": []}
    next_kill = time.monotonic() + KILL_SECONDS
    while time.monotonic() < until and all(process.poll() is None for process in started.values()):
        time.sleep(SAMPLE_SECONDS)
        driver = started["driver"].pid
        (server,) = _children(driver) or [None]
        for name, pid in (("driver", driver), ("fork server", server)):
            if pid is not None:
                try:
                    samples[name].append(measure(pid))
                except OSError:
                    pass  # it has just ended
        if server is not None and time.monotonic() > next_kill:
            next_kill += KILL_SECONDS
            tasks = _children(server)
            if tasks:
                os.kill(random.choice(tasks), signal.SIGKILL)
    return samples


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except OSError:
        return []
    return [int(child) for child in text.split()]


def _end_all(started: "dict[str, subprocess.Popen[bytes]]") -> None:
    for process in started.values():
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main() -> int:
    """Run the soak of the command line."""
    parser = argparse.ArgumentParser(prog="tests.soak.run_soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    given = parser.parse_args()
    warm_up = min(300.0, given.minutes * 60 / 4)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        found = run_soak(given.minutes, warm_up, min(120.0, warm_up), Path(folder))
    for name, troubles in found.items():
        print(f"{name}: {'; '.join(troubles) or 'has not grown'}")
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
