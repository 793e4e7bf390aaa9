"""Servers that tests start end with pytest, even when it is killed by SIGKILL: whatever they have started, too."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support import containers
from tests.support.guardian_program import Process, find_family, read_processes
from tests.support.postgres import postgres_programs

SECONDS = 60.0
"""Within which nothing may be left."""

BEGIN = """
import os
import sys
import time
from pathlib import Path

def wait_for(ready):
    deadline = time.monotonic() + 240
    while not ready():
        assert time.monotonic() < deadline, "not ready"
        time.sleep(0.1)

def stay(pid=0):
    Path("ready~").write_text(str(pid))
    os.rename("ready~", "ready")
    time.sleep(600)
"""

SLEEPER = "import subprocess, sys; subprocess.Popen(['sleep', '600'], start_new_session=True).wait()"
"""Python that starts a process in a session of its own, as the worst of tasks do."""

MOTO = """
from tests.support.moto import MotoServer

def test_moto():
    with MotoServer("store"):
        stay()
"""

POSTGRES = """
from tests.support.postgres import Postgres

def test_postgres():
    with Postgres() as server:
        stay(server._server())
"""

JOBS = f"""
from tests.support.{{module}} import {{server}}

def submit(server, image="rig"):
    batch = server.client("batch")
    queue = server.prepare().queue
    container = {{{{
        "image": image,
        "command": ["python", "-c", {SLEEPER!r}],
        "resourceRequirements": [{{{{"type": "VCPU", "value": "1"}}}}, {{{{"type": "MEMORY", "value": "512"}}}}],
    }}}}
    definition = batch.register_job_definition(jobDefinitionName="d", type="container", containerProperties=container)
    batch.submit_job(jobName="one", jobQueue=queue, jobDefinition=definition["jobDefinitionArn"])
    wait_for(lambda: [job["status"] for job in server.jobs()] == ["RUNNING"])
"""

BATCH = (
    JOBS.format(module="batch_server", server="BatchServer")
    + """
def test_batch():
    with BatchServer("store") as server:
        submit(server)
        time.sleep(1)
        stay()
"""
)

STEP_FUNCTIONS = (
    JOBS.format(module="step_functions", server="StepFunctionsServer")
    + """
def test_step_functions():
    with StepFunctionsServer("store") as server:
        submit(server)
        time.sleep(1)
        stay()
"""
)

CONTAINERS = (
    JOBS.format(module="batch_server", server="BatchServer")
    + """
def test_containers():
    with BatchServer("store", engine=os.environ["FLOW_TEST_CONTAINERS"]) as server:
        submit(server, os.environ["FLOW_TEST_BASE_IMAGE"])
        wait_for(server.containers)
        Path("mark").write_text(server.mark)
        stay()
"""
)

DAG = f"""
import datetime, os, subprocess, sys
from pathlib import Path
from airflow.sdk import dag, task

@dag(schedule=None, start_date=datetime.datetime(2020, 1, 1))
def hang():
    @task
    def sleep():
        with subprocess.Popen([sys.executable, "-c", {SLEEPER!r}]):
            Path(os.environ["AIRFLOW_HOME"], "begun").touch()
    sleep()
hang()
"""

AIRFLOW = f"""
from tests.support.airflow import AirflowServer

def test_airflow(tmp_path):
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "hang.py").write_text({DAG!r})
    with AirflowServer(os.environ["FLOW_TEST_AIRFLOW3"], tmp_path / "home", dags=dags) as server:
        server.wait_dag("hang")
        server.api.start_dag_run("hang", {{}})
        wait_for((tmp_path / "home" / "begun").exists)
        time.sleep(1)
        stay()
"""

KINDS = [
    pytest.param(MOTO, id="moto"),
    pytest.param(BATCH, id="Batch jobs"),
    pytest.param(STEP_FUNCTIONS, id="LocalStack", marks=pytest.mark.step_functions),
    pytest.param(AIRFLOW, id="Airflow", marks=pytest.mark.airflow3),
]

Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a pytest that runs a test file, and wait until its test has what it wants."""
    started: list[subprocess.Popen[bytes]] = []
    without = [word for plugin in ("cacheprovider", "hypothesispytest", "anyio") for word in ("-p", f"no:{plugin}")]

    def start_pytest(source: str) -> "subprocess.Popen[bytes]":
        (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
        (tmp_path / "test_made.py").write_text(BEGIN + source)
        command = [sys.executable, "-m", "pytest", *without, "-c", str(ROOT / "pyproject.toml"), str(tmp_path)]
        log = tmp_path / "log"
        with open(log, "wb") as output:
            process = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=output, start_new_session=True)
        started.append(process)
        deadline = time.monotonic() + 300
        while not (tmp_path / "ready").exists():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text("utf-8", "replace")
            time.sleep(0.05)
        return process

    yield start_pytest
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def kill_and_find_left(process: "subprocess.Popen[bytes]", *more: int) -> dict[int, Process]:
    """Kill a pytest by SIGKILL; return what is left of all that it had started, at the latest after `SECONDS`."""
    before = read_processes()
    family = find_family([process.pid, *more], before) - {process.pid}
    assert family
    process.kill()
    process.wait()
    deadline = time.monotonic() + SECONDS
    while True:
        now = read_processes()
        left = {pid: before[pid] for pid in family if pid in now and now[pid].start == before[pid].start}
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


@pytest.mark.parametrize("source", KINDS)
def test_nothing_that_a_killed_pytest_started_is_left(start: Start, source: str) -> None:
    process = start(source)
    assert kill_and_find_left(process) == {}


@pytest.mark.skipif(postgres_programs() is None, reason="PostgreSQL isn't installed")
def test_the_postgresql_of_a_killed_pytest_is_gone(start: Start, tmp_path: Path) -> None:
    process = start(POSTGRES)
    server = int((tmp_path / "ready").read_text())
    assert kill_and_find_left(process, server) == {}


@pytest.mark.containers
def test_the_containers_of_a_killed_pytest_are_gone(start: Start, tmp_path: Path) -> None:
    process = start(CONTAINERS)
    assert kill_and_find_left(process) == {}
    mark = (tmp_path / "mark").read_text()
    deadline = time.monotonic() + SECONDS
    while found := containers.call("ps", "--all", "--quiet", "--filter", f"label={mark}").stdout.split():
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
