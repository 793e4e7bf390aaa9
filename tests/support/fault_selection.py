"""How much the fault tests play, how a seed is played again, and the one line at the end that says what they did.

A plugin of the whole suite: a test plays seeds by one of three fixtures, and where it fails, the seed is said.
"""

import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import pytest

from tests.support.fault_counts import TOTALS, Totals, count

SHARE, FEW = 9, 6
"""One fault of how many is injected, and how many are few enough to inject all."""
EVERY = 10
"""How many times the usual number of seeds ``--every-fault`` plays."""
_SEEDS: dict[str, Any] = {"at_once": 1, "of": 1, "most": None}
PLAYING = pytest.StashKey[int | None]()
T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-fault", action="store_true", help="inject all faults of the fault tests, not a share")
    parser.addoption("--share", type=int, help="inject this share of the faults (default: by the date)")
    parser.addoption("--kills", type=int, help="how many runs to kill at a random moment (default: a share of 20)")
    parser.addoption("--replay", type=int, help="play only this seed of the seeded tests")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "seeds(usual, at_once=1, of=1, most=None): plays so many seeds, as argument seed or part; "
        "of: one of so many is played each day; most: the option that asks for another number",
    )
    config.addinivalue_line("markers", "every_fault: too large for each day; --every-fault runs it")
    config.addinivalue_line("markers", "one_of(n): one in n of a function's tests is run each day; n: prime to SHARE")
    if config.getoption("--share") is None:
        config.option.share = _of_today()


def _of_today() -> int:
    """Return the number of the day (UTC): each share, and each case of those that take turns, has its day."""
    return int(time.time() // 86400)


def pytest_report_header(config: pytest.Config) -> str:
    if config.getoption("--every-fault"):
        return "faults: all"
    return f"faults: share {config.getoption('--share') % SHARE} of {SHARE} (the same again: {_again(config)})"


@pytest.hookimpl(tryfirst=True)  # whose turn it is is told by all tests of a function, also those of another part
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as such, what only ``--every-fault`` runs, or another day."""
    left_out = [item for item in items if item.get_closest_marker("every_fault")]
    places: Counter[str] = Counter()
    for item in items:
        marker = item.get_closest_marker("one_of")
        if marker is not None:
            function = item.nodeid.partition("[")[0]
            if (places[function] + config.getoption("--share")) % marker.args[0]:
                left_out.append(item)
            places[function] += 1
    if left_out and not config.getoption("--every-fault"):
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _again(config: pytest.Config) -> str:
    every = config.getoption("--every-fault")
    return "--every-fault" if every else f"--share {config.getoption('--share')}"


class Seeds(Iterable[int]):
    """Seeds that a test plays one after the other; it is known at which of them it fails."""

    def __init__(self, node: pytest.Item, seeds: Sequence[int]) -> None:
        self._node, self._seeds = node, seeds

    def __iter__(self) -> Iterator[int]:
        for seed in self._seeds:
            self._node.stash[PLAYING] = seed
            yield seed
        self._node.stash[PLAYING] = None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("seeds")
    if marker is None:
        return
    config, (usual,) = metafunc.config, marker.args
    at_once, of, most = (marker.kwargs.get(name, default) for name, default in _SEEDS.items())
    replay, every = config.getoption("--replay"), config.getoption("--every-fault")
    asked = most and config.getoption(most)
    total = asked or (EVERY * usual if every and not most else usual)
    taken = slice(None) if every or asked else slice(config.getoption("--share") % of, None, of)
    if at_once == 1:
        metafunc.parametrize("seed", range(total)[taken] if replay is None else [replay], indirect=True)
        return
    parts = [range(at, min(at + at_once, total)) for at in range(0, total, at_once)]
    if replay is not None:
        parts, taken = [range(replay, replay + 1)], slice(None)
    ids = [f"{part.start}-{part.stop - 1}" for part in parts]
    metafunc.parametrize("part", [part[taken] for part in parts], ids=ids, indirect=True)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """One seed; ``@pytest.mark.seeds`` says how many tests there are."""
    request.node.stash[PLAYING] = request.param
    return int(request.param)


@pytest.fixture
def part(request: pytest.FixtureRequest) -> Seeds:
    """Some of the seeds that ``@pytest.mark.seeds`` asks for, ``at_once`` in one test."""
    return Seeds(request.node, request.param)


@pytest.fixture
def seeds(request: pytest.FixtureRequest) -> Callable[[int], Seeds]:
    """The seeds to play where so many are the usual ones."""
    given = request.config.getoption
    replay, every, asked = given("--replay"), given("--every-fault"), given("--seeds")

    def play(usual: int) -> Seeds:
        total = asked or (EVERY * usual if every else usual)
        return Seeds(request.node, range(total) if replay is None else [replay])

    return play


@pytest.fixture
def share(request: pytest.FixtureRequest) -> Callable[[Sequence[T]], Sequence[T]]:
    """Takes the share of a list of faults that this run of the suite has time for; ``--every-fault`` takes all."""
    if request.config.getoption("--every-fault"):
        return lambda faults: faults
    first = (zlib.crc32(request.node.name.encode()) + request.config.getoption("--share")) % SHARE
    return lambda faults: faults if len(faults) <= FEW else faults[first::SHARE]


def _counts(item: pytest.Item) -> bool:
    """Tell whether a test is of a file that counts seeds or faults."""
    module = getattr(item, "module", None)
    return any(getattr(value, "__module__", None) == count.__module__ for value in vars(module or object).values())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment,misc]
    if report.failed:
        TOTALS.violations += _counts(item)
        again = f"{item.path}::{getattr(item, 'originalname', item.name)}"
        if item.stash.get(PLAYING, None) is not None:
            again += f" --replay {item.stash[PLAYING]}"
        if "share" in getattr(item, "fixturenames", ()) or item.get_closest_marker("one_of"):
            again += f" {_again(item.config)}"
        if "--" in again:
            report.sections.append(("To play it again", f"python -m pytest {again}"))
    return report  # type: ignore[return-value]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if Totals() != TOTALS:
        terminalreporter.write_line(TOTALS.line())
