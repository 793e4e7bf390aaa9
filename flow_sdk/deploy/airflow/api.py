"""A small client of Airflow's REST API, of both lines."""

import json
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Any

from flow_sdk.deploy.airflow.http import Answer, RedirectRefused, address_of, detail_of, not_airflow, send_request
from flow_sdk.deploy.airflow.login import Login, NoSuchLogin, PasswordLogin
from flow_sdk.errors import DeployError

__all__ = ["AirflowApi", "AirflowForbidden", "AirflowRefused"]

PAUSES = (0.5, 1.0, 2.0)
"""Seconds before a request is sent again after Airflow said that it failed (5xx), as when its database was busy."""

REPEATABLE = ("GET", "PATCH", "DELETE")
"""Methods that come to the same when they are sent twice."""


class AirflowRefused(DeployError):
    """Airflow answered with an error.

    Parameters
    ----------
    headline, seen, wanted, where, help
        As for every error.
    status : int
        The HTTP status (400 to 599).
    """

    def __init__(
        self,
        headline: str,
        *,
        status: int,
        seen: str | None = None,
        wanted: str | None = None,
        where: str | None = None,
        help: str | None = None,
    ) -> None:
        super().__init__(headline, seen=seen, wanted=wanted, where=where, help=help)
        self.status = status


class AirflowForbidden(AirflowRefused):
    """The login is right, but the user's role lacks a permission (HTTP 403).

    Parameters
    ----------
    permission : str
        The permission as Airflow's roles name it, such as ``can read on Variables``.
    seen : str
        What Airflow said.
    where : str
        The Airflow.
    """

    def __init__(self, permission: str, seen: str, where: str) -> None:
        super().__init__(
            f"Airflow doesn't allow this (HTTP 403): your role lacks the permission {permission!r}.",
            status=403,
            seen=seen,
            where=where,
            help="Have it added to the role, or use another user. Requests that change a run need 'can edit on DAGs', "
            "too. docs/airflow.md lists what each command needs.",
        )
        self.permission = permission


class AirflowApi:
    """One Airflow, by the address of its web server.

    Parameters
    ----------
    url : str
        Such as ``http://localhost:8080``, or ``mwaa://NAME`` for an environment of Amazon MWAA. Name and password in
        it are taken out, and ask where none are given.
    user, password : str
        Who asks.
    login : Login, optional
        What proves who asks, in place of name and password.
    """

    def __init__(self, url: str, user: str = "", password: str = "", *, login: Login | None = None) -> None:
        if url.startswith("mwaa://"):
            from flow_sdk.deploy.airflow.mwaa import MwaaLogin

            login = MwaaLogin(url.removeprefix("mwaa://").rstrip("/"))
            url = login.find_address()
        parts = address_of(url)
        who, _, server = parts.netloc.rpartition("@")
        if who and not user:
            user, password = map(urllib.parse.unquote, who.partition(":")[::2])
        self.url = parts._replace(netloc=server, query="", fragment="").geturl().rstrip("/")
        self._login = login or PasswordLogin(user, password)
        self._line: int | None = None

    @property
    def line(self) -> int:
        """2 or 3: which line of Airflow it is.

        Raises
        ------
        DeployError
            If what answers isn't Airflow.
        """
        if self._line is None:
            self._line = self._find_line()
        return self._line

    def _find_line(self) -> int:
        """Ask each line's API for its version.

        At first without credentials, as something else may be there than was meant. A gate before Airflow, as managed
        ones have, wants the token for this as well.
        """
        answers = []
        for line, address in self._version_addresses():
            try:
                answer = self._asked_version(address, {})
            except RedirectRefused as error:
                if error.moved or isinstance(self._login, PasswordLogin):
                    raise
                continue
            if _is_version(answer):
                return line
            if isinstance(self._login, PasswordLogin) and answer.status in (401, 403) and answer.is_json:
                return line
            answers.append((answer, address))
        if not isinstance(self._login, PasswordLogin):
            answers = []
            for line, address in self._version_addresses():
                try:
                    answer = self._asked_version(address, self._login.login_headers(self.url, line))
                except NoSuchLogin:
                    continue
                if answer.status == 401:
                    raise self._login.refused_error(self.url, answer)
                if _is_version(answer) or (answer.status == 403 and answer.is_json):
                    return line
                answers.append((answer, address))
        raise not_airflow(*next((found for found in answers if not found[0].is_json), answers[0]))

    def _version_addresses(self) -> tuple[tuple[int, str], ...]:
        return (3, f"{self.url}/api/v2/version"), (2, f"{self.url}/api/v1/version")

    def _asked_version(self, address: str, headers: dict[str, str]) -> Answer:
        answer = self._send_repeatedly("GET", address, None, headers)
        if answer.status >= 500:
            raise AirflowRefused(
                f"Airflow's web server fails (HTTP {answer.status}).",
                status=answer.status,
                seen=answer.short_text,
                where=self.url,
                help="Try again in a minute; if it stays, look at the web server's log.",
            )
        return answer

    def send_request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
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
            Status and answer. A 5xx of `REPEATABLE` methods is the answer only when it stays after `PAUSES`.

        Raises
        ------
        AirflowForbidden
            If the user's role may not do that.
        DeployError
            If Airflow refuses the login, also a new one; if there is no answer, or it isn't Airflow's.
        """
        address = f"{self.url}/api/v{2 if self.line == 3 else 1}{path}"
        answer = self._send_repeatedly(method, address, body, self._login.login_headers(self.url, self.line))
        if _is_login_refused(answer) and self._login.renew_login():
            answer = self._send_repeatedly(method, address, body, self._login.login_headers(self.url, self.line))
        if _is_login_refused(answer):
            raise self._login.refused_error(self.url, answer)
        if answer.status == 403 and answer.is_json:
            raise AirflowForbidden(permission_of(method, path), answer.short_text, self.url)
        if not answer.is_json and answer.status < 500:
            raise not_airflow(answer, address)
        return answer.status, answer.body if answer.is_json else answer.short_text

    def _send_repeatedly(self, method: str, address: str, body: Any, headers: dict[str, str]) -> Answer:
        """Send a request, and again where Airflow has failed for a moment."""
        data = None if body is None else json.dumps(body).encode("utf-8")
        headers = {"Accept": "application/json", **headers}
        if data is not None:
            headers["Content-Type"] = "application/json"  # 2.11 refuses it where nothing follows
        answer = send_request(method, address, data, headers)
        for pause in PAUSES if method in REPEATABLE else ():
            if answer.status < 500:
                break
            time.sleep(pause)
            answer = send_request(method, address, data, headers)
        return answer

    def find_dag(self, dag_id: str) -> dict[str, Any] | None:
        """Details of a DAG (``doc_md``, ``is_paused`` among them); None when Airflow doesn't know it (yet)."""
        status, answer = self.send_request("GET", f"/dags/{_quote_name(dag_id)}/details")
        return self._found_object(status, answer, f"DAG {dag_id}")

    def import_errors(self) -> list[dict[str, Any]]:
        """All import errors: ``filename, stack_trace, timestamp`` each."""
        return list(self._list_pages("/importErrors", "import_errors", "filename"))

    def find_pool(self, name: str) -> dict[str, Any] | None:
        """Return a pool, with ``slots`` and more; None if Airflow has none of that name."""
        status, answer = self.send_request("GET", f"/pools/{_quote_name(name)}")
        return self._found_object(status, answer, f"pool {name}")

    def dag_ids(self, part: str) -> list[str]:
        """The ids of all DAGs whose id has that part, those whose file is gone among them."""
        given = {"dag_id_pattern": part, ("exclude_stale" if self.line == 3 else "only_active"): "false"}
        return [str(dag["dag_id"]) for dag in self._list_pages("/dags", "dags", "dag_id", given)]

    def delete_dag(self, dag_id: str) -> bool:
        """Delete a DAG and the history of its runs from Airflow's database; False when Airflow doesn't know it.

        Raises
        ------
        DeployError
            If Airflow refuses, such as while tasks of it are running.
        """
        status, answer = self.send_request("DELETE", f"/dags/{_quote_name(dag_id)}")
        return status == 204 or self._found_object(status, answer, f"DAG {dag_id}", "delete") is not None

    def start_dag_run(self, dag_id: str, conf: dict[str, Any], run_id: str | None = None) -> str:
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
        status, answer = self.send_request("POST", f"/dags/{_quote_name(dag_id)}/dagRuns", body)
        if status in (200, 201) and isinstance(answer, dict) and isinstance(answer.get("dag_run_id"), str):
            return str(answer["dag_run_id"])
        headline, help_ = f"Airflow didn't start a run of {dag_id} (HTTP {status}).", None
        if status == 404:
            headline, help_ = (
                f"Airflow doesn't know the DAG {dag_id} (HTTP 404).",
                "Deploy it with airflow create --wait.",
            )
        elif status == 409 and run_id is not None:
            raise AirflowRefused(
                f"{dag_id} has a run {run_id!r} already.",
                status=status,
                where=self.url,
                help="Give another id, or none: Airflow makes one. airflow status shows that run.",
            )
        raise AirflowRefused(headline, status=status, seen=detail_of(answer), where=self.url, help=help_)

    def dag_run(self, dag_id: str, run_id: str) -> dict[str, Any] | None:
        """Return a DAG run, with ``state`` and more; None if there is none."""
        status, answer = self.send_request("GET", f"/dags/{_quote_name(dag_id)}/dagRuns/{_quote_name(run_id)}")
        return self._found_object(status, answer, f"run {run_id}")

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
        return self._list_pages(f"/dags/{_quote_name(dag_id)}/dagRuns", "dag_runs", "dag_run_id", given)

    def fail_dag_run(self, dag_id: str, run_id: str) -> None:
        """Mark a run as failed, and with it what it has left to do: Airflow ends its tasks."""
        path = f"/dags/{_quote_name(dag_id)}/dagRuns/{_quote_name(run_id)}"
        status, answer = self.send_request("PATCH", path, {"state": "failed"})
        if self._found_object(status, answer, f"run {run_id}", "stop") is None:
            raise AirflowRefused(f"Airflow has no run {run_id} of {dag_id}.", status=status, where=self.url)

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return all task instances of a run, each with ``task_id, map_index, state, try_number`` and more."""
        path = f"/dags/{_quote_name(dag_id)}/dagRuns/{_quote_name(run_id)}/taskInstances"
        return list(self._list_pages(path, "task_instances", "task_id"))

    def _found_object(self, status: int, answer: Any, what: str, doing: str = "show") -> dict[str, Any] | None:
        """The answer, as an object; None where Airflow knows no such thing."""
        if status == 404:
            return None
        if status != 200 or not isinstance(answer, dict):
            raise AirflowRefused(
                f"Airflow can't {doing} {what} (HTTP {status}).",
                status=status,
                seen=detail_of(answer)[:2000],
                where=self.url,
            )
        return answer

    def _list_pages(
        self, path: str, name: str, key: str, given: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """What a path lists, page by page; nothing where Airflow knows no such path. Each entry has the key."""
        count = 0
        while True:
            words = urllib.parse.urlencode({**(given or {}), "limit": 100, "offset": count}, doseq=True)
            status, answer = self.send_request("GET", f"{path}?{words}")
            found = self._found_object(status, answer, path)
            if found is None:
                return
            page, total = found.get(name), found.get("total_entries")
            if not isinstance(page, list) or not isinstance(total, int) or not all(_has_key(row, key) for row in page):
                raise AirflowRefused(
                    f"Airflow's answer for {path} isn't of the form it should have.",
                    status=status,
                    seen=json.dumps(answer)[:200],
                    wanted=f"{name}, each with {key}, and total_entries",
                    where=self.url,
                )
            yield from page
            count += len(page)
            if not page or count >= total:
                return


_ACTIONS = {"GET": "can read", "POST": "can create", "PATCH": "can edit", "DELETE": "can delete"}
_RESOURCES = {
    "taskInstances": "Task Instances",
    "dagRuns": "DAG Runs",
    "dags": "DAGs",
    "variables": "Variables",
    "pools": "Pools",
    "importErrors": "ImportError",
}


def permission_of(method: str, path: str) -> str:
    """Name the permission that a request needs, as Airflow's roles name it on both lines. Pure."""
    kinds = path.partition("?")[0].strip("/").split("/")[::2]  # each is followed by a name
    resource = next((_RESOURCES[kind] for kind in reversed(kinds) if kind in _RESOURCES), path)
    return f"{_ACTIONS.get(method, method)} on {resource}"


def _has_key(row: Any, key: str) -> bool:
    return isinstance(row, dict) and isinstance(row.get(key), str)


def _quote_name(name: str) -> str:
    return urllib.parse.quote(name, safe="")


def _is_login_refused(answer: Answer) -> bool:
    """Whether the login is wrong or has expired. 3.3 answers 403 to a token that it hasn't signed, or not with its
    present secret."""
    return answer.status == 401 or (answer.status == 403 and detail_of(answer.body) == "Invalid JWT token")


def _is_version(answer: Answer) -> bool:
    body = answer.body
    return answer.status == 200 and answer.is_json and isinstance(body, dict) and isinstance(body.get("version"), str)
