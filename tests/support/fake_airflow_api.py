"""An Airflow that holds what a test puts into it: enough of the client for the code that waits, and for claims."""

import urllib.parse
from typing import Any

from flow_sdk.deploy.claims import Claim


class FakeApi:
    """Shows one DAG's documentation and one import error, each look being a step of a script."""

    url = "http://airflow"

    def __init__(self, *looks: tuple[str | None, dict[str, Any] | None] | Exception) -> None:
        self.looks = list(looks)

    def find_dag(self, dag_id: str) -> dict[str, Any] | None:
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


class MaskingApi:
    """Airflow's variables as 3.3 shows them: the value of a key with "token" in it is masked."""

    url = "http://airflow"

    def __init__(self) -> None:
        self.variables: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.quicker: Claim | None = None
        self.status: int | None = None

    def send_request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        self.asked.append(method)
        if self.status is not None:
            return self.status, {"detail": "no"}
        if method == "GET":
            found = self.variables.get(urllib.parse.unquote(path.removeprefix("/variables/")))
            return (404, {"detail": "no such Variable"}) if found is None else (200, {**found, "value": "***"})
        if method == "DELETE":
            found = self.variables.pop(urllib.parse.unquote(path.removeprefix("/variables/")), None)
            return (404, {"detail": "no such Variable"}) if found is None else (204, None)
        if method == "POST" and body["key"] in self.variables:
            return 409, {"detail": "exists"}
        self.variables[body["key"]] = dict(body)
        if self.quicker is not None:
            text = self.quicker.to_json()
            self.variables[body["key"]] = {"key": body["key"], "value": text, "description": text}
        return 201, body
