"""``@batch`` as data: which attributes it has, and what values these can have."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import refused
from flow_sdk.authoring.decorator import Decorator
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["Batch", "check_tags"]

TMPFS_PATH = "/metaflow_temp"
"""Where users' code expects the file system in memory."""
MOST_TAGS = 40
"""AWS takes 50 on a resource; ours and those of Step Functions have to fit, too."""
LONGEST_KEY, LONGEST_VALUE = 128, 256

_NUMBERS: dict[str, tuple[int, int | None, bool]] = {
    "cpu": (0, None, True),
    "gpu": (0, None, False),
    "memory": (0, None, True),
    "shared_memory": (0, None, False),
    "max_swap": (0, None, False),
    "swappiness": (0, 100, False),
    "inferentia": (0, 16, False),
    "trainium": (0, 16, False),
    "efa": (0, 32, False),
    "tmpfs_size": (0, None, True),
    "ephemeral_storage": (21, 200, False),
}
"""The least, the most, and whether it must be above the least. All are whole but the cores."""
_TEXTS = ("image", "queue", "iam_role", "execution_role", "log_driver")
_SWITCHES = {"use_tmpfs": False, "tmpfs_tempdir": True, "privileged": False}
_LISTS = {
    "host_volumes": "absolute paths such as /data, /data:/in/container or /data:/in/container:ro",
    "efs_volumes": "file systems such as fs-1234, fs-1234:/in/container or fs-1234:/in/container:ro",
    "log_options": "text of the form key:value, such as awslogs-group:/aws/batch/job",
}


class Batch(Decorator):
    """``@batch``: see :func:`flow_sdk.authoring.decorators.batch`. In the plan: only what differs from the defaults."""

    __slots__ = ()
    name = "batch"
    defaults: Mapping[str, Any] = {
        **dict.fromkeys((*_NUMBERS, *_TEXTS, *_LISTS, "aws_batch_tags")),
        **_SWITCHES,
        "tmpfs_path": TMPFS_PATH,
    }

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        given = {key: value for key, value in values.items() if value is not None}
        checked: dict[str, Any] = {}
        for key in (key for key in _NUMBERS if key in given):
            least, most, above = _NUMBERS[key]
            checked[key] = self.number(given, key, least=least, whole=key != "cpu", above=above)
            if most is not None and checked[key] > most:
                self.bad(key, given[key], f"a whole number from {least} to {most}")
        for key in (key for key in _TEXTS if key in given):
            if not isinstance(given[key], str) or not given[key] or given[key] != given[key].strip():
                self.bad(key, given[key], "text without space around it")
            checked[key] = given[key]
        for key, default in _SWITCHES.items():
            if not isinstance(given.get(key, default), bool):
                self.bad(key, given[key], "True or False")
            if given.get(key, default) != default:
                checked[key] = given[key]
        for key in (key for key in _LISTS if key in given):
            checked[key] = self._texts(key, given[key])
        if "aws_batch_tags" in given:
            try:
                checked["aws_batch_tags"] = check_tags(given["aws_batch_tags"])
            except UsageError as error:
                raise refused(
                    UsageError, f"@batch: {error.headline}", seen=error.seen, wanted=error.wanted, help=error.help
                ) from None
        self._neuron(checked)
        if checked.get("use_tmpfs") or "tmpfs_size" in checked:
            checked["tmpfs_path"] = self._path("tmpfs_path", given.get("tmpfs_path", TMPFS_PATH))
        return checked

    def attributes(self) -> dict[str, Any]:
        """What was given, as JSON values, in a fixed order."""
        return {key: list(value) if isinstance(value, list) else value for key, value in super().attributes().items()}

    def _neuron(self, checked: dict[str, Any]) -> None:
        """Trainium's devices are called as Inferentia's are: one name in the plan."""
        if "trainium" in checked:
            if "inferentia" in checked:
                raise refused(
                    UsageError,
                    "@batch has both inferentia and trainium.",
                    wanted="one of them: both mean the Neuron devices of the machine",
                )
            checked["inferentia"] = checked.pop("trainium")

    def _texts(self, key: str, value: Any) -> list[str]:
        """A text or a list of them as a list."""
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list | tuple):
            self.bad(key, value, _LISTS[key])
        for text in texts:
            if not isinstance(text, str) or not text or "\0" in text:
                self.bad(key, value, _LISTS[key])
            source, colon, path = text.partition(":")
            if key == "log_options":
                if not source or not colon:
                    self.bad(key, value, _LISTS[key])
                continue
            if key == "host_volumes":
                self._path(key, source)
            path, mode, access = path.partition(":")
            if mode and access not in ("ro", "rw"):
                self.bad(key, text, _LISTS[key])
            if colon:
                self._path(key, path)
        return list(texts)

    def _path(self, key: str, path: Any) -> str:
        if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
            self.bad(key, path, "an absolute path")
        return str(path)


def check_tags(tags: Any) -> dict[str, str]:
    """Check tags of AWS.

    Parameters
    ----------
    tags : object
        What should be a dict of text to text: keys of 1 to 128 characters that don't begin with ``aws:``, values of at
        most 256; letters, digits, spaces and ``_.:/=+-@`` (AWS General Reference, Tagging).

    Returns
    -------
    dict of str to str
        The tags.

    Raises
    ------
    UsageError
        If AWS wouldn't take one.
    """
    if not isinstance(tags, dict):
        raise UsageError("tags of AWS are a dict of text to text.", seen=repr(tags))
    if len(tags) > MOST_TAGS:
        raise UsageError("there are too many tags.", seen=str(len(tags)), wanted=f"at most {MOST_TAGS}")
    for key, value in tags.items():
        for text, longest in ((key, LONGEST_KEY), (value, LONGEST_VALUE)):
            if (
                not isinstance(text, str)
                or len(text) > longest
                or not all(character.isalnum() or character in " _.:/=+-@" for character in text)
            ):
                raise UsageError(
                    "AWS doesn't take this tag.",
                    seen=f"{key!r}: {value!r}",
                    wanted=f"text of letters, digits, spaces and _.:/=+-@ (at most {longest})",
                )
        if not key or key.lower().startswith("aws:"):
            raise UsageError(
                "AWS doesn't take this tag.",
                seen=repr(key),
                wanted="a key that doesn't begin with aws:",
            )
    return dict(tags)
