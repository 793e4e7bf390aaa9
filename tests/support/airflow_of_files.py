"""As much of Airflow 3's REST API as the deploy target needs, over DAG files in a folder."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.airflow_web_server import Reply, airflow3, data

__all__ = ["AirflowOfFiles"]


class AirflowOfFiles:
    """Airflow, which shows a DAG as soon as its file is in the folder, and whose runs stay in the queue."""

    def __init__(self, dags: Path) -> None:
        self.dags = dags
        self.runs: dict[str, dict[str, Any]] = {}
        self.variables: dict[str, Any] = {}
        self.answers = airflow3(self.answer)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply | None:
        """Answer a request; None for those of logins and versions."""
        parts = urlsplit(path)
        words = [unquote(word) for word in parts.path.split("/")[3:]]
        if not path.startswith("/api/v2/") or words == ["version"]:
            return None
        given = json.loads(body) if body else {}
        if words[0] == "variables":
            return self._variable(method, words[1] if len(words) > 1 else given["key"], given)
        if words[0] == "importErrors":
            return data({"import_errors": [], "total_entries": 0})
        if words == ["dags"]:
            return data({"dags": [], "total_entries": 0})
        file = self.dags / f"{words[1]}.py"
        if words[2:] == ["details"]:
            return self._dag(words[1], file)
        if words[2:3] == ["dagRuns"]:
            return self._run(method, words, given, parse_qs(parts.query)) if file.exists() else data({}, 404)
        return data({}, 404)

    def _dag(self, name: str, file: Path) -> Reply:
        if not file.exists():
            return data({"detail": "no such DAG"}, 404)
        digest = re.search(r'"digest": \'(\w+)\'', file.read_text())
        return data({"dag_id": name, "fileloc": str(file), "is_paused": False, "doc_md": digest and digest[1]})

    def _variable(self, method: str, key: str, given: dict[str, Any]) -> Reply:
        if method in ("POST", "PATCH"):
            self.variables[key] = given
            return data(given)
        found = self.variables.pop(key, None) if method == "DELETE" else self.variables.get(key)
        return data({} if found is None else found, 404 if found is None else 200)

    def _run(self, method: str, words: list[str], given: dict[str, Any], query: dict[str, list[str]]) -> Reply:
        if words[4:] == ["taskInstances"]:
            return data({"task_instances": [], "total_entries": 0})
        if method == "POST":
            name = given.get("dag_run_id") or f"manual__{len(self.runs)}"
            if name in self.runs:
                return data({"detail": "exists"}, 409)
            run = {"dag_run_id": name, "state": "queued", "conf": given["conf"], "run_type": "manual"}
            self.runs[name] = {**run, "start_date": None, "end_date": None}
            return data(run)
        if len(words) > 3:
            found = self.runs.get(words[3])
            if found is None:
                return data({"detail": "no such run"}, 404)
            if method == "PATCH":
                found |= {"state": given["state"], "end_date": "2026-01-31T10:01:00Z"}
            return data(found)
        states = query.get("state", [])
        runs = [run for run in reversed(self.runs.values()) if not states or run["state"] in states]
        return data({"dag_runs": runs, "total_entries": len(runs)})
