"""``@batch``: a step runs as a job of AWS Batch. :mod:`flow_sdk.runtime.batch` starts the jobs."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import declaration_error
from flow_sdk.authoring.decorator import StepDecorator, declare_step_decorator
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from typing import Any

__all__ = ["BatchDecorator", "batch", "check_resource_tags"]

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


class BatchDecorator(StepDecorator):
    """``@batch``: see :func:`batch`. In the plan: only what differs from the defaults."""

    __slots__ = ()
    name = "batch"

    def check_attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return what differs from the defaults: numbers, texts, lists of texts, booleans and tags."""
        given = {key: value for key, value in values.items() if value is not None}
        checked: dict[str, Any] = {}
        for key in (key for key in _NUMBERS if key in given):
            least, most, above = _NUMBERS[key]
            checked[key] = self.read_number(given, key, least=least, whole=key != "cpu", above=above)
            if most is not None and checked[key] > most:
                self.refuse_value(key, given[key], f"a whole number from {least} to {most}")
        for key in (key for key in _TEXTS if key in given):
            if not isinstance(given[key], str) or not given[key] or given[key] != given[key].strip():
                self.refuse_value(key, given[key], "text without space around it")
            checked[key] = given[key]
        for key, default in _SWITCHES.items():
            if not isinstance(given.get(key, default), bool):
                self.refuse_value(key, given[key], "True or False")
            if given.get(key, default) != default:
                checked[key] = given[key]
        for key in (key for key in _LISTS if key in given):
            checked[key] = self._read_texts(key, given[key])
        if "aws_batch_tags" in given:
            try:
                checked["aws_batch_tags"] = check_resource_tags(given["aws_batch_tags"])
            except UsageError as error:
                raise declaration_error(
                    UsageError, f"@batch: {error.headline}", seen=error.seen, wanted=error.wanted, help=error.help
                ) from None
        self._merge_neuron_devices(checked)
        if checked.get("use_tmpfs") or "tmpfs_size" in checked:
            checked["tmpfs_path"] = self._read_path("tmpfs_path", given.get("tmpfs_path", TMPFS_PATH))
        return checked

    def attributes(self) -> dict[str, Any]:
        """Return what differs from the defaults, as JSON values, in a fixed order."""
        return {key: list(value) if isinstance(value, list) else value for key, value in super().attributes().items()}

    def _merge_neuron_devices(self, checked: dict[str, Any]) -> None:
        """Replace ``trainium`` by ``inferentia``: AWS Batch has one name for the devices of both."""
        if "trainium" in checked:
            if "inferentia" in checked:
                raise declaration_error(
                    UsageError,
                    "@batch has both inferentia and trainium.",
                    wanted="one of them: both mean the Neuron devices of the machine",
                )
            checked["inferentia"] = checked.pop("trainium")

    def _read_texts(self, key: str, value: Any) -> list[str]:
        """Return a text, or a list of texts, as a list."""
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list | tuple):
            self.refuse_value(key, value, _LISTS[key])
        for text in texts:
            if not isinstance(text, str) or not text or "\0" in text:
                self.refuse_value(key, value, _LISTS[key])
            source, colon, path = text.partition(":")
            if key == "log_options":
                if not source or not colon:
                    self.refuse_value(key, value, _LISTS[key])
                continue
            if key == "host_volumes":
                self._read_path(key, source)
            path, mode, access = path.partition(":")
            if mode and access not in ("ro", "rw"):
                self.refuse_value(key, text, _LISTS[key])
            if colon:
                self._read_path(key, path)
        return list(texts)

    def _read_path(self, key: str, path: Any) -> str:
        if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
            self.refuse_value(key, path, "an absolute path")
        return str(path)


@declare_step_decorator(BatchDecorator)
def batch(
    *,
    cpu: float | str | None = None,
    gpu: int | str | None = None,
    memory: int | str | None = None,
    image: str | None = None,
    queue: str | None = None,
    iam_role: str | None = None,
    execution_role: str | None = None,
    shared_memory: int | str | None = None,
    max_swap: int | str | None = None,
    swappiness: int | str | None = None,
    inferentia: int | str | None = None,
    trainium: int | str | None = None,
    efa: int | str | None = None,
    host_volumes: str | list[str] | None = None,
    efs_volumes: str | list[str] | None = None,
    use_tmpfs: bool = False,
    tmpfs_tempdir: bool = True,
    tmpfs_size: int | str | None = None,
    tmpfs_path: str | None = TMPFS_PATH,
    ephemeral_storage: int | str | None = None,
    log_driver: str | None = None,
    log_options: str | list[str] | None = None,
    aws_batch_tags: dict[str, str] | None = None,
    privileged: bool = False,
) -> None:
    """Run a step as a job of AWS Batch. ``@resources`` counts too: of two numbers the larger.

    Parameters
    ----------
    cpu : float, optional
        Processor cores, > 0; 1 when left out.
    gpu : int, optional
        GPUs, >= 0.
    memory : int, optional
        MiB, > 0; 4096 when left out.
    image : str, optional
        Container image, with Flow SDK in it; from the settings when left out, as are the next three.
    queue : str, optional
        Job queue.
    iam_role, execution_role : str, optional
        ARNs of the roles of the step's code and of what starts the container.
    shared_memory, max_swap : int, optional
        MiB, >= 0.
    swappiness : int, optional
        0 to 100.
    inferentia, trainium, efa : int, optional
        Devices: Neuron (0 to 16; one of the two names) and Elastic Fabric Adapter (0 to 32).
    host_volumes, efs_volumes : str or list of str, optional
        ``/path`` or ``fs-id``, each with ``:/in/container`` where it has another path there.
    use_tmpfs : bool
        Whether a file system in memory is mounted.
    tmpfs_tempdir : bool
        Whether temporary files go there.
    tmpfs_size : int, optional
        MiB, > 0; half of the memory when left out.
    tmpfs_path : str
        Where it is mounted.
    ephemeral_storage : int, optional
        GiB, 21 to 200; on Fargate.
    log_driver : str, optional
        The container's log driver.
    log_options : str or list of str, optional
        Its options, ``key:value``.
    aws_batch_tags : dict of str to str, optional
        Tags of the jobs.
    privileged : bool
        Whether the container is privileged.
    """


def check_resource_tags(tags: Any) -> dict[str, str]:
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
