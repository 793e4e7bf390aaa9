"""What modules make when they are imported is each task's own, as in an interpreter of its own."""

import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.fresh_flows import ISOLATIONS, Folder, data_of

VALUES = """
import random, secrets, tempfile, uuid
import numpy as np

GENERATOR, NUMPY = random.Random(), np.random.default_rng()
OLD = np.random.RandomState()
NAME, TOKEN = uuid.uuid4().hex, secrets.token_hex(8)
DRAWN = (random.random(), float(np.random.random()))
FOLDER = tempfile.TemporaryDirectory()


def drawn():
    return {
        "module generator": GENERATOR.random(),
        "module NumPy generator": float(NUMPY.random()),
        "old NumPy generator": float(OLD.random()),
        "uuid": NAME,
        "token": TOKEN,
        "drawn at import": DRAWN[0],
        "drawn from NumPy at import": DRAWN[1],
        "folder": FOLDER.name,
    }
"""

DRAWING = """
import random, uuid
import numpy as np
from flow_sdk import FlowSpec, step
import packaged
import beside
{own}


class Draws(FlowSpec):
    @step
    def start(self):
        self.items = list(range(4))
        self.next(self.draw, foreach="items")

    @step
    def draw(self):
        self.values = {{
            **{{f"file: {{name}}": value for name, value in drawn().items()}},
            **{{f"helper: {{name}}": value for name, value in beside.drawn().items()}},
            **{{f"installed: {{name}}": value for name, value in packaged.drawn().items()}},
            "global": random.random(),
            "global of NumPy": float(np.random.random()),
            "uuid in the step": uuid.uuid4().hex,
        }}
        self.next(self.join)

    @step
    def join(self, inputs):
        self.all = [task.values for task in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Draws()
"""


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_every_task_has_values_of_its_own(tmp_path: Path, isolation: str) -> None:
    folder = Folder(tmp_path)
    folder.write("flow.py", DRAWING.format(own=VALUES))
    folder.write("beside.py", VALUES)
    folder.install("packaged.py", VALUES)
    done = folder.run_well("run", "--isolation", isolation)
    values = data_of(folder, "Draws/1")["join"].task.data.all
    same = {name for name in values[0] if len({task[name] for task in values}) != 4}
    assert not same, f"not each task's own: {same}"
    notes = re.findall("Each task imports (.*?) by itself, as importing it draws", done.stderr)
    assert notes == (["packaged"] if isolation == "fork" else [])


SEEDED = """
import random
import numpy as np
from flow_sdk import FlowSpec, step
import beside
{imports}


class Seeded(FlowSpec):
    @step
    def start(self):
        self.drawn = (random.random(), float(np.random.random()))
        self.next(self.end)

    @step
    def end(self):
        self.again = (random.random(), float(np.random.random()))


if __name__ == "__main__":
    Seeded()
"""

SEEDS = "import random\nimport numpy as np\ndef settle(n):\n    random.seed(n)\n    np.random.seed(n)\nsettle(7)\n"


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("where", ["beside", "packaged"])
def test_a_seed_that_a_module_sets_is_every_tasks(tmp_path: Path, where: str, isolation: str) -> None:
    import random

    folder = Folder(tmp_path)
    folder.write("flow.py", SEEDED.format(imports="import packaged"))
    folder.write("beside.py", SEEDS if where == "beside" else "")
    folder.install("packaged.py", SEEDS if where == "packaged" else "")
    folder.run_well("run", "--isolation", isolation)
    run = data_of(folder, "Seeded/1")
    assert run["start"].task.data.drawn == run["end"].task.data.again
    assert run["start"].task.data.drawn[0] == random.Random(7).random()


LIVING = """
import logging, logging.handlers, os, queue, socket, sqlite3, sys, threading
from concurrent.futures import ThreadPoolExecutor

LOCK = threading.Lock()
RECORDS = queue.Queue()
LISTENER = logging.handlers.QueueListener(RECORDS, logging.StreamHandler(sys.stdout))
LISTENER.start()
LOG = logging.getLogger("living")
LOG.addHandler(logging.handlers.QueueHandler(RECORDS))
POOL = ThreadPoolExecutor(2)
DOUBLED = list(POOL.map(lambda n: 2 * n, range(3)))
TICKS = []
TICKING = threading.Event()


def tick():
    TICKS.append(os.getpid())
    TICKING.set()


threading.Thread(target=tick, daemon=True).start()
ROWS = open("rows.txt")
HEADER = ROWS.readline()
DATABASE = sqlite3.connect("numbers.db", check_same_thread=False)
COUNT = DATABASE.execute("select count(*) from numbers").fetchone()[0]
CONNECTION = socket.create_connection(("127.0.0.1", int(os.environ["ECHO_PORT"])))


def use(number):
    assert TICKING.wait(10) and TICKS == [os.getpid()]
    with LOCK:
        LOG.warning("logged %s", number)
    CONNECTION.sendall(b"%d\\n" % number)
    answer = int(CONNECTION.makefile().readline())
    doubled = list(POOL.map(lambda n: 2 * n, [number]))
    total = DATABASE.execute("select sum(n) from numbers").fetchone()[0]
    LISTENER.stop()
    return answer, doubled, total, sum(1 for _ in ROWS)
"""

USING = """
from flow_sdk import FlowSpec, step
{own}


class Living(FlowSpec):
    @step
    def start(self):
        self.items = list(range(5))
        self.next(self.use, foreach="items")

    @step
    def use(self):
        self.found = use(self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.all = [task.found for task in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Living()
"""


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it is sent, by connection; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(connection: socket.socket) -> None:
            with connection:
                while data := connection.recv(100):
                    connection.sendall(data)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("where", ["file", "beside", "packaged"])
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_threads_files_and_connections_work_in_every_task(
    tmp_path: Path, echo: int, isolation: str, where: str
) -> None:
    folder = Folder(tmp_path)
    folder.write("flow.py", USING.format(own=LIVING if where == "file" else f"from {where} import use"))
    folder.write("beside.py", LIVING)
    folder.install("packaged.py", LIVING)
    folder.write("rows.txt", "header\n" + "row\n" * 5000)
    make = "import sqlite3; c = sqlite3.connect('numbers.db'); c.execute('create table numbers(n)')"
    folder.write("make.py", f"{make}; c.executemany('insert into numbers values(?)', [(1,), (2,)]); c.commit()")
    import subprocess
    import sys

    subprocess.run([sys.executable, "make.py"], cwd=tmp_path, check=True)
    done = folder.run_well("run", "--isolation", isolation, ECHO_PORT=str(echo))
    run = data_of(folder, "Living/1")
    assert run["join"].task.data.all == [(n, [2 * n], 3, 5000) for n in range(5)]
    assert [task.stdout for task in run["use"]] == [f"logged {n}\n" for n in range(5)]
    forked = isolation == "fork" and where == "packaged"
    assert ("Each task imports packaged by itself, as importing it starts a thread." in done.stderr) == forked


LIBRARIES = """
import sys
import numpy as np
import polars as pl
from flow_sdk import FlowSpec, step
from sklearn.ensemble import HistGradientBoostingClassifier

PRICES = pl.DataFrame({"shop": [i % 9 for i in range(90_000)], "price": range(90_000)})
MEANS = PRICES.group_by("shop").agg(pl.col("price").mean())
X = np.arange(8_000.0).reshape(2_000, 4)
Y = (X[:, 0] > 4_000).astype(int)
BASELINE = HistGradientBoostingClassifier(max_iter=3).fit(X, Y)
PRODUCT = float((X.T @ X).sum())


class Libraries(FlowSpec):
    @step
    def start(self):
        self.items = [1, 2]
        self.next(self.use, foreach="items")

    @step
    def use(self):
        self.rows = PRICES.group_by("shop").agg(pl.col("price").max()).join(MEANS, on="shop").height
        model = HistGradientBoostingClassifier(max_iter=3).fit(X, Y)
        self.gain = float(model.score(X, Y) - BASELINE.score(X, Y))
        self.same = float((X.T @ X).sum()) == PRODUCT
        self.next(self.join)

    @step
    def join(self, inputs):
        self.all = [(task.rows, task.gain, task.same) for task in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Libraries()
"""


def test_libraries_with_threads_of_their_own_work_in_forked_tasks(tmp_path: Path) -> None:
    """polars has its threads, scikit-learn those of OpenMP, NumPy those of OpenBLAS."""
    folder = Folder(tmp_path)
    folder.write("flow.py", LIBRARIES)
    done = folder.run_well()
    assert data_of(folder, "Libraries/1")["join"].task.data.all == [(9, 0.0, True)] * 2
    assert re.findall("Each task imports (.*?) by itself", done.stderr) == ["polars"]  # its threads begin at import
