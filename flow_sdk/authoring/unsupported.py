"""Names of Metaflow that Flow SDK doesn't have: they can be imported, and using one is an error.

Decorators without effect are in :mod:`flow_sdk.authoring.inactive_decorators`, Metaflow's modules in
:mod:`flow_sdk.compatibility.modules`.
"""

from __future__ import annotations

from typing import Any, NoReturn

from flow_sdk.authoring.declaration_errors import declaration_error
from flow_sdk.errors import UsageError

__all__ = ["NAMES", "UnsupportedName"]

NAMES = frozenset(
    {
        "JSONTypeClass",
        "R",
        "Snowflake",
        "conda_environment_yml_parser",
        "inspect_spin",
        "pyproject_toml_parser",
        "req_parser",
        "requirements_txt_parser",
        "yaml_parser",
    }
)


class UnsupportedName:
    """Stands for a function, class or constant that isn't there.

    Parameters
    ----------
    name : str
        Its name with its module, as Metaflow has it.
    """

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def _usage_error(self) -> UsageError:
        return declaration_error(
            UsageError,
            f"{self.__name__!r} of Metaflow isn't in this release of Flow SDK.",
            help="Leave out what uses it; docs/coming-from-metaflow.md lists what there is.",
        )

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise self._usage_error()

    def __mro_entries__(self, bases: tuple[Any, ...]) -> NoReturn:
        raise self._usage_error()

    def __enter__(self) -> NoReturn:
        raise self._usage_error()

    def __exit__(self, *args: object) -> None: ...

    def __iter__(self) -> NoReturn:
        raise self._usage_error()

    def __getitem__(self, key: Any) -> NoReturn:
        raise self._usage_error()

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # Python itself asks
        raise self._usage_error()

    def __repr__(self) -> str:
        return f"<{self.__name__} of Metaflow, not in Flow SDK>"
