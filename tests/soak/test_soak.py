"""The soak finds what grows; an hour of it is ``make test-soak``."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak.run_soak import run_soak
from tests.soak.samples import Sample, find_growth, measure, read_samples, write_sample


def samples(descriptors: list[int], resident: list[int]) -> list[Sample]:
    pairs = zip(descriptors, resident, strict=True)
    return [Sample(10.0 * number, count, 3, size) for number, (count, size) in enumerate(pairs)]


FLAT = [100_000_000] * 40


def test_what_stays_as_it_is_has_not_grown() -> None:
    assert find_growth(samples([9, 7] * 20, FLAT), 100, 60) == []
    assert find_growth(samples([7] * 40, [*[50_000_000] * 10, *[104_000_000] * 30]), 100, 60) == []


def test_descriptors_that_are_left_open_are_found() -> None:
    (found,) = find_growth(samples([7 + number // 10 for number in range(40)], FLAT), 100, 60)
    assert found == "open descriptors: 8 after the warm-up, 9 at the end"


def test_connections_that_are_left_open_are_found() -> None:
    grown = [Sample(10.0 * number, 7, 3 + number // 8, FLAT[0]) for number in range(40)]
    (found,) = find_growth(grown, 100, 60)
    assert found == "open sockets: 4 after the warm-up, 7 at the end"
    assert find_growth([replace(sample, sockets=min(sample.sockets, 6)) for sample in grown], 100, 60) == []


def test_memory_that_grows_is_found() -> None:
    (found,) = find_growth(samples([7] * 40, [100_000_000 + 400_000 * number for number in range(40)]), 100, 60)
    assert found.startswith("resident memory: 10")


@pytest.mark.parametrize("count", [0, 1, 15])
def test_too_few_samples_are_no_proof(count: int) -> None:
    (found,) = find_growth(samples([7] * count, FLAT[:count]), 100, 60)
    assert "too few" in found


def test_a_process_is_measured(tmp_path: Path) -> None:
    before = measure()
    with open(tmp_path / "open", "w"):
        assert measure().descriptors == before.descriptors + 1
    write_sample(tmp_path / "samples", before)
    assert read_samples(tmp_path / "samples") == [before]
    assert before.resident > 1_000_000


def test_all_processes_of_the_soak_work_under_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOAK_PAUSE", "0.1")
    found = run_soak(0.4, 2.0, 2.0, tmp_path)
    assert set(found) == {"driver", "fork server", "worker", "user"}
    wrong = [
        text for texts in found.values() for text in texts if "only 0 samples" in text or "ended by itself" in text
    ]
    assert not wrong and "no request was hit by a fault" not in found["driver"]
