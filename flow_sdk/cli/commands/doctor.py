"""``flow-sdk doctor``: check each part that is set up, and how to fix it."""

from __future__ import annotations

import os
import re
import sys

from flow_sdk import config, default_store
from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.parser import Command, Option
from flow_sdk.errors import FlowSDKError
from flow_sdk.options import OUTPUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flow_sdk.cli.parser import Parsed
    from flow_sdk.deploy.doctor import Check

__all__ = ["CONSOLE_COMMANDS"]

SECONDS = 6.0
"""How long all that is far away may take to answer."""

PYTHONS = ((3, 11), (3, 13))
"""The oldest and the newest release that Flow SDK runs on."""

OPTIONS = (
    OUTPUT,
    Option("json", "The same as --output json.", flag=True),
    Option("profile", "The profile to check; the default one otherwise.", metavar="NAME"),
)


def _examine_all(parsed: Parsed) -> int:
    """Print every check; the exit code is 1 if one fails or something is missing. Changes nothing."""
    if parsed.values["profile"] is not None:
        os.environ["FLOW_SDK_PROFILE"] = parsed.values["profile"]
    from flow_sdk.deploy.doctor import FAILED, MISSING

    checks = _all_checks()
    as_json = parsed.values["json"] or parsed.values["output"] == "json"
    (_print_json if as_json else _print_lines)(checks)
    return 1 if any(check.state in (FAILED, MISSING) for check in checks) else 0


def _all_checks() -> list[Check]:
    from concurrent.futures import ThreadPoolExecutor
    from functools import partial

    from flow_sdk.deploy.doctor import FAILED, examine_all, examine_part
    from flow_sdk.deploy.registry import target_names

    checks = [_check_python(), _check_packages(), examine_part("settings", _check_settings)]
    if checks[-1].state == FAILED:
        return checks  # nothing else is known then
    targets = target_names()
    with ThreadPoolExecutor(len(targets)) as pool:
        found = [check for checked in pool.map(_target_checks, targets) for check in checked]
    aws = next((check for check in found if check.name == "AWS"), None)
    store = partial(_check_store, aws.found if aws and aws.state == FAILED else None)
    return [*checks, *examine_all([("store", store)], SECONDS), *found]


def _target_checks(name: str) -> list[Check]:
    """Run the checks of one target; an error of ours, and any of another distribution, becomes what was found."""
    from flow_sdk.deploy.doctor import FAILED, Check, failed_check
    from flow_sdk.deploy.registry import BUILT_IN, find_target

    title = name
    try:
        declaration = find_target(name)
        if declaration is None:
            return []
        title = declaration.title
        return declaration.load_target().health_checks(SECONDS)
    except FlowSDKError as error:
        return [failed_check(title, error)]
    except Exception as error:
        if name in BUILT_IN:
            raise
        found = f"its checks raise {type(error).__name__}: {error}"
        return [Check(title, FAILED, " ".join(found.split()), "Report it to those who make the package.")]


def _check_python() -> Check:
    from flow_sdk.deploy.doctor import FAILED, OK, Check
    from flow_sdk.release import __version__

    found = f"Flow SDK {__version__}, Python {sys.version.split()[0]}, {sys.platform}"
    if PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return Check("Python", OK, found)
    oldest, newest = (".".join(map(str, release)) for release in PYTHONS)
    return Check("Python", FAILED, found, f"Use Python {oldest} to {newest}.")


def _check_packages() -> Check:
    from importlib import metadata

    from flow_sdk.deploy.doctor import FAILED, OK, Check

    try:
        needed = metadata.requires("flow-sdk") or []
    except metadata.PackageNotFoundError:
        return Check("packages", OK, "Flow SDK isn't installed as a package; it runs from its folder")
    found, lacking = [], []
    for requirement in needed:
        match = re.match(r"([\w.-]+)\s*(?:>=\s*([\d.]+))?", requirement)
        if match is None or "extra ==" in requirement:
            continue
        name, least = match[1], match[2] or "0"
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            lacking.append(f"{name} is missing")
            continue
        found.append(f"{name} {version}")
        if _version_numbers(version) < _version_numbers(least):
            lacking.append(f"{name} {version} is older than {least}")
    if lacking:
        return Check("packages", FAILED, ", ".join(lacking), "pip install -U flow-sdk")
    return Check("packages", OK, ", ".join(found))


def _version_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])


def _check_settings() -> Check:
    from flow_sdk.deploy.doctor import OK, Check

    by_source: dict[str, int] = {}
    for name in config.SETTINGS:
        setting = config.read_setting(name)
        if setting.value is not None:
            source = "the environment" if setting.source.startswith("environment") else setting.source
            by_source[source] = by_source.get(source, 0) + 1
    if not by_source:
        return Check("settings", OK, f"none; they would be in {config.config_file()}")
    return Check("settings", OK, ", ".join(f"{count} from {source}" for source, count in by_source.items()))


def _check_store(no_aws: str | None) -> Check:
    from flow_sdk.deploy.doctor import NOT_LOOKED, OK, Check
    from flow_sdk.store.address import StoreAddress
    from flow_sdk.store.probe import probe_store

    root = default_store.datastore_root()
    if StoreAddress.parse(root).kind.name == "s3" and no_aws and "credentials" in no_aws:
        return Check("store", NOT_LOOKED, f"{root}: there are no credentials that AWS takes")
    return Check("store", OK, f"{root}: {probe_store(root)}")


def _count_states(checks: Sequence[Check]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for check in checks:
        counts[check.state] = counts.get(check.state, 0) + 1
    return counts


def _print_json(checks: Sequence[Check]) -> None:
    import dataclasses
    import json

    print(
        json.dumps(
            {"checks": [dataclasses.asdict(check) for check in checks], "counts": _count_states(checks)}, indent=2
        )
    )


def _print_lines(checks: Sequence[Check]) -> None:
    for check in checks:
        help = f". {check.help}" if check.help else ""
        print(f"{check.state:<14} {check.name}: {check.found.rstrip('.')}{help}")
    print(", ".join(f"{count} {state}" for state, count in _count_states(checks).items()))


CONSOLE_COMMANDS = {
    "doctor": Command(
        _examine_all,
        options=OPTIONS,
        epilog=lambda: (
            "Changes nothing, and prints no secrets. The exit code is 1 if something is missing or fails.",
        ),
    )
}
