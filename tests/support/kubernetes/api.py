"""A small client of a Kubernetes API server: what tests and the pod runner ask for, in JSON."""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

__all__ = ["ApiError", "KubernetesApi"]

MERGE_PATCH = "application/merge-patch+json"


class ApiError(Exception):
    """The API server has refused a request.

    Parameters
    ----------
    code : int
        Status of the response.
    message : str
        What the server says.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class KubernetesApi:
    """An API server on loopback, as one user.

    Parameters
    ----------
    port : int
        Where it listens.
    authority : str
        File with the certificate of the authority that vouches for it.
    token : str
        The user's bearer token.
    """

    def __init__(self, port: int, authority: str, token: str) -> None:
        self.port, self.token = port, token
        self._context = ssl.create_default_context(cafile=authority)

    def _connect(self, timeout: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self._context)

    def call(self, method: str, path: str, body: Any = None, content: str = "application/json") -> bytes:
        """Send a request and return the body of the response.

        Parameters
        ----------
        method, path : str
            What is asked for; the query is part of the path.
        body : object
            Sent as JSON, unless it is ``bytes``.
        content : str
            Media type of the body.

        Raises
        ------
        ApiError
            If the status isn't 2xx.
        """
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", "Content-Type": content}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = self._connect(60)
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            try:
                message = json.loads(answer)["message"]
            except (ValueError, KeyError, TypeError):
                message = answer.decode("utf-8", "replace")
            raise ApiError(response.status, message)
        return answer

    def get(self, path: str) -> dict[str, Any]:
        """Read one object, or a list of them."""
        return self._load(self.call("GET", path))

    def create(self, path: str, body: Any, **query: str) -> dict[str, Any]:
        """Create an object in a collection."""
        return self._load(self.call("POST", f"{path}?{urlencode(query)}", body))

    def patch(self, path: str, body: Any, content: str = MERGE_PATCH) -> dict[str, Any]:
        """Change an object."""
        return self._load(self.call("PATCH", path, body, content))

    def delete(self, path: str, grace_seconds: int | None = None) -> None:
        """Delete an object; one that isn't there is ignored."""
        options = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        try:
            self.call("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", **options})
        except ApiError as error:
            if error.code != 404:
                raise

    def watch(self, path: str, query: Mapping[str, str], seconds: int) -> Iterator[dict[str, Any]]:
        """Yield the events of a collection until the server ends the watch after ``seconds``.

        Raises
        ------
        ApiError
            If the server refuses the watch, or ends it with an error, such as 410 for a version that is too old.
        """
        whole = urlencode({**query, "watch": "true", "timeoutSeconds": str(seconds)})
        connection = self._connect(seconds + 30)
        try:
            connection.request("GET", f"{path}?{whole}", headers={"Authorization": f"Bearer {self.token}"})
            response = connection.getresponse()
            if response.status >= 300:
                raise ApiError(response.status, response.read().decode("utf-8", "replace"))
            for line in response:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(event["object"].get("code", 500), event["object"].get("message", ""))
                yield event
        finally:
            connection.close()

    def wait_until(self, path: str, fits: Callable[[dict[str, Any]], bool], seconds: float) -> dict[str, Any]:
        """Read an object until it is as wanted, and return it.

        Raises
        ------
        TimeoutError
            If it isn't within some seconds; says what it is then.
        """
        end = time.monotonic() + seconds
        while not fits(seen := self.get(path)):
            if time.monotonic() > end:
                raise TimeoutError(f"{path} isn't as wanted after {seconds:.0f} s: {json.dumps(seen)[-4000:]}")
            time.sleep(0.2)
        return seen

    def wait_until_ready(self, path: str, seconds: float) -> bool:
        """Whether a path is answered with 200 within some seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.call("GET", path)
                return True
            except (OSError, http.client.HTTPException, ApiError):
                time.sleep(0.1)
        return False

    @staticmethod
    def _load(answer: bytes) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(answer)
        return value
