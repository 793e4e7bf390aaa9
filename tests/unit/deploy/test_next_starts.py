"""When a flow starts next, as ``show`` and ``create`` say it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from flow_sdk.cron.parse import parse_schedule
from flow_sdk.deploy.next_starts import next_starts_text
from tests.unit.cli.flow_file import FLOW, call, write

pytestmark = pytest.mark.slow  # starts processes or servers

CONFIGURED = """
from flow_sdk import Config, FlowSpec, config_expr, schedule, step


@schedule(cron=config_expr("settings.cron"), timezone="Asia/Tokyo")
class TrainFlow(FlowSpec):
    settings = Config("settings", required=True)

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    TrainFlow()
"""
SCHEDULED = FLOW.replace("required=True", "default=2").replace("JSONType, step", "JSONType, schedule, step")


@pytest.mark.parametrize(
    ("cron", "zone", "after", "shown"),
    [
        ("0 10 * * *", None, "2026-01-30 10:00", "Sat 2026-01-31 10:00 UTC, Sun 2026-02-01 10:00 UTC"),
        # the night in which Berlin's clocks jump from 2 to 3, and the one in which the hour comes twice
        ("30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", "Sun 2026-03-29 03:30 CEST, Mon 2026-03-30 02:30 CEST"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", "Sun 2026-10-25 02:30 CET, Mon 2026-10-26 02:30 CET"),
        ("0 10 1 1 ? 2027", None, "2026-06-01 00:00", "Fri 2027-01-01 10:00 UTC"),
        ("0 10 1 1 ? 2027", None, "2027-06-01 00:00", "never again"),
    ],
)
def test_the_next_instants_in_the_schedules_own_zone(cron: str, zone: str | None, after: str, shown: str) -> None:
    text = next_starts_text(parse_schedule(cron, zone), datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert text.startswith(shown)
    assert text.count(",") == (2 if cron.count(" ") == 4 else 0)


def test_show_and_create_say_it(tmp_path: Path) -> None:
    write(tmp_path, SCHEDULED.replace("class T", '@schedule(cron="0 10 1 1 *", timezone="Asia/Tokyo")\nclass T'))
    shown = call(tmp_path, "show").stdout
    assert shown.splitlines()[-1].startswith("Deployed, it starts by itself. Next: ") and "-01-01 10:00 JST" in shown
    for form in ("json", "dot", "mermaid", "svg"):
        assert "JST" not in call(tmp_path, "show", "--format", form).stdout
    said = call(tmp_path, "airflow", "create", "dag.py").stderr
    assert "It starts by itself unless it is paused. Next: " in said and "-01-01 10:00 JST, " in said
    write(tmp_path, SCHEDULED)
    assert "Next" not in call(tmp_path, "show").stdout + call(tmp_path, "airflow", "create", "dag.py").stderr


def test_a_schedule_from_a_config(tmp_path: Path) -> None:
    write(tmp_path, CONFIGURED)
    done = call(tmp_path, "show", "--config-value", "settings", '{"cron": "0 10 1 1 *"}')
    assert "-01-01 10:00 JST" in done.stdout
    # The graph is shown without the config, as before.
    done = call(tmp_path, "show")
    assert (done.returncode, done.stderr) == (0, "") and "Flow TrainFlow" in done.stdout
