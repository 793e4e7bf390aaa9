"""A real Airflow of either line, all components on loopback, from an interpreter that has it installed."""

import base64
import json
import os
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flow_sdk.deploy.airflow.api import AirflowApi
from tests.support.ports import free_ports
from tests.support.processes import ServerProcess, end_all

__all__ = ["VIEWER", "AirflowServer"]

USER = PASSWORD = "admin"
VIEWER = "viewer"
"""Who may only look (3.3)."""
START = 180.0
"""Seconds within which all components must be healthy."""

STALE = "sqlalchemy.orm.exc.StaleDataError"
"""What Airflow 3's DAG processor ends with when a DAG is deleted just while it notes that the DAG's file is gone."""

CHEAPLY = """
import sys
from sqlalchemy import create_engine, text
from werkzeug.security import generate_password_hash
with create_engine(sys.argv[1]).begin() as connection:
    hashed = generate_password_hash(sys.argv[2], "pbkdf2:sha256:1")
    connection.execute(text("UPDATE ab_user SET password = :hashed"), {"hashed": hashed})
"""
"""Airflow 2 verifies the password in each request, which as it hashes passwords takes a tenth of a second."""

COMPONENTS = {3: ("api-server", "scheduler", "dag-processor"), 2: ("webserver", "scheduler")}
"""The triggerer comes on demand: only steps on AWS Batch defer."""


class AirflowServer:
    """A running Airflow; a context manager.

    Parameters
    ----------
    python : str
        The interpreter it is installed for.
    home : Path
        Its home, made if need be.
    dags : Path, optional
        Its DAGs folder; ``dags`` in its home when not given.
    database : str, optional
        SQLAlchemy URL; SQLite in its home when not given (then 2.11 runs one task at a time).
    env : dict, optional
        More variables for all components, and so for all tasks.
    parallelism : int
        Most tasks at a time (>= 1).
    triggerer : bool
        Whether there is a triggerer.
    """

    def __init__(
        self,
        python: str,
        home: Path,
        *,
        dags: Path | None = None,
        database: str | None = None,
        env: dict[str, str] | None = None,
        parallelism: int = 4,
        triggerer: bool = False,
    ) -> None:
        self.python, self.home, self.dags = python, home, dags or home / "dags"
        self.user, self.password = USER, PASSWORD
        asked = "import importlib.metadata as m; print(m.version('apache-airflow'))"
        self.version = subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True).stdout.strip()
        self.line = int(self.version.partition(".")[0])
        self.components = (*COMPONENTS[self.line], *(("triggerer",) if triggerer else ()))
        self.port, worker_log, trigger_log = free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = AirflowApi(self.url, USER, PASSWORD)
        self.servers: list[ServerProcess] = []
        self._ending = threading.Event()
        self._reviver = threading.Thread(target=self._revive, daemon=True)
        several = database is not None or self.line == 3
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "PATH": f"{Path(python).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor" if several else "SequentialExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(parallelism),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "120",
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(b"0" * 32).decode(),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database or f"sqlite:///{home}/airflow.db",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_log),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_log),
            # a triggerer takes over from one that is gone after this many seconds
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            **(self._settings_3() if self.line == 3 else self._settings_2()),
            **(env or {}),
        }

    def _settings_3(self) -> dict[str, str]:
        return {
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__SECRET_KEY": "0" * 32,
            "AIRFLOW__API_AUTH__JWT_SECRET": "0" * 64,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin,{VIEWER}:viewer",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home / "passwords.json"),
            # A supervisor that misses the end of its task notices at the next heartbeat only.
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            # a file that has changed is parsed sooner than that
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
            "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
        }

    def _settings_2(self) -> dict[str, str]:
        return {
            "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(self.port),
            "AIRFLOW__WEBSERVER__SECRET_KEY": "0" * 32,
            "AIRFLOW__WEBSERVER__WORKERS": "1",
            "AIRFLOW__WEBSERVER__BASE_URL": self.url,
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.basic_auth",
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_FETCH_INTERVAL": "1",
            "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "60",
            "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "2",
        }

    def command(self, *words: str) -> list[str]:
        """The command line of an ``airflow`` command."""
        return [self.python, "-m", "airflow", *words]

    def _do(self, *words: str) -> None:
        self._run(self.command(*words), f"airflow {' '.join(words[:2])}")

    def _run(self, command: list[str], name: str) -> None:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{name} failed:\n{(done.stdout + done.stderr)[-4000:]}")

    def __enter__(self) -> "AirflowServer":
        self.home.mkdir(parents=True, exist_ok=True)
        self.dags.mkdir(parents=True, exist_ok=True)
        (self.home / "passwords.json").write_text(json.dumps({USER: PASSWORD, VIEWER: PASSWORD}))
        try:
            self._do("db", "migrate")
            for name in self.components:
                self.servers.append(self._start(name))
            if self.line == 2:
                names = ("-u", USER, "-p", PASSWORD, "-f", "a", "-l", "b", "-e", "a@example.org", "-r", "Admin")
                self._do("users", "create", *names)
                database = self.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
                self._run([self.python, "-c", CHEAPLY, database, PASSWORD], "hashing the password")
            if self.line == 3:
                self._reviver.start()
            self._wait_healthy()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self, name: str) -> ServerProcess:
        return ServerProcess(self.command(name), self.environment, self.home / f"{name}.log")

    def kill_and_restart(self, name: str) -> None:
        """Kill a component with all its processes, as when its machine is lost, and start another one."""
        number = self.components.index(name)
        self.servers[number].end(0)
        self.servers[number] = self._start(name)

    def _revive(self) -> None:
        """Start a DAG processor again that has ended of its own fault, as those who run one have it started again."""
        number = self.components.index("dag-processor")
        while not self._ending.wait(0.5):
            server = self.servers[number]
            if server.process.poll() is not None and STALE in server.tail():
                self.servers[number] = self._start("dag-processor")

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        if self._reviver.is_alive():
            self._reviver.join()
        end_all(self.servers)

    def _wait_healthy(self) -> None:
        health = self.url + ("/api/v2/monitor/health" if self.line == 3 else "/health")

        def healthy() -> bool:
            for server in self.servers:
                server.check()
            try:
                with urllib.request.urlopen(health, timeout=5) as answer:
                    facts = json.load(answer)
            except (OSError, ValueError):
                return False
            return all(facts[part]["status"] == "healthy" for part in ("scheduler", "metadatabase"))

        self.wait(healthy, START, "Airflow isn't healthy")

    def wait(self, ready: Callable[[], Any], seconds: float, otherwise: str) -> Any:
        """Look until ``ready`` gives something true, and return that."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = ready()
            if found:
                return found
            time.sleep(0.5)
        logs = "\n".join(f"--- {server.log.stem}\n{server.tail(1500)}" for server in self.servers)
        raise TimeoutError(f"{otherwise} after {seconds:g} seconds\n{logs}")

    def wait_dag(self, dag_id: str, seconds: float = 90.0) -> dict[str, Any]:
        """Wait until a DAG is shown; an import error ends the wait."""

        def shown() -> dict[str, Any] | None:
            dag = self.api.find_dag(dag_id)
            # files of other folders are of other tests
            errors = [
                error for error in self.api.import_errors() if Path(error["filename"]).parent.name == self.dags.name
            ]
            if dag is None and errors:
                raise RuntimeError(errors[0]["stack_trace"])
            return dag

        found: dict[str, Any] = self.wait(shown, seconds, f"DAG {dag_id} isn't shown")
        return found

    def wait_run(self, dag_id: str, run_id: str, seconds: float = 300.0) -> str:
        """Wait until a run has ended, and return its state."""

        def ended() -> str | None:
            state = (self.api.dag_run(dag_id, run_id) or {}).get("state")
            return state if state in ("success", "failed") else None

        return str(self.wait(ended, seconds, f"run {run_id} of {dag_id} hasn't ended"))
