"""The previous release, from its archive: a process gets its SDK, its provider, or both, by PYTHONPATH."""

import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.airflow_runs import clean_environment

__all__ = ["FLOW_SOURCE", "Installation", "ReleaseTrees", "extract_release"]

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE = ROOT / "tests" / "integration" / "earlier_release" / "release-0.1.0.tar.xz"

FLOW_SOURCE = """
import os
from dataclasses import dataclass

from flow_sdk import FlowSpec, Parameter, catch, current, retry, step


@dataclass
class Thing:
    word: str


class ReleasesFlow(FlowSpec):
    rows = Parameter("rows", default=2)

    @step
    def start(self):
        self.parts = [Thing("abc"[row]) for row in range(self.rows)]
        self.next(self.work, foreach="parts")

    @retry(times=1, minutes_between_retries=0)
    @step
    def work(self):
        print("working on", self.input.word, flush=True)
        if self.input.word == "b" and current.retry_count == 0:
            raise ValueError("the first try fails")
        self.word = self.input.word * 2
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.words = [one.word for one in inputs]
        self.count = 0
        self.next(self.again)

    @step
    def again(self):
        self.count += 1
        self.more = self.count < 2
        self.next({True: self.again, False: self.choose}, condition="more")

    @step
    def choose(self):
        self.way = "left"
        self.next({"left": self.left, "right": self.right}, condition="way")

    @catch(var="failure")
    @step
    def left(self):
        1 / 0
        self.next(self.end)

    @step
    def right(self):
        raise AssertionError("not chosen")
        self.next(self.end)

    @step
    def end(self):
        if "STOP" in os.environ:
            raise ValueError("not yet")
        self.made = [self.words, self.count, self.failure.type]


if __name__ == "__main__":
    ReleasesFlow()
"""
"""A flow of every shape. With two rows its artifact ``made`` is ``[["aa", "bb"], 2, "builtins.ZeroDivisionError"]``."""


@dataclass(frozen=True)
class ReleaseTrees:
    """Folders for PYTHONPATH, by what is in them.

    Parameters
    ----------
    folder : Path
        Where the archive was extracted.
    """

    folder: Path

    def python_path(self, *, sdk: str, provider: str) -> str:
        """Return the PYTHONPATH of an installation.

        Parameters
        ----------
        sdk, provider : {"previous", "present"}
            The release of each.
        """
        sdks = {"previous": self.folder / "sdk", "present": ROOT}
        providers = {"previous": self.folder / "provider", "present": ROOT / "provider" / "src"}
        return os.pathsep.join((str(sdks[sdk]), str(providers[provider])))


@dataclass(frozen=True)
class Installation:
    """An SDK of one release and a provider of the same or another one, in which commands are called.

    Parameters
    ----------
    trees : ReleaseTrees
        Where both releases are.
    home : Path
        Home of its user, and where commands are called.
    sdk, provider : {"previous", "present"}
        The releases.
    more : dict of str to str
        More environment variables.
    """

    trees: ReleaseTrees
    home: Path
    sdk: str
    provider: str
    more: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """The environment of its processes."""
        env = clean_environment(self.home, FLOW_SDK_HOME=str(self.home / "flow-sdk"), **self.more)
        return {**env, "PYTHONPATH": self.trees.python_path(sdk=self.sdk, provider=self.provider)}

    def call(self, *words: str, fails: bool = False, **more: str) -> subprocess.CompletedProcess[str]:
        """Call Python there; that it ends well, or fails, is checked."""
        env = {**self.env, **more}
        done = subprocess.run(
            [sys.executable, *words], cwd=self.home, env=env, capture_output=True, text=True, timeout=300
        )
        assert (done.returncode != 0) is fails, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done


def extract_release(folder: Path) -> ReleaseTrees:
    """Extract the previous release, and check that processes get what they are meant to get."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    trees = ReleaseTrees(folder)
    code = "import flow_sdk, importlib.util as u; print(flow_sdk.__file__); print(u.find_spec('flow_provider').origin)"
    for sdk in ("previous", "present"):
        for provider in ("previous", "present"):
            found = Installation(trees, folder / "home", sdk, provider).call("-c", code).stdout.split()
            assert [str(folder) in path for path in found] == [sdk == "previous", provider == "previous"], found
    return trees
