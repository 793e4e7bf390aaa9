"""The user tags of one run, which several users may change at once: nothing is lost and no limit exceeded."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flow_sdk.errors import UsageError
from flow_sdk.metadata.index import RunIndex
from flow_sdk.metadata.tags import MOST_TAGS, decode_tag, encode_tag
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import layout
from flow_sdk.store.records.model import RunRecord

__all__ = ["UserTags", "check_tag_count", "tag_key"]

_TRIES = 40
_STALE = 60.0
"""Seconds after which a reservation is that of a killed process."""


def tag_key(flow: str, run: str, tag: str) -> str:
    """Return the key of a run's user tag."""
    return layout.tag_prefix(flow, run) + encode_tag(tag)


class UserTags:
    """The user tags of one run, one object each.

    Two users who add tags at the same moment could each find room for theirs, but not for both. So a process that adds
    tags reserves room first: it writes an object with the tags, then reads all reservations, and then all tags. If
    there are too many, it deletes its reservation and tries again slightly later. It never deletes tags, as other
    processes may rely on them by then.

    Parameters
    ----------
    store : ObjectStore
        The store.
    flow, run : str
        Which run.
    """

    def __init__(self, store: ObjectStore, flow: str, run: str) -> None:
        self._store = store
        self._flow, self._run = flow, run

    def read_tags(self) -> list[str]:
        """Return the tags, sorted."""
        prefix = layout.tag_prefix(self._flow, self._run)
        found, hashed = [], []
        for info in self._store.list(prefix):
            tag = decode_tag(info.key[len(prefix) :])
            if tag is None:
                hashed.append(info.key)
            else:
                found.append(tag)
        if hashed:
            found += [text.decode("utf-8") for text in self._store.get_many(hashed) if text is not None]
        return sorted(found)

    def replace_tags(self, record: RunRecord, end: tuple[str, str], remove: list[str], add: list[str]) -> None:
        """Remove and add tags, both checked; a tag in both stays.

        Parameters
        ----------
        record : RunRecord
            The run's record.
        end : tuple of (str, str)
            Its last step's name, and the id of its task.
        remove, add : list of str
            The tags.

        Raises
        ------
        UsageError
            If a system tag is to be removed, or there would be too many; then nothing is changed.
        """
        where = f"{self._flow}/{self._run}"
        fixed = [tag for tag in remove if tag in record.system_tags]
        if fixed:
            raise UsageError("System tags can't be removed.", seen=", ".join(map(repr, fixed)), where=where)
        present = self.read_tags()
        remove = [tag for tag in remove if tag not in add]
        add = [tag for tag in add if tag not in record.system_tags]
        new = [tag for tag in add if tag not in present]
        check_tag_count(len(set(present).difference(remove).union(new)), where)
        # A process that was killed may have changed the tags and not the index, so the index is written again.
        if not new:
            self._apply_changes(record, end, add, new, remove)
            return
        with self._reserve_room(new, remove):
            self._apply_changes(record, end, add, new, remove)

    @contextmanager
    def _reserve_room(self, add: list[str], remove: list[str]) -> Iterator[None]:
        """Reserve room for the tags: reservations of others are read before the tags, which they write first."""
        where = f"{self._flow}/{self._run}"
        prefix = layout.tag_reservations_prefix(self._flow, self._run)
        wanted = set(map(encode_tag, add))
        for number in range(_TRIES):
            mine = prefix + os.urandom(16).hex()
            self._store.put(mine, "\n".join(wanted).encode("ascii"), durable=False)
            try:
                others = self._read_reservations(prefix, mine)
                kept = set(self.read_tags()).difference(remove)
                check_tag_count(len(kept.union(add)), where)
                if len(wanted | others | set(map(encode_tag, kept))) <= MOST_TAGS:
                    yield
                    return
            finally:
                self._store.delete([mine])
            import random

            time.sleep(random.uniform(0.01, 0.05) * min(number + 1, 10))
        raise UsageError(
            "Other processes are adding tags to this run, and there may not be room for all.",
            wanted=f"at most {MOST_TAGS} user tags",
            where=where,
            help="Try again in a moment.",
        )

    def _read_reservations(self, prefix: str, mine: str) -> set[str]:
        """Return the tags, in their encoded form, that other processes are about to add."""
        infos = list(self._store.list(prefix))
        now = next((info.modified for info in infos if info.key == mine), None)
        old = [info.key for info in infos if now is not None and now - info.modified > _STALE]
        if old:
            self._store.delete(old)
        keys = [info.key for info in infos if info.key != mine and info.key not in old]
        texts = self._store.get_many(keys) if keys else ()
        return {tag for text in texts if text is not None for tag in text.decode("ascii").split("\n")}

    def _apply_changes(
        self, record: RunRecord, end: tuple[str, str], added: list[str], new: list[str], removed: list[str]
    ) -> None:
        """Write new tags, enter all added ones in the index, and delete the removed ones."""
        index = RunIndex(self._store, record.flow)
        for tag in added:
            if tag in new:
                self._store.put(self._tag_key(tag), tag.encode("utf-8"))
            else:
                self._store.make_durable(self._tag_key(tag))
            index.add_user_tag(tag, record.run, record.started)
        if added and index.has_success(record.run, record.started, end):
            for tag in added:
                index.add_success(tag, record.run, record.started, end)
        self._store.delete([self._tag_key(tag) for tag in removed])
        for tag in removed:
            index.remove_tag(tag, record.run, record.started, end)
        # Another process may have removed the tag that this call added, or the other way round, between its object and
        # its index entry. The last process makes the entry agree with the object.
        changed = [*added, *removed]
        objects = self._store.get_many([self._tag_key(tag) for tag in changed]) if changed else ()
        for tag, there in zip(changed, objects, strict=bool(changed)):
            if there is None and tag in added:
                index.remove_tag(tag, record.run, record.started, end)
            elif there is not None and tag in removed:
                index.add_user_tag(tag, record.run, record.started)
                if index.has_success(record.run, record.started, end):
                    index.add_success(tag, record.run, record.started, end)

    def _tag_key(self, tag: str) -> str:
        return tag_key(self._flow, self._run, tag)


def check_tag_count(count: int, where: str) -> None:
    """Refuse more user tags than a run may have."""
    if count > MOST_TAGS:
        raise UsageError(
            "A run can't have that many user tags.",
            seen=f"{count} tags",
            wanted=f"at most {MOST_TAGS}",
            where=where,
            help="Remove some first: run.remove_tags([...]).",
        )
