"""One Airflow of a line for all tests that leave it as it was: starting one takes longer than most of them."""

import copy
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.conftest import interpreter
from tests.support.airflow import AirflowServer
from tests.support.airflow_runs import clean_environment
from tests.support.moto import MotoServer
from tests.support.postgres import Postgres, postgres_programs

__all__ = ["AirflowServers", "airflow_database", "only"]


@contextmanager
def only(env: dict[str, str]) -> Iterator[None]:
    """Replace this process's environment by another one, for a while."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def airflow_database() -> Iterator[str | None]:
    """PostgreSQL, as in production: on SQLite writers fail while another one writes, and 2.11 runs one task at a time.

    None, for SQLite, where it isn't installed.
    """
    if postgres_programs() is None:
        yield None
        return
    with Postgres() as server:
        yield server.create("airflow")


class AirflowServers:
    """Starts the Airflow of a line when it is first used, and ends it when that of another line is.

    Parameters
    ----------
    root : Path
        Where their homes are made.

    Attributes
    ----------
    s3 : MotoServer
        An S3 that runs as long as the server does.
    secret : str
        The password of the connection by which its tasks reach that S3; it stands nowhere else.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.s3 = MotoServer("airflow-tests")
        self.secret = "a-secret-that-stands-in-no-log"
        self._line = ""
        self._server: AirflowServer | None = None
        self._running = ExitStack()

    @contextmanager
    def use(self, line: str, name: str) -> Iterator[AirflowServer]:
        """The server of a line ("airflow3" or "airflow2"), with a DAGs folder that lasts as long as its use."""
        if self._server is None or line != self._line:
            self.end()
            self._line, self._server = line, self._start(line)
        own = copy.copy(self._server)
        own.dags = self._server.dags / name
        own.dags.mkdir()
        try:
            yield own
        finally:
            shutil.rmtree(own.dags)

    def _start(self, line: str) -> AirflowServer:
        python, home = interpreter(line), self.root / line
        assert python is not None
        self._running.enter_context(self.s3)
        keys = self.s3.env()
        extra = {"endpoint_url": self.s3.url, "region_name": keys["AWS_REGION"]}
        connection = {
            "conn_type": "aws",
            "login": keys["AWS_ACCESS_KEY_ID"],
            "password": self.secret,
            "extra": extra,
        }
        database = self._running.enter_context(airflow_database())
        there = {"AWS_EC2_METADATA_DISABLED": "true", "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection)}
        with only(clean_environment(home / "home")):
            server = AirflowServer(python, home / "airflow", database=database, env=there)
            return self._running.enter_context(server)

    def end(self) -> None:
        """End the server that runs."""
        self._server = None
        self._running.close()
