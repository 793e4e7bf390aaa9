"""``flow-sdk configure`` and ``configure show``: the settings file."""

from __future__ import annotations

import os
import sys

from flow_sdk import config
from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.json_output import print_json
from flow_sdk.cli.parser import Argument, Command, Option
from flow_sdk.errors import UsageError
from flow_sdk.options import OUTPUT
from flow_sdk.text import mask_userinfo, suggest_name

if TYPE_CHECKING:
    from typing import Any

    from flow_sdk.cli.parser import Parsed

__all__ = ["CONSOLE_COMMANDS", "print_settings", "settings_data"]

_PROFILE = Option("profile", "The profile to show; the default one otherwise.", metavar="NAME")


def _setting_lines(indent: str = "") -> list[str]:
    width = max(map(len, config.SETTINGS))
    return [f"{indent}{name:<{width}}  {what}" for name, what in config.SETTINGS.items()]


def _set_values(parsed: Parsed) -> int:
    words = parsed.words
    if not words:
        print("\n".join(_setting_lines()))
        return 0
    changes: dict[str, str | None] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            known = [*config.SETTINGS, "aws", "show"]
            near = name.upper() if name.upper() in config.SETTINGS else name
            raise UsageError(f"{word!r} sets nothing.", wanted="NAME=VALUE", help=suggest_name(near, known))
        changes[name] = value or None
    before = config.file_settings() if changes.keys() <= config.SETTINGS.keys() else {}
    path = config.write_settings(changes)
    for name, new in changes.items():
        if new is not None:
            done = f"{name} is set to {'...' if name in config.SECRETS else mask_userinfo(new)}"
        else:
            done = f"{name} is removed" if name in before else f"{name} wasn't set"
        print(f"{done}.", file=sys.stderr)
    print(f"Settings are in {path}.", file=sys.stderr)
    return 0


def _show_settings(parsed: Parsed) -> int:
    if parsed.values["profile"] is not None:
        os.environ["FLOW_SDK_PROFILE"] = parsed.values["profile"]
    if parsed.values["output"] == "json":
        print_json(settings_data())
    else:
        print_settings()
    return 0


def print_settings() -> None:
    """Print the settings file's path, and each setting with its value and where that comes from."""
    found = settings_data()
    print(f"settings file: {found['settings_file']}")
    width = max(map(len, config.SETTINGS))
    for name, setting in found["settings"].items():
        print(f"  {name:<{width}}  {setting['value'] or '-'}  ({setting['source']})")


def settings_data() -> dict[str, Any]:
    """Return the settings file's path, and each setting with its value and source; secrets are masked."""
    settings: dict[str, Any] = {}
    for name in config.SETTINGS:
        found = config.read_setting(name)
        value = found.value and ("..." if name in config.SECRETS else mask_userinfo(found.value))
        settings[name] = {"value": value or None, "source": found.source}
    return {"settings_file": config.settings_file() or config.config_file(), "settings": settings}


CONSOLE_COMMANDS = {
    "configure": Command(
        _set_values,
        arguments=[Argument("NAME=VALUE", "A setting and its value; NAME= removes it.", required=False, repeat=True)],
        epilog=lambda: ("Settings:", *_setting_lines("  ")),
    ),
    "configure show": Command(_show_settings, options=(_PROFILE, OUTPUT)),
}
