"""``flow-sdk store check`` and ``flow-sdk store gc``: check a store for damage, and delete what is no longer needed."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from flow_sdk.cli.json_output import print_json
from flow_sdk.cli.parser import Command, Option
from flow_sdk.errors import StoreUnavailable
from flow_sdk.options import OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from flow_sdk.cli.parser import Parsed
    from flow_sdk.store.port import ObjectStore
    from flow_sdk.upkeep.garbage_collection import GcReport
    from flow_sdk.upkeep.store_check import CheckReport

__all__ = ["CONSOLE_COMMANDS"]

SHOWN = 20


def _open_store(values: dict[str, Any]) -> ObjectStore:
    from flow_sdk import default_store
    from flow_sdk.store.open_store import open_store

    given = values["datastore-root"]
    try:
        return open_store(given or default_store.datastore_root(), create=False)
    except StoreUnavailable as error:
        if not given and error.headline.startswith("There is no "):
            error.help = "That is where a run started here would store its results. Name another with --datastore-root."
        raise


def _prints_json(values: dict[str, Any]) -> bool:
    return bool(values["json"]) or values["output"] == "json"


def size_text(size: int) -> str:
    """Return a size as text: ``512 bytes``, ``1.5 MB``."""
    amount, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{size} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def _count_text(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


class _Progress:
    """A line on a terminal that is written over and over; nothing elsewhere."""

    def __init__(self) -> None:
        self.shows = sys.stderr.isatty()
        self._next = 0.0

    def __call__(self, text: Callable[[], str]) -> None:
        if self.shows and time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.2
            sys.stderr.write(f"\r\x1b[K{text()}")
            sys.stderr.flush()

    def end(self) -> None:
        if self.shows and self._next:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _read_text(report: CheckReport) -> str:
    damaged = f", {report.damaged:,} damaged" if report.damaged else ""
    blobs = f"{_count_text(report.blobs, 'blob')} ({size_text(report.size)})"
    return f"checked {blobs}, {_count_text(report.records, 'record')}{damaged}"


def _check_store(parsed: Parsed) -> int:
    values = parsed.values
    from flow_sdk.upkeep.store_check import check_store

    store = _open_store(values)
    progress = _Progress()
    try:
        report = check_store(
            store, threads=values["threads"], progress=lambda report: progress(lambda: _read_text(report))
        )
    finally:
        progress.end()
    if _prints_json(values):
        from dataclasses import asdict

        print_json({"store": store.url, **asdict(report)})
    else:
        _show_check(report, store.url)
    return 1 if report.damage else 0


def _show_check(report: CheckReport, url: str) -> None:
    for damage in report.damage:
        print(f"damaged: {damage.owner or 'nothing refers to it'}\n  {damage.key}: {damage.seen}")
    print(f"{url}: {_read_text(report)}, {_count_text(report.runs, 'run')}")
    if report.orphans:
        print(f"  {_count_text(report.orphans, 'blob')} ({size_text(report.orphan_size)}) that no record refers to")
    if report.starts:
        print(f"  {_count_text(report.starts, 'attempt')} of which there is only the beginning")
    if report.incomplete:
        print(f"  {_count_text(report.incomplete, 'mark')} left empty by a power cut")
    if report.unfinished:
        _print_names(
            f"half-written ({size_text(report.unfinished_size)} in all)", report.unfinished, report.unfinished_count
        )
    if report.entries:
        print(f"  {_count_text(report.entries, 'entry', 'entries')} of an index without a run")
    _print_names("without the run's record", report.remains, len(report.remains))
    _print_names("missing in the index of its flow", report.unlisted, len(report.unlisted))
    _print_names("not Flow SDK's", report.foreign, report.foreigners)
    print(f"{report.damaged:,} damaged" if report.damage else "nothing is damaged")


def _collect_garbage(parsed: Parsed) -> int:
    values = parsed.values
    from flow_sdk import config
    from flow_sdk.upkeep.garbage_collection import collect_garbage
    from flow_sdk.upkeep.run_removal import RetentionRules

    store = _open_store(values)
    rules = RetentionRules(tags=values["keep-tag"], days=values["keep-days"], last=values["keep-last"])
    progress = _Progress()
    try:
        report = collect_garbage(
            store,
            rules,
            now=time.time(),
            grace=values["grace-days"] * 86400.0,
            delete=values["delete"],
            despite_damage=values["despite-damage"],
            user=config.user_name(),
            threads=values["threads"],
            progress=lambda text: progress(lambda: text),
        )
    finally:
        progress.end()
    if _prints_json(values):
        from dataclasses import asdict

        print_json({"store": store.url, **asdict(report), "size": report.size})
    else:
        _show_gc(report, store.url)
    return 1 if report.damage else 0


def _show_gc(report: GcReport, url: str) -> None:
    for name, share in sorted(report.flows.items()):
        parts = [f"{_count_text(share.kept, 'run')} kept"]
        if share.active:
            parts.append(f"{share.active:,} of them only as something of them is younger than the grace period")
        if share.runs or share.remains:
            gone = [_count_text(share.runs, "run")] if share.runs else []
            gone += [_count_text(share.remains, "remainder") + " of runs"] if share.remains else []
            parts.append(
                f"{' and '.join(gone)} to go: {_count_text(share.objects, 'object')} ({size_text(share.size)})"
            )
        if share.blobs:
            parts.append(f"{_count_text(share.blobs, 'blob')} ({size_text(share.blob_size)}) that only these needed")
        if share.attempts:
            parts.append(f"{_count_text(share.attempts, 'object')} of attempts that never ended")
        if share.entries:
            parts.append(f"{_count_text(share.entries, 'entry', 'entries')} of an index without a run")
        print(f"{name}: {'; '.join(parts)}")
    if report.damage:
        for damage in report.damage[:SHOWN]:
            print(f"damaged: {damage.owner}\n  {damage.key}: {damage.seen}")
        print("No blob would be deleted, as what damaged records needed isn't known: see flow-sdk store check.")
    print(f"blobs that nothing refers to: {report.blobs:,} ({size_text(report.blob_size)})")
    if report.unfinished:
        print(f"half-written files: {report.unfinished:,} ({size_text(report.unfinished_size)})")
    if report.young:
        young = f"{_count_text(report.young, 'blob')} ({size_text(report.young_size)})"
        print(f"{young} more that nothing refers to, younger than the grace period")
    print(f"{url}: {'freed' if report.deleted else 'would free'} {size_text(report.size)}")
    if not report.deleted:
        print("Nothing was deleted: add --delete for that.")


def _print_names(what: str, names: list[str], count: int) -> None:
    for name in names[:SHOWN]:
        print(f"  {what}: {name if name.isprintable() else ascii(name)}")
    if count > SHOWN:
        print(f"  {what}: {count - min(SHOWN, len(names)):,} more")


_GENERAL = (
    Option("datastore-root", "The store: a folder or an s3:// address. Default: as for a run.", metavar="URL"),
    OUTPUT,
    Option("json", "The same as --output json.", flag=True),
    Option("threads", "How many objects are read at a time.", least=1, default=8),
)

CONSOLE_COMMANDS = {
    "store check": Command(_check_store, options=_GENERAL),
    "store gc": Command(
        _collect_garbage,
        options=[
            Option("delete", "Delete it, instead of only saying what would go.", flag=True),
            Option("keep-tag", "Keep runs with this tag; others go. Repeatable.", metavar="TAG", repeat=True),
            Option("keep-days", "Keep runs started at most this many days ago; others go.", least=0),
            Option("keep-last", "Keep this many of each flow's newest runs; others go.", least=0),
            Option("grace-days", "Delete nothing younger than this many days (2 or more).", least=2, default=7),
            Option("despite-damage", "Delete blobs although records are damaged.", flag=True),
            *_GENERAL,
        ],
    ),
}
