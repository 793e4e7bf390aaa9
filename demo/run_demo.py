"""The demo (``make demo``): one flow file, run on this machine, then by a real Airflow, read back from S3.

Everything it starts listens on free ports of this machine, writes to one temporary folder, and ends with it.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from demo.follow import follow
from flow_sdk import Flow, Run, metadata, namespace
from flow_sdk.deploy.airflow.api import AirflowApi
from tests.support.airflow import AirflowServer
from tests.support.moto import MotoServer

ROOT = Path(__file__).resolve().parent.parent
FLOW_FILE = ROOT / "dags_examples" / "model_selection.py"
FLOW = "ModelSelectionFlow"
BUCKET = "demo"
STORE = f"s3://{BUCKET}/flows"
CONF = {"rows": 4000, "threshold": 0.55}
"""The run's parameters, on both sides."""


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Say what happens now, and afterwards how long it took."""
    print(f"\n=== {title}", flush=True)
    started = time.monotonic()
    yield
    print(f"    ({time.monotonic() - started:.1f} s)", flush=True)


def flow_command(*arguments: str, folder: Path, environment: dict[str, str]) -> None:
    """Run the flow file with a command line, as a user would, and show both."""
    print(f"$ python {FLOW_FILE.relative_to(ROOT)} {' '.join(arguments)}".replace(str(folder), "DEMO"), flush=True)
    command = [sys.executable, str(FLOW_FILE), *arguments]
    subprocess.run(command, cwd=folder, env={**os.environ, **environment}, check=True)


def connection(s3: MotoServer) -> dict[str, str]:
    """The Airflow connection that the tasks get their S3 credentials and endpoint from."""
    keys = s3.env()
    facts = {
        "conn_type": "aws",
        "login": keys["AWS_ACCESS_KEY_ID"],
        "password": keys["AWS_SECRET_ACCESS_KEY"],
        "extra": {"region_name": keys["AWS_REGION"], "endpoint_url": s3.url},
    }
    return {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(facts)}


def newest_run(store: str) -> Run:
    """The newest run of the flow in a store, whoever started it."""
    metadata(store)
    namespace(None)
    run = Flow(FLOW).latest_run
    if run is None:
        raise SystemExit(f"No run of {FLOW} is in {store}.")
    return run


def run_here(folder: Path) -> Run:
    """Run the flow on this machine, with artifacts in a local folder."""
    store = folder / "store"
    arguments = [f"--{name}={value}" for name, value in CONF.items()]
    flow_command("--datastore-root", str(store), "run", *arguments, folder=folder, environment={})
    return newest_run(str(store))


def run_on_airflow(folder: Path, s3: MotoServer, airflow: AirflowServer) -> Run:
    """Deploy the flow, trigger it through Airflow's REST API and follow it to its end."""
    with stage("Deploying the same file to Airflow, with artifacts in S3"):
        login = {"FLOW_SDK_AIRFLOW_PASSWORD": airflow.password}
        store = ("--datastore", "s3", "--datastore-root", STORE)
        where = ("--airflow-url", airflow.url, "--airflow-user", airflow.user)
        create = ("airflow", "create", str(airflow.dags), "--wait", *where)
        flow_command(*store, *create, folder=folder, environment={**s3.env(), **login})
    with stage("Triggering it through Airflow's REST API, and following it"):
        api = AirflowApi(airflow.url, airflow.user, airflow.password)
        run_id = api.start_dag_run(FLOW, CONF)
        print(f"POST {airflow.url}/api/v2/dags/{FLOW}/dagRuns  conf={CONF}\nDAG run {run_id}", flush=True)
        state = follow(api, FLOW, run_id)
        if state != "success":
            raise SystemExit(f"The DAG run ended: {state}")
    return newest_run(STORE)


def report(run: Run, here: Run) -> None:
    """Print what the run found, read through the client, and that both runs agree to the last bit."""
    tasks = sum(1 for step in run for _ in step)
    print(f"Run {run.pathspec}: successful={run.successful}, {tasks} tasks, tags {sorted(run.tags)}")
    print(run["select"].task.stdout.rstrip())
    print(f"\nThe winner is {run.data.winner}, published={run.data.published}:")
    for name, value in run.data.metrics.items():
        print(f"    {name:<18}{value:.4f}")
    weights, same = run["select"].task["weights"], here["select"].task["weights"]
    print(f"weights: {weights.data.shape[0]} numbers, blake3 {weights.sha[:16]} on Airflow, {same.sha[:16]} here")
    if weights.sha != same.sha:
        raise SystemExit("The same flow with the same parameters gave different artifacts.")


def forget_settings(folder: Path) -> None:
    """Keep the settings and credentials of whoever runs the demo out of it."""
    for name in list(os.environ):
        if name.startswith(("FLOW_SDK_", "METAFLOW_", "AWS_")):
            del os.environ[name]
    os.environ["FLOW_SDK_HOME"] = str(folder / "settings")


def interrupted(number: int, _frame: object) -> None:
    """End as for Ctrl-C, so that everything that was started is ended too."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def main() -> None:
    """Run the demo."""
    signal.signal(signal.SIGTERM, interrupted)
    started = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flow-sdk-demo-")))
        forget_settings(folder)
        with stage("Running the flow on this machine"):
            here = run_here(folder)
        with stage("Starting an S3 server (moto)"):
            s3 = stack.enter_context(MotoServer(BUCKET))
            print(s3.url)
        with stage("Starting Airflow on its embedded database (half a minute)"):
            airflow = stack.enter_context(AirflowServer(sys.executable, folder / "airflow", env=connection(s3)))
            os.environ.update(s3.env())
            print(airflow.url)
        run = run_on_airflow(folder, s3, airflow)
        with stage("Reading the artifacts back from S3 by name"):
            report(run, here)
        print("\nStopping Airflow and the S3 server.", flush=True)
    print(f"Done in {time.monotonic() - started:.0f} s; nothing is left behind.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted; everything that was started has been stopped")
