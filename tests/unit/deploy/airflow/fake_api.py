"""An Airflow that holds what a test puts into it: enough of the client for the code that waits."""

from typing import Any


class FakeApi:
    """Shows one DAG's documentation and one import error, each look being a step of a script."""

    url = "http://airflow"

    def __init__(self, *looks: tuple[str | None, dict[str, Any] | None] | Exception) -> None:
        self.looks = list(looks)

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        if isinstance(self.looks[0], Exception):
            raise self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        text = self.looks[0][0]
        return None if text is None else {"doc_md": text}

    def import_errors(self) -> list[dict[str, Any]]:
        look = self.looks[0]
        error = None if isinstance(look, Exception) else look[1]
        if len(self.looks) > 1:
            self.looks.pop(0)
        return [{"filename": "/other/x.py", "stack_trace": "other", "timestamp": 0}, *([error] if error else [])]
