"""The parts in which ``make test`` runs the tests beside each other. Each is an expression of pytest's ``-m``.

Parts that wait for servers run beside those that compute. Which part a test is of, its markers decide: ``airflow3`` and
``airflow2`` are set on tests, ``aws`` and ``kubernetes`` in files, ``processes`` by folder (tests/conftest.py).
"""

__all__ = ["LINES", "PARTS"]

LINES = ("airflow3", "airflow2")
"""Markers of tests on a line of Airflow."""

_ORDER = (*LINES, "aws", "kubernetes", "processes")
"""Markers that decide, the first one that a test has: tests of one kind share an Airflow, a LocalStack or a cluster."""

PARTS = {
    marker: " and ".join((marker, *(f"not {other}" for other in _ORDER[:number])))
    for number, marker in enumerate(_ORDER)
} | {"rest": " and ".join(f"not {marker}" for marker in _ORDER)}
"""For each part the expression that chooses its tests; each test is of exactly one."""
