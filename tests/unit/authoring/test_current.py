"""``current``: facts while a task runs, nothing otherwise."""

import pytest

from flow_sdk.authoring.current import FIELDS, Current


def test_outside_a_task() -> None:
    current = Current()
    assert current.is_running_flow is False
    assert all(getattr(current, name) is None for name in FIELDS if name != "is_running_flow")
    assert "run_id" not in current
    assert current.get("run_id", "none") == "none"
    assert current.run is None  # type: ignore[attr-defined]


def test_inside_a_task() -> None:
    asked = []

    def client(kind: str, pathspec: str) -> str:
        asked.append((kind, pathspec))
        return f"<{pathspec}>"

    current = Current()
    current._set_task(pathspec="F/7/start/0", run_id="7", retry_count=0, client=client)
    assert current.is_running_flow is True
    assert (current.run_id, current.get("run_id"), "run_id" in current) == ("7", "7", True)
    assert current.retry_count == 0
    assert current.get("retry_count", 5) == 0
    assert asked == []
    assert [current.flow, current.run, current.task] == ["<F>", "<F/7>", "<F/7/start/0>"]  # type: ignore[attr-defined]
    assert asked == [("flow", "F"), ("run", "F/7"), ("task", "F/7/start/0")]
    current._clear_task()
    assert current.run_id is None
    assert not current.is_running_flow


def test_names_of_other_decorators() -> None:
    current = Current()
    with pytest.raises(AttributeError, match="flows with @project only"):
        _ = current.project_name  # type: ignore[attr-defined]
    assert "project_name" not in current
    assert current.get("card", 1) == 1
    current._set_task(project_name="p")
    assert current.project_name == "p"  # type: ignore[attr-defined]


def test_unknown_names() -> None:
    current = Current()
    with pytest.raises(AttributeError, match="Did you mean 'run_id'"):
        _ = current.runid  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="nonsense"):
        current._set_task(nonsense=1)
    assert {"run", "task_id"} <= set(dir(current))
