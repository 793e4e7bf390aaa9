"""A throw-away PostgreSQL for Airflow. Works for root, too."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.guardian import guard_process
from tests.support.ports import free_port

__all__ = ["Postgres", "postgres_programs"]

FASTER = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200")


def postgres_programs() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``, of the newest release installed; None when there is none."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return installed[-1].parent if installed else None


class Postgres:
    """A PostgreSQL server on loopback, with a folder of its own; a context manager.

    Root starts it as the user ``postgres``, for whom pytest's own temporary folders are closed.
    """

    def __init__(self) -> None:
        programs = postgres_programs()
        if programs is None:
            raise FileNotFoundError("PostgreSQL isn't installed (Debian: apt-get install postgresql)")
        self.programs = programs
        self.port = free_port()

    def _run(self, *command: str | Path) -> None:
        with open(self.folder / "commands.log", "ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, **self.as_user)

    def __enter__(self) -> "Postgres":
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.as_user = {"user": "postgres", "group": user.pw_gid, "extra_groups": [], "cwd": str(self.folder)}
        try:
            self._start()
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        return self

    def _start(self) -> None:
        data = self.folder / "data"
        self._run(
            self.programs / "initdb",
            "-D",
            data,
            "-U",
            "airflow",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        )
        options = ["-p", str(self.port), "-k", str(self.folder), "-c", "listen_addresses=127.0.0.1"]
        for setting in FASTER:
            options += ["-c", setting]
        self._run(
            self.programs / "pg_ctl",
            "-D",
            data,
            "-w",
            "-l",
            self.folder / "server.log",
            "-o",
            " ".join(options),
            "start",
        )
        guard_process(self._server())

    def _server(self) -> int:
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def __exit__(self, *_: object) -> None:
        server = self._server()
        os.kill(server, signal.SIGQUIT)
        deadline = time.monotonic() + 10
        while os.path.exists(f"/proc/{server}") and time.monotonic() < deadline:
            time.sleep(0.05)
        shutil.rmtree(self.folder, ignore_errors=True)

    def create(self, name: str) -> str:
        """Make a database and return its SQLAlchemy URL."""
        self._run(self.programs / "createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "airflow", name)
        return f"postgresql+psycopg2://airflow@127.0.0.1:{self.port}/{name}"
