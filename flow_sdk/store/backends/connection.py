"""A connection to one bucket that retries, renews its credentials, and survives forks."""

import os
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from flow_sdk.errors import ObjectMissing, StoreError
from flow_sdk.store.backends.cloud import Cloud, ConnectionKind
from flow_sdk.store.backends.errors import explain_error, is_missing_object
from flow_sdk.store.backends.forked_client import survive_forks
from flow_sdk.store.backends.retry import RetryBudget

__all__ = ["BucketConnection"]

_Result = TypeVar("_Result")


class BucketConnection:
    """Requests to one bucket. Safe to use from several threads, and after a fork.

    Parameters
    ----------
    cloud : Cloud
        Where the bucket is.
    bucket : str
        The bucket. It must exist.
    prefix : str
        Folder in the bucket that all keys are below, without ``/`` at its ends; ``""`` for none.
    """

    def __init__(self, cloud: Cloud, bucket: str, prefix: str = "") -> None:
        self.cloud, self.bucket, self.prefix = cloud, bucket, prefix
        self._clients: dict[tuple[ConnectionKind, str | None], Any] = {}
        self._process = os.getpid()

    def client(self, kind: ConnectionKind, encryption: str | None = None) -> Any:
        """Return obstore's client for a kind of request; ``encryption`` differs from the settings' where given."""
        if self._process != os.getpid():
            self._clients, self._process = {}, os.getpid()
        client = self._clients.get((kind, encryption))
        if client is None:
            survive_forks()
            client = self.cloud.connect(self.bucket, self.prefix, kind=kind, encryption=encryption)
            self._clients[kind, encryption] = client
        return client

    def renew_credentials(self, client: Any) -> None:
        """Have credentials read again, unless another thread has done so since ``client`` was made."""
        if any(client is one for one in self._clients.values()):
            self._clients = {}
            self.cloud.forget_credentials()

    def new_budget(self, verb: str, where: str) -> RetryBudget:
        """Return the budget of a new operation."""
        return RetryBudget(f"{verb} {where}", self.cloud.title)

    def attempt(
        self,
        verb: str,
        where: str,
        work: Callable[[Any], _Result],
        *,
        kind: ConnectionKind = "small",
        encryption: str | None = None,
        budget: RetryBudget | None = None,
    ) -> _Result:
        """Do something with the bucket until it is done, or the budget is used up.

        Parameters
        ----------
        verb : str
            What is done: ``read``, ``write``, ``list``, ``delete``.
        where : str
            URL of the object or folder.
        work : callable
            Takes obstore's client; called again for each try.
        kind : str
            The kind of request.
        encryption : str or None
            How the server encrypts what is put; None for the settings' way.
        budget : RetryBudget, optional
            That of an operation that began before.

        Raises
        ------
        ObjectMissing
            If an object that is to be read isn't there.
        StoreError
            If the server refuses, or doesn't answer.
        """
        budget = budget or self.new_budget(verb, where)
        while True:
            client = self.client(kind, encryption)
            try:
                return work(client)
            except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
                if budget.should_renew_credentials(error):
                    self.renew_credentials(client)
                elif not budget.wait_for_retry(error):
                    self.raise_for(error, verb, where)

    def raise_for(self, error: Exception, verb: str, where: str) -> NoReturn:
        """Raise the error for the user."""
        if isinstance(error, StoreError):
            raise error
        if is_missing_object(error) and verb == "read":
            raise ObjectMissing("There is no such object in the store.", where=where) from error
        raise explain_error(error, verb, self.bucket, where, self.cloud) from error
