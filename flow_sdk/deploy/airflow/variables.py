"""The claim on a deployed name in an Airflow Variable, through Airflow's REST API or its own command line.

Airflow 3 masks the value of such a Variable in its API (the key holds "token"), so the claim stands in the description
as well, which isn't masked. Neither holds the token. Variables have no compare-and-set (3.3 and 2.11): what is
there is looked at right before, read back right after, and once more before a DAG is written.
"""

import hashlib
import shutil
import subprocess
import urllib.parse
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from flow_sdk.deploy.airflow.api import AirflowApi, AirflowForbidden
from flow_sdk.deploy.claims import Claim
from flow_sdk.errors import DeployError

__all__ = ["ApiVariables", "CommandVariables", "variable_key"]

PREFIX = "flow_sdk.token."
LONGEST_KEY = 250
"""Airflow 2.11 and 3.3: ``airflow.models.variable.Variable.key``."""

SECONDS = 180.0
"""How long one call of Airflow's command line may take; it needs some ten seconds to start."""


def variable_key(name: str) -> str:
    """The Variable that belongs to a deployed name."""
    key = PREFIX + name
    return key if len(key) <= LONGEST_KEY else PREFIX + hashlib.sha256(name.encode()).hexdigest()


def _lost_claim_error(kept: Claim | None, claim: Claim, location: str) -> DeployError:
    seen = "no such Variable" if kept is None else f"a claim of {kept.owner_text} of {kept.created}"
    return DeployError(
        f"Airflow doesn't hold our claim on {claim.name}: another user deploys it as well, from another store.",
        seen=seen,
        where=f"Variable {variable_key(claim.name)} of {location}",
        help="No DAG was written. To join them, deploy again with --authorize and their token; else under another name "
        "or branch.",
    )


class _Variables(ABC):
    """A claim is kept only in place of the one that was read last, as far as Airflow lets that be seen."""

    def __init__(self) -> None:
        self._seen: dict[str, Claim | None] = {}

    @property
    @abstractmethod
    def location(self) -> str:
        """The Airflow, for people."""

    @property
    def _is_kept(self) -> bool:
        """Whether claims are kept here at all."""
        return True

    def read_claim(self, name: str) -> Claim | None:
        """The claim kept for a deployed name."""
        self._seen[name] = found = self._read_variable(name)
        return found

    def write_claim(self, claim: Claim) -> None:
        """Keep a claim in place of the one that was read last, and read it back."""
        before = self._seen[claim.name] if claim.name in self._seen else self.read_claim(claim.name)
        now = self._read_variable(claim.name)
        if now not in (before, claim):
            raise _lost_claim_error(now, claim, self.location)
        self._write_variable(claim, there=now is not None)
        kept = self.read_claim(claim.name)
        if kept != claim and self._is_kept:
            raise _lost_claim_error(kept, claim, self.location)

    @abstractmethod
    def _read_variable(self, name: str) -> Claim | None: ...

    @abstractmethod
    def _write_variable(self, claim: Claim, *, there: bool) -> None: ...


class ApiVariables(_Variables):
    """Variables of an Airflow (3.x and 2.11) through its REST API.

    Parameters
    ----------
    api : AirflowApi
        The Airflow.
    on_forbidden : callable, optional
        Called once, with the permission that the user's role lacks. The claim in the store counts alone then, and no
        claim is kept here. Without it that is an error.
    """

    def __init__(self, api: AirflowApi, on_forbidden: Callable[[AirflowForbidden], None] | None = None) -> None:
        super().__init__()
        self.api = api
        self._on_forbidden = on_forbidden
        self._is_forbidden = False

    @property
    def location(self) -> str:
        """The Airflow's address."""
        return f"Airflow at {self.api.url}"

    @property
    def _is_kept(self) -> bool:
        return not self._is_forbidden

    def write_claim(self, claim: Claim) -> None:
        """Keep a claim, see the base class; where the role may not, the one in the store counts alone."""
        try:
            super().write_claim(claim)
        except AirflowForbidden as error:
            self._handle_forbidden(error)

    def _handle_forbidden(self, error: AirflowForbidden) -> None:
        if self._on_forbidden is None:
            raise error
        if not self._is_forbidden:
            self._is_forbidden = True
            self._on_forbidden(error)

    def _read_variable(self, name: str) -> Claim | None:
        if self._is_forbidden:
            return None
        try:
            return self._request_variable(name)
        except AirflowForbidden as error:
            self._handle_forbidden(error)
            return None

    def _request_variable(self, name: str) -> Claim | None:
        key = variable_key(name)
        status, answer = self.api.send_request("GET", f"/variables/{urllib.parse.quote(key, safe='')}")
        if status == 404:
            return None
        if status != 200 or not isinstance(answer, dict):
            raise self._refused_error("can't be read", status, answer, key)
        return Claim.from_json(answer.get("description") or "", f"description of Variable {key} of {self.location}")

    def _write_variable(self, claim: Claim, *, there: bool) -> None:
        if self._is_forbidden:
            return
        key, text = variable_key(claim.name), claim.to_json()
        body = {"key": key, "value": text, "description": text}
        quoted = f"/variables/{urllib.parse.quote(key, safe='')}"
        status, answer = self.api.send_request(*(("PATCH", quoted) if there else ("POST", "/variables")), body)
        if status not in (200, 201, 409):
            raise self._refused_error("can't be written", status, answer, key)

    def remove_claim(self, name: str) -> bool:
        """Forget the claim on a name; returns whether there was one."""
        key = variable_key(name)
        if self._is_forbidden:
            return False
        try:
            status, answer = self.api.send_request("DELETE", f"/variables/{urllib.parse.quote(key, safe='')}")
        except AirflowForbidden as error:
            self._handle_forbidden(error)
            return False
        if status not in (200, 204, 404):
            raise self._refused_error("can't be deleted", status, answer, key)
        return status != 404

    def _refused_error(self, what: str, status: int, answer: Any, key: str) -> DeployError:
        return DeployError(
            f"Airflow's Variable {key} {what} (HTTP {status}).", seen=str(answer)[:300], where=self.api.url
        )


class CommandVariables(_Variables):
    """Variables through Airflow's own command line, on a machine that has it and reaches its database.

    Parameters
    ----------
    command : str
        The program.
    """

    def __init__(self, command: str = "airflow") -> None:
        super().__init__()
        found = shutil.which(command)
        if found is None:
            raise DeployError(
                "Airflow's own command line isn't on this machine.",
                seen=f"no program {command!r} on the PATH",
                help="Give --airflow-url instead of --airflow-cli, or neither.",
            )
        self.command = found

    @property
    def location(self) -> str:
        """The Airflow, for people."""
        return "the Airflow of this machine"

    def _read_variable(self, name: str) -> Claim | None:
        key = variable_key(name)
        done = self._run_command("get", key)
        if done.returncode and "does not exist" in done.stderr + done.stdout:
            return None
        self._check_exit(done, "read", key)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        return Claim.from_json(lines[-1] if lines else done.stdout, f"Variable {key} of {self.location}")

    def _write_variable(self, claim: Claim, *, there: bool) -> None:
        key, text = variable_key(claim.name), claim.to_json()
        self._check_exit(self._run_command("set", "--description", text, key, text), "written", key)

    def remove_claim(self, name: str) -> bool:
        """Forget the claim on a name; returns whether there was one."""
        if self.read_claim(name) is None:
            return False
        key = variable_key(name)
        self._check_exit(self._run_command("delete", key), "deleted", key)
        return True

    def _run_command(self, *words: str) -> subprocess.CompletedProcess[str]:
        words = (self.command, "variables", *words)
        try:
            return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DeployError("Airflow's command line can't be used.", seen=str(error), where=self.command) from error

    def _check_exit(self, done: subprocess.CompletedProcess[str], what: str, key: str) -> None:
        if done.returncode:
            raise DeployError(
                f"Airflow's Variable {key} can't be {what}.",
                seen=(done.stderr or done.stdout).strip()[-500:],
                where=f"{self.command} variables",
            )
