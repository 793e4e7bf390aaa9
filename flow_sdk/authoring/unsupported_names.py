"""Public names that Metaflow has and this release doesn't: they can be imported, and say so when they are used.

Decorators without effect are in :mod:`flow_sdk.authoring.inactive_decorators`, Metaflow's modules in
:mod:`flow_sdk.compatibility.modules`.
"""

__all__ = ["NAMES"]

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
