"""Who holds a deployed name: claims on it, where they are kept, and the tokens that this machine knows."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from flow_sdk.errors import DeployError, IntegrityError, ObjectExists
from flow_sdk.metadata.tags import encode_tag
from flow_sdk.store.backends.durable_files import make_folders, replace_file
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.checksummed_json import decode_checksummed, encode_checksummed
from flow_sdk.store.records.layout import token_key, token_prefix
from flow_sdk.strict_json import parse_object

__all__ = ["Claim", "KnownTokens", "StoreClaims", "TokenRegistry", "select_valid", "token_digest"]

RETIRED = "retired"
"""The salt of a record that withdraws all claims on a name: it shares the token of its project's branch since."""

FORMAT = 1
"""Of a claim that an orchestrator keeps."""


def token_digest(salt: str, token: str) -> str:
    """The salted hash by which a token is known where it isn't kept itself."""
    return hashlib.sha256(f"{salt}\0{token}".encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim of a token on a deployed name or on a branch of a project; holds no token.

    Parameters
    ----------
    name : str
        What is claimed, as :func:`flow_sdk.authoring.project.claim_name` names it.
    generation : int
        How many tokens of this name came before (>= 0).
    owner : str
        Who made the token.
    created : str
        On which day, ``2026-01-31`` (UTC).
    salt, digest : str
        Salt, and SHA-256 of salt and token. No digest where the claim before it is withdrawn; where all before it are,
        the salt is :data:`RETIRED`.
    """

    name: str
    generation: int
    owner: str
    created: str
    salt: str
    digest: str

    def matches_token(self, token: str) -> bool:
        """Return whether this is the token's claim."""
        return token_digest(self.salt, token) == self.digest

    def is_same(self, other: "Claim | None") -> bool:
        """Return whether another claim is of the same token; two stores may count its generations differently."""
        return other is not None and (self.salt, self.digest) == (other.salt, other.digest)

    @property
    def owner_text(self) -> str:
        """The owner, for people: nothing in it moves a terminal's cursor."""
        return self.owner if self.owner.isprintable() else ascii(self.owner)

    def to_json(self) -> str:
        """Encode as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> "Claim":
        """Decode from JSON; ``where`` is for the error.

        Raises
        ------
        DeployError
            If the text isn't a claim.
        """
        try:
            data = parse_object(text)
            if data.pop("format") > FORMAT:
                raise _newer_release_error(where)
            return cls._from_fields(data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _unreadable_claim_error(f"{type(error).__name__}: {error}", where) from error

    @classmethod
    def from_record(cls, text: bytes, key: str, where: str) -> "Claim":
        """Decode from an object of a store; ``where`` is for the error.

        Raises
        ------
        DeployError
            If the object isn't a claim, or isn't as it was written.
        """
        try:
            return cls._from_fields(decode_checksummed(text, key))
        except IntegrityError as error:
            raise (_unreadable_claim_error(error.seen, where) if error.seen else _newer_release_error(where)) from error
        except TypeError as error:
            raise _unreadable_claim_error(f"{type(error).__name__}: {error}", where) from error

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> "Claim":
        claim = cls(**data)
        if not isinstance(claim.generation, int) or not isinstance(claim.digest, str):
            raise TypeError("generation or digest")
        return claim


def _newer_release_error(where: str) -> DeployError:
    return DeployError("A token was made by a newer release.", where=where, help="pip install -U flow-sdk")


def _unreadable_claim_error(seen: str, where: str) -> DeployError:
    return DeployError(
        "What is kept of a production token can't be read.",
        seen=seen,
        where=where,
        help="It is damaged or isn't Flow SDK's.",
    )


class TokenRegistry(Protocol):
    """A second copy of the newest claim on a name or branch, in the orchestrator itself: a Variable, a parameter.

    Among users who share a store, the store decides by create-only objects. A registry shows the claim to users who
    deploy to the same orchestrator from another store; between two stores its claim is the valid one.
    """

    @property
    def location(self) -> str:
        """The location of the registry, for messages."""
        ...

    def read_claim(self, name: str) -> Claim | None:
        """The claim kept for a deployed name; None when there is none.

        Raises DeployError when it can't be read.
        """
        ...

    def write_claim(self, claim: Claim) -> None:
        """Keep a claim in place of the one that was read last, and see that it is kept.

        Raises DeployError when another one is there.
        """
        ...

    def remove_claim(self, name: str) -> bool:
        """Forget the claim on a name; returns whether there was one."""
        ...


class StoreClaims:
    """The claims on one name in a store: one create-only object for each generation, or for a withdrawal.

    Parameters
    ----------
    store : ObjectStore
        The store.
    name : str
        The name that is claimed: a deployed name, or ``<project>.<branch>.*``.
    """

    def __init__(self, store: ObjectStore, name: str) -> None:
        self.store, self.name, self._folder = store, name, encode_tag(name)

    def read_records(self) -> list[Claim]:
        """Return all records of claims and withdrawals, the newest last."""
        keys = [found.key for found in self.store.list(token_prefix(self._folder))]
        for key in keys[-1:]:
            self.store.make_durable(
                key
            )  # its process may have been killed before it synced it; readers rely on it from now on
        texts = zip(keys, self.store.get_many(keys), strict=True)
        return [Claim.from_record(text, key, f"{self.store.url}/{key}") for key, text in texts if text is not None]

    def read_valid(self) -> list[Claim]:
        """Return all claims but those that were withdrawn, the newest last."""
        return select_valid(self.read_records())

    def add_claim(self, claim: Claim) -> bool:
        """Make a claim; False when another one of its generation is there already."""
        key = token_key(self._folder, claim.generation)
        try:
            self.store.put_if_absent(key, encode_checksummed(asdict(claim), key))
        except ObjectExists:
            return False
        return True

    def withdraw_claim(self, claim: Claim) -> None:
        """Take back the newest claim: the one before it counts again. One that another has followed stays."""
        self.add_claim(replace(claim, generation=claim.generation + 1, salt="", digest=""))

    def retire_all(self) -> None:
        """Take back all claims: the name shares the token of its project's branch from now on."""
        records = self.read_records()
        if select_valid(records):
            last = records[-1]
            self.add_claim(replace(last, generation=last.generation + 1, salt=RETIRED, digest=""))


def select_valid(records: list[Claim]) -> list[Claim]:
    """Return the claims among the records of a store that were not withdrawn. Pure."""
    found: list[Claim] = []
    for record in records:
        if record.digest:
            found.append(record)
        elif record.salt == RETIRED:
            found.clear()
        elif found and found[-1].generation == record.generation - 1:
            found.pop()
    return found


class KnownTokens:
    """The tokens that the user's machine holds for a deployed name: one file each, for the user's eyes only.

    Parameters
    ----------
    home : str or None
        The user's settings folder; None where it isn't known. Such a machine holds no token and keeps none.
    name : str
        The deployed name.
    """

    def __init__(self, home: str | None, name: str) -> None:
        self.home = home
        self.folder = None if home is None else os.path.join(home, "tokens", encode_tag(name))

    def for_name(self, name: str) -> "KnownTokens":
        """The tokens that the same machine holds for another name."""
        return KnownTokens(self.home, name)

    def __iter__(self) -> Iterator[str]:
        if self.folder is None:
            return
        # Nor can a machine hold any whose user may not look into the home folder, or has none.
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            for file in sorted(name for name in os.listdir(self.folder) if not name.startswith("~")):
                with suppress(OSError, ValueError), open(os.path.join(self.folder, file), encoding="utf-8") as text:
                    yield text.read()

    def _token_path(self, token: str) -> str:
        return os.path.join(self.folder or "", hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:32])

    def add_token(self, token: str) -> None:
        """Keep a token.

        Raises
        ------
        DeployError
            If the folder can't be written to, or isn't known.
        """
        if self.folder is None:
            raise DeployError(
                "The production token can't be kept on this machine.",
                seen="no home folder",
                help="Set FLOW_SDK_HOME to a folder that stays, or HOME.",
            )
        try:
            make_folders(self.folder, 0o700)
            replace_file(self._token_path(token), token.encode("utf-8"), 0o600)
        except OSError as error:
            raise DeployError(
                "The production token can't be kept on this machine.",
                seen=error.strerror,
                where=self.folder,
                help="Set FLOW_SDK_HOME to a folder that can be written to.",
            ) from error

    def remove_token(self, token: str) -> None:
        """Forget a token."""
        if self.folder is not None:
            with suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(self._token_path(token))
