"""A small client of Airflow's REST API: 3.x with a token, 2.11 with a name and password."""

import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from typing import Any

from flow_sdk.errors import DeployError

__all__ = ["AirflowApi", "AirflowRefused"]

SECONDS = 30.0
"""How long one request may take."""

PAUSES = (0.5, 1.0, 2.0)
"""Seconds before a request is sent again after Airflow said that it failed (5xx), as when its database was busy."""

REPEATABLE = ("GET", "PATCH", "DELETE")
"""Methods that come to the same when they are sent twice."""


class AirflowRefused(DeployError):
    """Airflow answered with an error.

    Parameters
    ----------
    headline, seen, where
        As for every error.
    status : int
        The HTTP status (400 to 599).
    """

    def __init__(self, headline: str, *, status: int, seen: str | None = None, where: str | None = None) -> None:
        super().__init__(headline, seen=seen, where=where)
        self.status = status


class AirflowApi:
    """One Airflow, by the address of its web server.

    Parameters
    ----------
    url : str
        Such as ``http://localhost:8080``. Name and password in it are taken out, and ask where none are given.
    user, password : str
        Who asks.
    token : str, optional
        A bearer token in their place (3.x).
    """

    def __init__(self, url: str, user: str = "", password: str = "", *, token: str | None = None) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise DeployError("This isn't the address of an Airflow.", seen=url, wanted="http://... or https://...")
        who, _, place = parts.netloc.rpartition("@")
        if who and not user:
            user, password = map(urllib.parse.unquote, who.partition(":")[::2])
        self.url = parts._replace(netloc=place).geturl().rstrip("/")
        self._user, self._password, self._token = user, password, token
        self._line: int | None = None

    @property
    def line(self) -> int:
        """2 or 3: which line of Airflow it is."""
        if self._line is None:
            status, _ = self._send("GET", f"{self.url}/api/v2/version", None, {})
            self._line = 3 if status == 200 else 2
        return self._line

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send one request.

        Parameters
        ----------
        method : str
            ``GET``, ``POST``, ...
        path : str
            Below ``/api/v2`` or ``/api/v1``, beginning with ``/``; names in it quoted.
        body : JSON value, optional
            What is sent.

        Returns
        -------
        (int, JSON value)
            Status and answer. A refused login raises DeployError, as does an Airflow that doesn't answer. A 5xx of
            `REPEATABLE` methods is the answer only when it stays after `PAUSES`.
        """
        root = f"{self.url}/api/v{2 if self.line == 3 else 1}"
        status, answer = self._send(method, root + path, body, self._authorization())
        for pause in PAUSES if method in REPEATABLE else ():
            if status < 500:
                break
            time.sleep(pause)
            status, answer = self._send(method, root + path, body, self._authorization())
        if status in (401, 403):
            raise DeployError(
                f"Airflow refused the login (HTTP {status}).", where=self.url, help="Check the user and password."
            )
        return status, answer

    def _authorization(self) -> dict[str, str]:
        if self.line == 2:
            plain = base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
            return {"Authorization": f"Basic {plain}"}
        if self._token is None:
            login = {"username": self._user, "password": self._password}
            status, answer = self._send("POST", f"{self.url}/auth/token", login, {})
            if status not in (200, 201):
                raise DeployError(
                    f"Airflow refused the login (HTTP {status}).", where=self.url, help="Check the user and password."
                )
            self._token = answer["access_token"]
        return {"Authorization": f"Bearer {self._token}"}

    def _send(self, method: str, url: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode("utf-8")
        headers = {"Accept": "application/json", **headers}
        if data is not None:
            headers["Content-Type"] = "application/json"  # 2.11 refuses it where nothing follows
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as response:
                return response.status, _json(response.read())
        except urllib.error.HTTPError as error:
            return error.code, _json(error.read())
        except OSError as error:
            raise DeployError("Airflow doesn't answer.", seen=str(error), where=self.url) from error

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """Details of a DAG (``doc_md``, ``is_paused`` among them); None when Airflow doesn't know it (yet)."""
        status, answer = self.request("GET", f"/dags/{_quote(dag_id)}/details")
        return _found(status, answer, f"DAG {dag_id}")

    def import_errors(self) -> list[dict[str, Any]]:
        """All import errors: ``filename, stack_trace, timestamp`` each."""
        return list(self._pages("/importErrors", "import_errors"))

    def dag_ids(self, part: str) -> list[str]:
        """The ids of all DAGs whose id has that part, those whose file is gone among them."""
        given = {"dag_id_pattern": part, ("exclude_stale" if self.line == 3 else "only_active"): "false"}
        return [str(dag["dag_id"]) for dag in self._pages("/dags", "dags", given)]

    def pause(self, dag_id: str) -> bool:
        """Let no further run of a DAG start by itself; False when Airflow doesn't know it."""
        status, answer = self.request("PATCH", f"/dags/{_quote(dag_id)}?update_mask=is_paused", {"is_paused": True})
        return _found(status, answer, f"DAG {dag_id}", "pause") is not None

    def delete_dag(self, dag_id: str) -> bool:
        """Delete a DAG and the history of its runs from Airflow's database; False when Airflow doesn't know it.

        Raises
        ------
        DeployError
            If Airflow refuses, such as while tasks of it are running.
        """
        status, answer = self.request("DELETE", f"/dags/{_quote(dag_id)}")
        return status == 204 or _found(status, answer, f"DAG {dag_id}", "delete") is not None

    def trigger(self, dag_id: str, conf: dict[str, Any], run_id: str | None = None) -> str:
        """Start a run of a DAG and return its id.

        Raises
        ------
        DeployError
            If Airflow refuses, such as for a parameter of the wrong type; says why.
        """
        body: dict[str, Any] = {"conf": conf}
        if self.line == 3:
            body["logical_date"] = None
        if run_id is not None:
            body["dag_run_id"] = run_id
        status, answer = self.request("POST", f"/dags/{_quote(dag_id)}/dagRuns", body)
        if status not in (200, 201):
            raise DeployError(
                f"Airflow didn't start a run of {dag_id} (HTTP {status}).", seen=_detail(answer), where=self.url
            )
        return str(answer["dag_run_id"])

    def dag_run(self, dag_id: str, run_id: str) -> dict[str, Any] | None:
        """A run (``state`` among its facts); None when there is none."""
        status, answer = self.request("GET", f"/dags/{_quote(dag_id)}/dagRuns/{_quote(run_id)}")
        return _found(status, answer, f"run {run_id}")

    def dag_runs(self, dag_id: str, states: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
        """The runs of a DAG, newest first: ``dag_run_id, state, start_date, end_date, run_type, conf``, ...

        Parameters
        ----------
        dag_id : str
            The DAG.
        states : iterable of str
            Only those in these of Airflow's states; all when empty.
        """
        given = {"state": list(states), "order_by": "-run_after" if self.line == 3 else "-execution_date"}
        return self._pages(f"/dags/{_quote(dag_id)}/dagRuns", "dag_runs", given)

    def fail_dag_run(self, dag_id: str, run_id: str) -> None:
        """Mark a run as failed, and with it what it has left to do: Airflow ends its tasks."""
        path = f"/dags/{_quote(dag_id)}/dagRuns/{_quote(run_id)}"
        status, answer = self.request("PATCH", path, {"state": "failed"})
        if _found(status, answer, f"run {run_id}", "stop") is None:
            raise AirflowRefused(f"Airflow has no run {run_id} of {dag_id}.", status=status, where=self.url)

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """All task instances of a run (``task_id, map_index, state, try_number`` among their facts)."""
        path = f"/dags/{_quote(dag_id)}/dagRuns/{_quote(run_id)}/taskInstances"
        return list(self._pages(path, "task_instances"))

    def _pages(self, path: str, name: str, given: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """What a path lists, page by page; nothing where Airflow knows no such path."""
        count = 0
        while True:
            words = urllib.parse.urlencode({**(given or {}), "limit": 100, "offset": count}, doseq=True)
            status, answer = self.request("GET", f"{path}?{words}")
            page = (_found(status, answer, path) or {}).get(name, [])
            yield from page
            count += len(page)
            if not page or count >= answer["total_entries"]:
                return


def _quote(name: str) -> str:
    return urllib.parse.quote(name, safe="")


def _json(text: bytes) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text.decode("utf-8", "replace")[:500]


def _detail(answer: Any) -> str:
    if isinstance(answer, dict):
        return str(answer.get("detail") or answer)
    return str(answer)


def _found(status: int, answer: Any, what: str, doing: str = "show") -> dict[str, Any] | None:
    if status == 404:
        return None
    if status != 200 or not isinstance(answer, dict):
        raise AirflowRefused(f"Airflow can't {doing} {what} (HTTP {status}).", status=status, seen=_detail(answer))
    return answer
