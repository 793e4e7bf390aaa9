"""Long-lived processes of the soak: ``python -m tests.soak.actors KIND FOLDER STORE`` works until it is ended.

After each round it writes a sample of itself to ``FOLDER/KIND.samples``.
"""

import contextlib
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from flow_sdk.authoring.parameters import DeployContext
from flow_sdk.client import Flow, Run, metadata, namespace
from flow_sdk.plan.codec import from_json, to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.parameters import plan_parameters
from flow_sdk.programmatic.runner import Runner
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.supervise import supervise
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.package.archive import build_archive
from tests.soak.samples import measure, write_sample
from tests.support.in_process_runs import load_source

__all__ = ["ACTORS"]

FLOW = Path(__file__).with_name("soak_flow.py")
PAUSE = float(os.environ.get("SOAK_PAUSE", "2"))
"""Seconds between two rounds."""


def work(folder: Path, root: str) -> Callable[[int], None]:
    """Prepare a worker of an orchestrator: it supervises the tasks of one run after another."""
    source = FLOW.read_text(encoding="utf-8")
    flow = load_source(source, "SoakFlow", str(folder))
    plan = compile_plan(flow, file=FLOW.name, parameters=plan_parameters(flow, DeployContext("SoakFlow", "soak")))
    artifacts = Artifacts(open_store(root))
    code = folder / "code"
    code.mkdir()
    (code / FLOW.name).write_text(source, encoding="utf-8")
    digest, package = artifacts.put_bytes(to_json(plan)), artifacts.put_bytes(build_archive(str(code)))
    plan = from_json(to_json(plan))

    def round_(number: int) -> None:
        tasks = [("start", ()), *(("work", (item,)) for item in range(2)), ("join", ()), ("shaky", ()), ("end", ())]
        for step, position in tasks:
            for tries_left in (5, 4, 3, 2, 1, 0):
                request = TaskRequest(
                    root, "SoakFlow", f"worked-{number}", step, plan[step].task_id(position), digest, package,
                    tries_left=tries_left, parameters={"items": 2, "trouble": 0.3}, orchestrator={"kind": "soak"},
                )  # fmt: skip
                if supervise(request, lambda stream, line: None).code == 0:
                    break
            else:
                raise RuntimeError(f"{step} of round {number} failed for good")

    return round_


def read(folder: Path, root: str) -> Callable[[int], None]:
    """Prepare a user's process: it starts runs, reads and tags them, and looks after the store."""
    local = folder / "local"
    os.environ["FLOW_SDK_DATASTORE_SYSROOT_LOCAL"] = str(local)
    runner = Runner(str(FLOW), show_output=False)

    def round_(number: int) -> None:
        namespace(None)
        with runner.run(items=3, trouble=0.2) as done:
            if done.status != "successful":
                raise RuntimeError(f"round {number}: {done.stderr}")
        metadata(str(local))
        run = Flow("SoakFlow").latest_successful_run or Flow("SoakFlow").latest_run
        run.add_tag(f"round-{number % 7}")
        if [len(task.data.payload) for task in run["work"]] != [20_000] * 3:
            raise RuntimeError("an artifact isn't as it was")
        [task.stdout for step in run for task in step]
        metadata(root)
        with contextlib.suppress(Exception):  # the worker's first run may not have begun
            latest = next(iter(Run(f"SoakFlow/worked-{max(0, number - 5)}")))
            [artifact.data for task in latest for artifact in task]
        if number % 20 == 0:
            # A process of its own, as a user runs it: what a check holds grows with the store.
            program = Path(sys.executable).with_name("flow-sdk")
            command = [program, "store", "check", "--datastore-root", str(local)]
            checked = subprocess.run(command, capture_output=True, text=True, check=False)
            if checked.returncode:
                raise RuntimeError(f"the local store is damaged: {checked.stdout}{checked.stderr}")

    return round_


ACTORS = {"worker": work, "user": read}


def main() -> None:
    """Work round after round."""
    kind, folder, root = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    round_ = ACTORS[kind](folder, root)
    for number in count():
        round_(number)
        gc.collect()
        write_sample(folder / f"{kind}.samples", measure())
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
