"""Public names that Metaflow has and this release doesn't, so that whoever uses one is told so."""

__all__ = ["NAMES", "message"]

NAMES = frozenset(
    {
        "airflow_external_task_sensor",
        "airflow_s3_key_sensor",
        "card",
        "cards",
        "conda",
        "conda_base",
        "exit_hook",
        "kubernetes",
        "parallel",
        "parallel_imap_unordered",
        "parallel_map",
        "pypi",
        "pypi_base",
        "pytorch_parallel",
        "trigger",
        "trigger_on_finish",
    }
)


def message(name: str) -> str:
    """Say that a name known from Metaflow isn't here yet."""
    return f"{name!r} isn't in this release of Flow SDK."
