"""Flows whose modules make things when they are imported, and how they are run."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from flow_sdk.client import Run, metadata, namespace

__all__ = ["ISOLATIONS", "Folder", "data_of"]

ISOLATIONS = ("fork", "spawn")


class Folder:
    """A folder with a flow file, modules beside it, and packages that count as installed.

    Parameters
    ----------
    path : Path
        Where to make it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.installed = path / "lib" / "site-packages"
        self.installed.mkdir(parents=True)
        self.store = path / "store"

    def write(self, name: str, text: str) -> Path:
        """Write a file below the folder."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def install(self, name: str, text: str) -> None:
        """Write a module that counts as installed."""
        self.write(f"lib/site-packages/{name}", text)

    def run(
        self, *words: str, flow: str = "flow.py", python: tuple[str, ...] = (), **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run the flow file in the folder; ``run`` is called where no words are given."""
        path = os.pathsep.join(filter(None, (str(self.installed), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "FLOW_SDK_USER": "t", "PYTHONPATH": path, **variables}
        general = ["--datastore-root", str(self.store)]
        return subprocess.run(
            [sys.executable, *python, flow, *general, *(words or ("run",))],
            cwd=self.path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def run_well(self, *words: str, **how: Any) -> "subprocess.CompletedProcess[str]":
        """Run it, and see that it succeeds."""
        done = self.run(*words, **how)
        assert done.returncode == 0, done.stdout + done.stderr
        return done


def data_of(folder: Folder, pathspec: str) -> Any:
    """Give a run by its pathspec."""
    metadata(str(folder.store))
    namespace(None)
    return Run(pathspec)
