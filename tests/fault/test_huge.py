"""Artifacts of more than 4 GiB, which no 32 bits count: in a folder and in S3."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.disk_s3 import DiskS3

SIZE = (4 << 30) + 1
SPARE = 700 << 20
"""Bytes that saving and loading may take beside the artifact."""

PROGRAM = """
import json, random, resource, sys, time
import numpy as np
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.model import ArtifactRef

doing, root, kind, size, *ref = sys.argv[1:]
artifacts = Artifacts(open_store(root))
# Nothing in it is repeated within reach of a compressor.
block, size = random.Random(11).randbytes(64 << 20), int(size)
rest = size % len(block) - 1
if doing == "save":
    value = b"".join([block] * (size // len(block)) + [block[:rest], b"end"[-1:]])
    if kind == "ndarray":
        value = np.frombuffer(value, dtype=np.uint8)
    begin = time.monotonic()
    saved = artifacts.save(value, where="it")
    told = [saved.hash, saved.size, saved.codec, saved.type]
else:
    begin = time.monotonic()
    value = artifacts.load(ArtifactRef(ref[0], int(ref[1]), *ref[2:]), where="it")
    view = memoryview(value)
    whole = all(view[at : at + len(block)] == block for at in range(0, size - rest - 1, len(block)))
    told = [type(value).__name__, len(view), whole, bytes(view[size - rest - 1 :]) == block[:rest] + b"d"]
print(json.dumps([told, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, time.monotonic() - begin]))
"""


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "store").mkdir()
    if request.param == "folder":
        yield str(tmp_path / "store")
        return
    with DiskS3(tmp_path / "store") as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        yield "s3://huge/store"


def call(*words: str) -> tuple[list[Any], int]:
    """Save or load in a process of its own; what it has to tell, and how much memory it took."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told, memory, seconds = json.loads(done.stdout)
    print(f"{words[:3]}: {seconds:.0f} s, {memory / 1e6:,.0f} MB")
    return told, memory


@pytest.mark.every_fault
@pytest.mark.parametrize("kind", ["bytes", "ndarray"])
def test_more_than_4_gib(root: str, kind: str) -> None:
    ref, saving = call("save", root, kind, str(SIZE))
    told, loading = call("load", root, kind, str(SIZE), *map(str, ref))
    assert told == [kind, SIZE, True, True]
    assert saving < SIZE + SPARE
    # An array is what was read, bytes are a copy of it.
    assert loading < SIZE * (2 if kind == "bytes" else 1) + SPARE
