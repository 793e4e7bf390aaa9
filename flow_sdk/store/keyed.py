"""What an object of a store is, told by its key alone."""

import re
from dataclasses import dataclass

__all__ = ["Kind", "kind_of"]

_FLOW = r"flows/(?P<flow>[^/]+)/"
_RUN = _FLOW + r"runs/(?P<run>[^/]+)/"
_TASK = _RUN + r"steps/(?P<step>[^/]+)/(?P<task>[^/]+)/"
_ATTEMPT = _TASK + r"(?P<attempt>[0-9]+)/"

_FORMS = {
    "marker": r"store\.json|store\.probe",
    "blob": r"blobs/(?P<two>[0-9a-f]{2})/(?P<digest>(?P=two)[0-9a-f]{62})",
    "commit": _TASK + r"commit(\.[0-9]+)?\.json",
    "start": _ATTEMPT + r"start\.json",
    "manifest": _ATTEMPT + r"manifest\.json",
    "log": _ATTEMPT + r"log/[0-9]+",
    "handoff": _TASK + r"next\.json",
    "run": _RUN + r"run\.json",
    "end": _RUN + r"end\.json",
    "input": _RUN + r"input\.json",
    "heartbeat": _RUN + r"heartbeat\.json",
    "alive": _RUN + r"alive/[^/]+",
    "events": _RUN + r"events/[^/]+/[^/]+",
    "failure": _RUN + r"failures/(?P<step>[^/]+)/(?P<task>[^/]+)\.json",
    "request": _RUN + r"requests/(?P<digest>[0-9a-f]{64})\.json",
    "tag": _RUN + r"tags/[^/]+",
    "tagging": _RUN + r"tagging/.+",
    "resumed": _RUN + r"resumed/[^/]+",
    "file": _RUN + r"files/.+",
    "index": _FLOW + r"index/(?P<tag>[^/]+)/(?P<entry>[0-9]{16}-[^/]+)(/.+)?",
    "number": _FLOW + r"numbers/[0-9]+",
    "token": r"deployments/(?P<name>[^/]+)/tokens/[0-9]+\.json",
    "release": r"deployments/(?P<name>[^/]+)/releases/(?P<target>[^/]+)/[^/]+\.json",
    "collection": r"gc/.+",
}
_KINDS = {kind: re.compile(form, re.ASCII) for kind, form in _FORMS.items()}
_FIRST = {
    "blobs": ("blob",),
    "flows": tuple(kind for kind, form in _FORMS.items() if form.startswith(_FLOW)),
    "deployments": ("token", "release"),
    "gc": ("collection",),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What an object is.

    Parameters
    ----------
    name : str
        ``blob``, ``run``, ``commit``, ``manifest``, ``log`` and so on; ``foreign`` for what isn't Flow SDK's.
    parts : dict of str to str
        What its key says, as far as it does: ``digest``, ``flow``, ``run``, ``step``, ``task``, ``attempt``, ``tag``,
        ``entry``, ``name``, ``target``.
    """

    name: str
    parts: dict[str, str]


def kind_of(key: str) -> Kind:
    """Tell what an object is.

    Parameters
    ----------
    key : str
        Its key.

    Returns
    -------
    Kind
        ``foreign`` if nothing of ours has such a key.
    """
    for name in _FIRST.get(key.partition("/")[0], ("marker",)):
        found = _KINDS[name].fullmatch(key)
        if found is not None:
            return Kind(name, found.groupdict())
    return Kind("foreign", {})
