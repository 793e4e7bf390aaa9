"""Everything that writes to a store, each as an act that can be cut off anywhere and done again.

An act does the same each time it is called. What a reader sees of it is put down as plain data: what was there before
the act, something in between where the act has several steps, or what a clean act leaves.
"""

import dataclasses
import os
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from flow_sdk.deploy.airflow.create import AirflowDraft, AirflowOptions
from flow_sdk.deploy.claims import Claim, KnownTokens, StoreClaims
from flow_sdk.deploy.pipeline import create_deployment
from flow_sdk.deploy.port import DeploymentSource
from flow_sdk.deploy.tokens import DeployAuthorizer
from flow_sdk.errors import DeployError, ObjectMissing, StoreUnavailable
from flow_sdk.metadata.outcome import OpenRun
from flow_sdk.metadata.run_heartbeat import is_process_gone, write_run_heartbeat
from flow_sdk.metadata.runs import Runs
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.runtime.local.scheduler import TaskKey
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.durable_files import replace_file, sync_folder
from flow_sdk.store.blobs.blob import digest_of, read_blob
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records import commits, layout
from flow_sdk.store.records.model import Manifest
from tests.fault.cut_flow import Cut
from tests.support.run_writers import RUN_WRITERS
from tests.support.store_writer import EARLY, NAME, Place, Writer, begun, begun_run, record

__all__ = ["WRITERS", "Place", "Writer"]

SMALL = b"some bytes " * 1000
LARGE = 17 << 20
TASKS = {"start": "0", "each": "1.0", "join": "2", "end": "3"}
"""A task of each step of the flow, by its id."""


def _nothing(place: Place) -> None:
    place.store()


@cache
def _large() -> bytes:
    return random.Random(3).randbytes(LARGE)


def _blob(content: Callable[[], bytes]) -> Writer:
    def look(place: Place) -> Any:
        digest = digest_of((content(),)).hex()
        try:
            return digest_of((read_blob(place.store(), digest, len(content()), where="it"),)).hex()
        except ObjectMissing:
            return None

    return Writer(_nothing, lambda place: Artifacts(place.store()).put_bytes(content()), look)


def _manifest(attempt: int = 0, generation: int = 0) -> Manifest:
    return Manifest(NAME, "1", "start", "0", attempt, True, True, next=("each",), started=1.0, generation=generation)


def _tried(seen: Any) -> Any:
    """A first attempt, or one after a first that was cut off."""
    return bool(seen)


def _numbers(place: Place) -> list[int]:
    return commits.list_attempts(place.store(), NAME, "1", "start", "0")


def _commit(place: Place, **which: int) -> None:
    commits.commit_attempt(place.store(), _manifest(**which))


def _committed(place: Place) -> Any:
    found = commits.read_task(place.store(), NAME, "1", "start", "0")
    return found and dataclasses.asdict(found)


def _reopen(place: Place) -> None:
    store = place.store()
    standing = commits.read_task(store, NAME, "1", "start", "0")
    if standing is not None and standing.generation < 1:
        commits.reopen_task(store, standing, 1)
    _commit(place, attempt=1, generation=1)


def _runs(place: Place) -> Any:
    """All runs as the client's readers see them."""
    store = place.store()
    runs = Runs(store)
    found = store.folders(layout.runs_prefix(NAME))
    ids = [run for run in found if store.head(layout.run_key(NAME, run)) is not None]
    whole = {run: (runs.read(NAME, run).tags, runs.read_plan(runs.read(NAME, run)).flow) for run in ids}
    listed = {tag: list(runs.newest(NAME, tag)) for tag in (None, "mine", "yours", "user:tester")}
    assert not set().union(*listed.values()) - set(whole), "a listed run that isn't there"
    for run in listed[None]:
        assert runs.user_tags(NAME, run) == ["mine", "yours"], "where a run is listed, its tags are there"
        assert all(run in listed[tag] for tag in listed)
    return {"runs": whole, "newest": listed[None][:1]}


def _one_more(seen: Any) -> Any:
    """That the last run is whole and listed, whatever its number."""
    return seen["newest"] == [max(seen["runs"])] and set(map(repr, seen["runs"].values()))


def _begun_here(place: Place) -> None:
    Runs(place.store()).create(record(place, "r", "local"))


def _tag(remove: tuple[str, ...], add: tuple[str, ...]) -> Writer:
    def look(place: Place) -> Any:
        runs = Runs(place.store())
        names = ("mine", "yours", "new", "newer")
        return runs.user_tags(NAME, "r"), {tag: list(runs.newest(NAME, tag)) for tag in names}

    def between(seen: Any) -> bool:
        tags = set(seen[0])
        return {"mine", "yours"} - set(remove) <= tags <= {"mine", "yours", *add}

    return Writer(begun, lambda place: Runs(place.store()).replace_tags(NAME, "r", remove, add), look, between)


def _outcome(place: Place) -> Any:
    runs = Runs(place.store())
    record = runs.read(NAME, "r")
    found = runs.outcome(NAME, "r", runs.read_plan(record))
    listed = runs.listing(NAME).find_open_run("r", record.started)
    assert listed is None or OpenRun(runs.store, record, listed).outcome.state == found.state, (listed, found)
    return found.state, found.reason, runs.latest_successful(NAME)


def _beaten(place: Place) -> Any:
    import json

    (text,) = place.store().get_many([layout.run_heartbeat_key(NAME, "r")])
    is_process_gone(place.store(), Runs(place.store()).read(NAME, "r"))  # no beat keeps it from being told
    try:
        return sorted(json.loads(text or b""))
    except ValueError:
        return None


def _task(step: str) -> Writer:
    """A whole attempt of a task, with those before it done."""

    def prepare(place: Place) -> None:
        made = begun_run(place)
        for name, positions in {"start": [()], "each": [(0,), (1,)], "join": [()]}.items():
            if name == step:
                return
            for position in positions:
                assert made.attempt(TaskKey(name, position), 0).manifest.ok

    def look(place: Place) -> Any:
        store = place.store()
        found = commits.read_task(store, NAME, "r", step, TASKS[step])
        values = found and {name: ref.hash for name, ref in found.artifacts.items()}
        for name, ref in (found.artifacts if found else {}).items():
            Artifacts(store).load(ref, where=name)
        return values, found and found.items, _outcome(place)

    position = (0,) if step == "each" else ()
    # A success is entered in the index before it is committed: whoever looks there checks the commit.
    return Writer(prepare, lambda place: begun_run(place).attempt(TaskKey(step, position), 1), look)


class FileKeeper:
    """A keeper in a folder of this machine, as an orchestrator keeps one claim: written whole or not at all."""

    def __init__(self, folder: str) -> None:
        self.location = os.path.join(folder, "keeper.json")

    def read_claim(self, name: str) -> Claim | None:
        path = Path(self.location)
        try:
            sync_folder(str(path.parent))  # what an orchestrator shows lasts
        except OSError as error:
            raise DeployError("The claim can't be read.", seen=error.strerror, where=self.location) from error
        return Claim.from_json(path.read_text(), self.location) if path.exists() else None

    def write_claim(self, claim: Claim) -> None:
        try:
            replace_file(self.location, claim.to_json().encode())
        except OSError as error:
            raise DeployError("The claim can't be kept.", seen=error.strerror, where=self.location) from error


def _gate(place: Place, **how: Any) -> DeployAuthorizer:
    home = KnownTokens(os.path.join(place.folder, "home"), NAME)
    return DeployAuthorizer(NAME, "anne", home, registry=FileKeeper(place.folder), **how)


def _pass(place: Place, **how: Any) -> str:
    gate = _gate(place, **how)
    store = place.store()
    gate.check_token(store)
    return gate.claim_name(store).token


def _renew_once(place: Place) -> str:
    """Renew, unless that has come to be: what a user does who sees that it was cut off."""
    newest = StoreClaims(place.store(), NAME).read_valid()[-1]
    return _pass(place, renew=newest.generation == 0)


def _authorize(place: Place) -> str:
    (token,) = (t for t in KnownTokens(os.path.join(place.folder, "copy"), NAME))
    gate = _gate(place, authorize=token)
    store = place.store()
    gate.check_token(store)
    claimed = gate.claim_name(store).token
    if gate.memory_error is not None:  # the deployment goes on without it; the command line prints this
        raise gate.memory_error
    return claimed


def _handed_over(place: Place) -> None:
    token = _pass(place)
    KnownTokens(os.path.join(place.folder, "copy"), NAME).add_token(token)


def _holder(place: Place) -> Any:
    """Claims in the store, which of them this machine's tokens fit, and whether the keeper has the newest."""
    claims = StoreClaims(place.store(), NAME).read_valid()
    known = list(KnownTokens(os.path.join(place.folder, "home"), NAME))
    held = [any(claim.matches_token(token) for token in known) for claim in claims]
    assert all(held), "a claim whose token nobody has"
    kept = FileKeeper(place.folder).read_claim(NAME)
    assert kept is None or kept in claims, "the keeper has a claim that isn't in the store"
    return len(claims), kept == (claims[-1] if claims else None)


def _deploy(place: Place) -> None:
    plan = compile_plan(Cut, file="flow.py")
    folder = os.path.join(place.folder, "dags")
    target = place.url.rpartition("/")[0] + "/dags/cut.py" if place.url.startswith("s3://") else folder
    draft = AirflowDraft(plan, target, AirflowOptions(name="cut"))
    create_deployment(draft, DeploymentSource(plan, b"code " * 2000, place.url), _gate(place))


def _with_dags(place: Place) -> None:
    os.makedirs(os.path.join(place.folder, "dags"), exist_ok=True)


def _deployed(place: Place) -> Any:
    if place.url.startswith("s3://"):
        import boto3

        bucket, _, key = place.url.removeprefix("s3://").rpartition("/")[0].partition("/")
        found = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{key}/dags/").get("Contents", [])
        read = boto3.client("s3").get_object
        files = {each["Key"].rpartition("/")[2]: read(Bucket=bucket, Key=each["Key"])["Body"].read() for each in found}
    else:
        files = {path.name: path.read_bytes() for path in Path(place.folder, "dags").glob("*.py")}
    if files:
        text = files["cut.py"]
        compile(text, "cut.py", "exec")
        store = place.store()
        plan = digest_of((to_json(compile_plan(Cut, file="flow.py")),)).hex()
        assert plan.encode() in text and read_blob(store, plan, None, where="plan")
        assert _holder(place) == (1, True), "a DAG file without its token's claim"
    return sorted(files), _claims_of(place)


def _claims_of(place: Place) -> Any:
    try:
        return len(StoreClaims(open_store(place.url, create=False), NAME).read_valid())
    except StoreUnavailable:
        return 0


def _marker(place: Place) -> Any:
    try:
        return open_store(place.url, create=False) is not None
    except StoreUnavailable:
        return None


def _fail(place: Place) -> None:
    store = place.store()
    commits.record_failed_attempt(store, dataclasses.replace(_manifest(), run="r", ok=False, successful=False))
    runs = Runs(store)
    runs.record_failure(runs.read(NAME, "r"), "start", "0", 0, "it broke")


def _failed(place: Place) -> Any:
    found = commits.read_attempt(place.store(), NAME, "r", "start", "0", 0)
    return found and found.ok, _outcome(place)


def _orchestrated(place: Place) -> Any:
    """Begin a run as an orchestrator's start task does: tried again, it is the same run."""
    return Runs(place.store()).create(record(place, "r", "airflow"))


def _allocate(place: Place) -> Any:
    return Runs(place.store()).allocate(
        NAME, lambda run: dataclasses.replace(record(place, run), started=EARLY + int(run))
    )


def _claim(place: Place) -> Any:
    return commits.claim_attempt(place.store(), NAME, "1", "start", "0", {"host": "here"})


WRITERS: dict[str, Writer] = {
    "a new store": Writer(lambda place: None, _nothing, _marker),
    "a small blob": _blob(lambda: SMALL),
    "a large blob": _blob(_large),
    "the claim on an attempt": Writer(_nothing, _claim, _numbers, again=_tried),
    "a commit": Writer(_nothing, _commit, _committed),
    "a commit after another": Writer(_commit, lambda place: _commit(place, attempt=1), _committed),
    "a task cleared and committed": Writer(_commit, _reopen, _committed, lambda seen: seen is None),
    "a failure": Writer(begun, _fail, _failed, lambda seen: seen[0] is False and seen[1][0] != "succeeded"),
    "a run's allocation": Writer(_nothing, _allocate, _runs, lambda seen: bool(seen["runs"]), _one_more),
    "an orchestrated run": Writer(_nothing, _orchestrated, _runs, lambda seen: bool(seen["runs"])),
    "a run's end": Writer(begun, lambda p: Runs(p.store()).finish(NAME, "r", "failed", "so"), _outcome),
    "a heartbeat": Writer(_begun_here, lambda place: write_run_heartbeat(place.store(), NAME, "r"), _beaten),
    "tags added": _tag((), ("new", "newer")),
    "tags removed": _tag(("mine", "yours"), ()),
    "tags replaced": _tag(("mine",), ("new",)),
    "a task with a foreach": _task("start"),
    "a task of a foreach": _task("each"),
    "the last task": _task("end"),
    "a token's first claim": Writer(_nothing, _pass, _holder, lambda seen: seen == (1, False)),
    "a token renewed": Writer(_pass, _renew_once, _holder, lambda seen: seen in ((2, False), (1, True))),
    "a token handed over": Writer(_handed_over, _authorize, _holder),
    **RUN_WRITERS,
    "a deployment": Writer(_with_dags, _deploy, _deployed, lambda seen: not seen[0] and seen[1] <= 1),
}
"""By what they write."""
