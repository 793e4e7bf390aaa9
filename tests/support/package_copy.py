"""A copy of the package to which a test adds a decorator as a contributor would: one file and one line."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import flow_sdk

__all__ = ["PackageCopy"]


class PackageCopy:
    """A folder with a copy of ``flow_sdk``, in which programs run.

    Parameters
    ----------
    folder : Path
        An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(flow_sdk.__file__).parent, folder / "flow_sdk", ignore=ignored)

    def add_decorator(self, name: str, source: str) -> None:
        """Add a decorator: the file with its source, and a line to the table of public names."""
        (self.folder / "flow_sdk" / "authoring" / "decorators" / f"{name}.py").write_text(source)
        with (self.folder / "flow_sdk" / "public_names.py").open("a") as table:
            table.write(f"from flow_sdk.authoring.decorators.{name} import {name} as {name}\n")

    def run(self, *words: str, fails: bool = False) -> str:
        """Run a program of the folder with Python; returns its output, or what a failing one writes as errors."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={
                "PYTHONPATH": str(self.folder),
                "HOME": str(self.folder),
                "PATH": os.environ["PATH"],
                "FLOW_SDK_USER": "anne",
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout
