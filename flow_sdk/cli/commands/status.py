"""``flow-sdk status``: which settings hold, and where each comes from."""

from __future__ import annotations

import sys

from flow_sdk import config, default_store
from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.commands.configure import print_settings, settings_data
from flow_sdk.cli.commands.version import describe_versions
from flow_sdk.cli.json_output import print_json
from flow_sdk.cli.parser import Command
from flow_sdk.errors import FlowSDKError
from flow_sdk.options import OUTPUT
from flow_sdk.release import __version__

if TYPE_CHECKING:
    from typing import Any

    from flow_sdk.cli.parser import Parsed

__all__ = ["CONSOLE_COMMANDS"]


def _show_status(parsed: Parsed) -> int:
    if parsed.values["output"] == "json":
        print_json(_status_data())
        return 0
    print(describe_versions())
    print_settings()
    print(f"user: {config.user_name()}")
    try:
        print(f"store: {default_store.datastore_root()}")
    except FlowSDKError as error:
        print(f"store: none ({error.headline})")
    return 0


def _status_data() -> dict[str, Any]:
    store = store_error = None
    try:
        store = default_store.datastore_root()
    except FlowSDKError as error:
        store_error = error.as_data()
    versions = {"version": __version__, "python": sys.version.split()[0], "platform": sys.platform}
    return {**versions, **settings_data(), "user": config.user_name(), "store": store, "store_error": store_error}


CONSOLE_COMMANDS = {"status": Command(_show_status, options=(OUTPUT,))}
