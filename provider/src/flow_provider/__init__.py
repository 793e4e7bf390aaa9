"""Runs flows of Flow SDK on Apache Airflow.

A deployed DAG file calls :func:`load_dags` on its plan. Importing this package alone imports nothing of Airflow.
"""

from typing import Any

__all__ = ["load_dags"]


def __getattr__(name: str) -> Any:
    if name == "load_dags":
        from flow_provider.loader import load_dags

        return load_dags
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
