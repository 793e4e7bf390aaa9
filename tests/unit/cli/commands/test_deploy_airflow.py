"""The ``airflow`` commands: what is refused, what is written and removed, what Airflow is sent."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from flow_sdk.deploy.airflow.runtime import airflow_run_id
from tests.support.airflow_web_server import airflow3, data, page, web_server
from tests.support.ports import free_port
from tests.unit.cli.flow_file import FLOW, call, files, write

pytestmark = pytest.mark.slow  # starts processes or servers

DEPLOYABLE = FLOW.replace("required=True", "default=2")


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, DEPLOYABLE)
    (tmp_path / "dags").mkdir()
    return tmp_path


REFUSED = [
    ("airflow create", 2, "airflow create needs to know where to write."),
    ("airflow create dags x", 2, "airflow create doesn't take 'x'."),
    ("airflow create dags --max-workers 0", 2, "--max-workers can't be '0'."),
    ("airflow create dags --workflow-timeout soon", 2, "--workflow-timeout can't be 'soon'."),
    ("airflow create dags --workflow-timout 3", 2, "Did you mean '--workflow-timeout'?"),
    ("airflow create dags --authorize token", 1, "TrainFlow has never been deployed, so there is no token"),
    ("airflow create dags --airflow-cli", 1, "Airflow's own command line isn't on this machine."),
    ("airflow create dags --with rety", 2, "Did you mean 'retry'?"),
    ("airflow create dags --wait", 2, "airflow create needs to know where Airflow is."),
    ("airflow create dags --wait --airflow-url localhost:8080", 2, "This isn't the address of an Airflow."),
    ("airflow create nowhere", 1, "There is no such folder for the DAG file."),
    ("airflow create nowhere/dag.py", 1, "There is no such folder for the DAG file."),
    ("airflow create train.py", 1, "There is another file of that name"),
    ("airflow create ftp://x/dag.py", 1, "A DAG file can't go there."),
    ("airflow create dags/x.py --name a/b", 1, "Airflow takes no DAG of this name."),
    ("airflow trigger", 2, "airflow trigger needs to know where Airflow is."),
    ("airflow trigger --folds many", 2, "The parameter 'folds' can't take this value."),
    ("airflow trigger --fold 3", 2, "Did you mean '--folds'?"),
    ("airflow creat dags", 2, "Did you mean 'create'?"),
    ("airflow", 2, "create or trigger or list-runs or status or terminate or delete"),
    ("airflow list-runs", 2, "airflow list-runs needs to know where Airflow is."),
    ("airflow list-runs --done", 2, "There's no option '--done'."),
    ("airflow status airflow-x", 2, "airflow status needs to know where Airflow is."),
    ("airflow terminate", 2, "airflow terminate needs RUN."),
    ("airflow terminate x", 2, "airflow terminate needs to know where Airflow is."),
    ("airflow delete", 2, "airflow delete needs to know where the DAG file is."),
    ("airflow delete dags --history", 2, "airflow delete needs to know where Airflow is."),
    ("airflow delete dags", 1, "TrainFlow has never been deployed."),
    ("airflow delete train.py", 1, "There is another file of that name"),
    ("airflow delete nowhere", 1, "There is no such folder for the DAG file."),
]


@pytest.mark.parametrize(("line", "code", "text"), REFUSED)
def test_what_is_refused_leaves_nothing(folder, line, code, text):
    done = call(folder, *line.split())
    assert done.returncode == code, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert files(folder) == {"train.py", "dags"}


def test_a_tag_that_airflow_refuses(folder):
    done = call(folder, "airflow", "create", "dags", "--tag", "x" * 101)
    assert done.returncode == 1 and "A tag can't be used on Airflow." in done.stderr
    assert files(folder) == {"train.py", "dags"}


def test_a_parameter_without_a_default_and_a_schedule(tmp_path):
    text = FLOW.replace("JSONType, step", "JSONType, schedule, step").replace(
        "class T", "@schedule(daily=True)\nclass T"
    )
    write(tmp_path, text)
    done = call(tmp_path, "airflow", "create", "dag.py")
    assert done.returncode == 1 and "folds" in done.stderr
    assert files(tmp_path) == {"train.py"}


def test_an_airflow_that_does_not_answer_is_known_before_anything_is_written(folder):
    done = call(folder, "airflow", "create", "dags", "--wait", "--airflow-url", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "Airflow doesn't answer." in done.stderr
    assert files(folder) == {"train.py", "dags"}


def test_create_writes_the_same_file_again(folder):
    done = call(folder, "airflow", "create", "dags", "--tag", "a b", "--namespace", "production:x")
    assert (done.returncode, done.stdout) == (0, "dags/TrainFlow.py\n"), done.stderr
    assert "DAG TrainFlow is written; runs are in production:x." in done.stderr
    assert "every worker must see the same folder" in done.stderr
    text = (folder / "dags" / "TrainFlow.py").read_bytes()
    # Neither a second deployment beside it nor the file itself changes the code package.
    assert call(folder, "airflow", "create", "dags", "--name", "other", "--quiet").stderr == ""
    done = call(folder, "airflow", "create", "dags", "--tag", "a b", "--namespace", "production:x")
    assert "up to date" in done.stderr
    assert (folder / "dags" / "TrainFlow.py").read_bytes() == text


def test_delete_without_an_airflow(folder):
    assert call(folder, "airflow", "create", "dags").returncode == 0
    assert call(folder, "airflow", "create", "dags/other.py", "--name", "other").returncode == 0
    before = files(folder)
    bob = {"FLOW_SDK_USER": "bob", "FLOW_SDK_HOME": str(folder.parent / "bob")}
    done = call(folder, "airflow", "delete", "dags", environment=bob)
    assert done.returncode == 1 and "production token of tester" in done.stderr
    done = call(folder, "airflow", "delete", "dags/other.py")
    assert done.returncode == 1 and "This file isn't that of TrainFlow. Nothing was deleted." in done.stderr
    assert files(folder) == before
    done = call(folder, "airflow", "delete", "dags")
    assert (done.returncode, done.stdout) == (0, "dags/TrainFlow.py\n"), done.stderr
    assert "Deleted: the DAG file.\nWhat remains: all runs and artifacts in" in done.stderr
    assert "its Variable flow_sdk.token.TrainFlow stays, if there is one" in done.stderr
    assert files(folder) == before - {"dags/TrainFlow.py"}
    done = call(folder, "airflow", "delete", "dags")
    assert (done.returncode, done.stdout) == (0, "") and "there was nothing to delete" in done.stderr
    # The name still belongs to whoever holds its token.
    assert call(folder, "airflow", "create", "dags", environment=bob).returncode == 1
    assert "first deployment" not in call(folder, "airflow", "create", "dags").stderr


def data_of(folder, *options: str) -> dict[str, Any]:
    (folder / "dag.py").unlink(missing_ok=True)  # of another name, it would be refused
    done = call(folder, "airflow", "create", "dag.py", "--quiet", *options)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = {}
    source = (folder / "dag.py").read_text().replace("from flow_provider import load_dags", "")
    exec(source, {"load_dags": lambda data: seen.update(data) or {}})
    return seen


def test_the_options_reach_the_file(folder):
    plain = data_of(folder)
    assert (plain["dag"], plain["max_workers"]) == ("TrainFlow", 100)
    assert plain["namespace"].startswith("production:trainflow-0-")
    assert "paused" not in plain and "worker_pool" not in plain and "workflow_timeout" not in plain
    full = data_of(
        folder,
        *("--name", "mine", "--tag", "a", "--tag", "b", "--max-workers", "7", "--workflow-timeout", "60"),
        *("--worker-pool", "slow", "--is-paused-upon-creation"),
    )
    wanted = {"dag": "mine", "tags": ["a", "b"], "max_workers": 7, "workflow_timeout": 60}
    wanted |= {"worker_pool": "slow", "paused": True}
    assert {name: full[name] for name in wanted} == wanted
    assert data_of(folder, "--no-is-paused-upon-creation")["paused"] is False


def test_whoever_deploys_the_owner_is_that_of_the_token_and_the_bytes_are_the_same(folder):
    done = call(folder, "airflow", "create", "dags")
    token = done.stderr.partition("--authorize=")[2].split()[0]
    text = (folder / "dags" / "TrainFlow.py").read_bytes()
    assert b"\"owner\": 'tester'" in text
    bob = {"FLOW_SDK_USER": "bob", "FLOW_SDK_HOME": str(folder.parent / "bob")}
    done = call(folder, "airflow", "create", "dags", "--authorize", token, environment=bob)
    assert done.returncode == 0 and "up to date" in done.stderr
    assert (folder / "dags" / "TrainFlow.py").read_bytes() == text


def test_the_line_for_others_holds_no_command_that_prints_a_token(folder, managed):
    where = ("--airflow-url", managed.url, "--airflow-token-command", "echo jwt")
    done = call(folder, "airflow", "create", "dags", *where)
    assert done.returncode == 0, done.stderr
    assert "--airflow-url" in done.stderr and "--authorize=" in done.stderr and "echo jwt" not in done.stderr
    assert "lacks the permission 'can read on Variables'" in done.stderr


def test_with_reaches_the_plan(folder):
    steps = {step["name"]: step for step in data_of(folder, "--with", "retry:times=5")["plan"]["steps"]}
    assert steps["fit"]["decorators"][0][0] == "retry"
    assert steps["fit"]["decorators"][0][1]["times"] == 5


def test_the_folder_from_the_settings(folder):
    done = call(folder, "airflow", "create", environment={"FLOW_SDK_AIRFLOW_DAGS_FOLDER": "dags"})
    assert (done.returncode, done.stdout) == (0, "dags/TrainFlow.py\n")


class FakeAirflow(http.server.BaseHTTPRequestHandler):
    """As much of Airflow 3's REST API as a trigger needs; keeps what it was sent."""

    sent: list[dict[str, Any]]
    logins: list[dict[str, Any]]

    def _answer(self, status: int, data: Any) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/api/v2/version":
            self._answer(200, {"version": "3.3.2"})
        else:
            self._answer(404, {"detail": "nothing here"})

    def do_POST(self) -> None:
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/auth/token":
            self.logins.append(data)
            self._answer(201 if data["password"] == "secret" else 401, {"access_token": "t"})
        elif self.path == "/api/v2/dags/TrainFlow/dagRuns" and self.headers["Authorization"] == "Bearer t":
            self.sent.append(data)
            self._answer(200, {"dag_run_id": data.get("dag_run_id") or "manual__1"})
        else:
            self._answer(404, {"detail": "no such DAG"})

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def airflow() -> Iterator[tuple[str, type[FakeAirflow]]]:
    mine = type("Mine", (FakeAirflow,), {"sent": [], "logins": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), mine)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", mine
    server.shutdown()
    server.server_close()
    thread.join()


WHO = {"FLOW_SDK_AIRFLOW_USER": "anne", "FLOW_SDK_AIRFLOW_PASSWORD": "secret"}


def test_trigger_sends_values_as_data(folder, airflow):
    url, seen = airflow
    text = "$(id) `x` {{ y }}\n'\" 😀"
    done = call(
        folder,
        *("airflow", "trigger", "--airflow-url", url, "--run-id", "mine", "--names", text),
        *("--folds", "3", "--shuffle", "no", "--grid", '{"a": [1.5]}'),
        environment=WHO,
    )
    assert (done.returncode, done.stdout) == (0, "airflow-mine\n"), done.stderr
    assert seen.sent[0]["dag_run_id"] == "mine"
    # What isn't given keeps the default it was deployed with.
    assert seen.sent[0]["conf"] == {"folds": 3, "shuffle": False, "grid": {"a": [1.5]}, "names": [text]}
    assert seen.logins == [{"username": "anne", "password": "secret"}]


def test_trigger_says_what_airflow_refuses(folder, airflow):
    url, seen = airflow
    done = call(folder, "airflow", "trigger", "--airflow-url", url, "--name", "other", environment=WHO)
    assert done.returncode == 1 and "other" in done.stderr and "404" in done.stderr
    done = call(
        folder,
        "airflow",
        "trigger",
        environment={**WHO, "FLOW_SDK_AIRFLOW_URL": url, "FLOW_SDK_AIRFLOW_PASSWORD": "no"},
    )
    assert done.returncode == 1 and "refused the login" in done.stderr
    assert seen.sent == []
    assert "Traceback" not in done.stderr


@pytest.fixture
def managed() -> Iterator[Any]:
    """An Airflow that takes the token "jwt", lets nobody log in, and keeps its Variables to itself."""

    def refuse(method, path, headers, body):
        if "/variables" in path:
            return data({"detail": "Forbidden"}, 403)
        return page("no", 403) if path == "/auth/token" else None

    with web_server(airflow3(refuse, tokens=("jwt",))) as web:
        yield web


def test_a_token_or_a_command_that_prints_one_takes_the_place_of_a_login(folder, managed):
    where = {"FLOW_SDK_AIRFLOW_URL": managed.url}
    # The DAG isn't there, which is known only to whom Airflow answers.
    known = "Airflow doesn't know the DAG TrainFlow."
    for given in ({"FLOW_SDK_AIRFLOW_TOKEN": "jwt"}, {"METAFLOW_AIRFLOW_TOKEN_COMMAND": "echo jwt"}):
        assert known in call(folder, "airflow", "list-runs", environment={**where, **given}).stderr
    words = ("airflow", "list-runs", "--airflow-token-command", "printf jwt")
    wrong = {**where, "FLOW_SDK_AIRFLOW_TOKEN": "other"}
    assert known in call(folder, *words, environment=wrong).stderr
    done = call(folder, "airflow", "list-runs", environment=wrong)
    assert "refused the token" in done.stderr and "environment variable FLOW_SDK_AIRFLOW_TOKEN" in done.stderr
    # A user who is named on the command line comes before the token of a setting.
    done = call(folder, "airflow", "list-runs", "--airflow-user", "anne", environment={**wrong, **WHO})
    assert done.returncode == 1 and "/auth/token" in managed.paths() and "Traceback" not in done.stderr


def test_a_token_in_the_settings_is_shown_to_nobody(folder):
    env = {"FLOW_SDK_AIRFLOW_TOKEN": "secret-token"}
    done = call(folder, "airflow", "trigger", environment=env)
    assert done.returncode == 2 and "secret" not in done.stderr + done.stdout


def states_of(is_paused: bool, taken: str = ""):
    """An Airflow 3 with the DAG, paused or not, and one run's id taken."""

    def answer(method, path, headers, body):
        if path.endswith("/details"):
            return data({"dag_id": "TrainFlow", "is_paused": is_paused, "doc_md": ""})
        if method == "POST" and path.endswith("/dagRuns"):
            given = json.loads(body).get("dag_run_id")
            return (
                data({"detail": "Serious error"}, 409) if given == taken else data({"dag_run_id": given or "manual__1"})
            )
        return None

    return airflow3(answer)


def test_trigger_gives_the_id_that_resume_takes_and_says_that_a_paused_dag_waits(folder):
    env = {"FLOW_SDK_AIRFLOW_TOKEN": "t"}
    for is_paused in (False, True):
        with web_server(states_of(is_paused)) as web:
            words = ("--airflow-url", web.url, "--run-id-file", "id", "--name", "other")
            done = call(folder, "airflow", "trigger", *words, environment=env)
        run = airflow_run_id("other", "TrainFlow", "manual__1")
        assert (done.returncode, done.stdout) == (0, f"{run}\n"), done.stderr
        assert (folder / "id").read_text() == run and f"airflow status {run}" in done.stderr
        assert ("is paused: the run waits" in done.stderr) is is_paused


def test_a_run_id_that_cant_be_used_is_refused_before_anything_is_sent(folder):
    env = {"FLOW_SDK_AIRFLOW_TOKEN": "t"}
    with web_server(states_of(False, taken="one")) as web:
        where = ("--airflow-url", web.url)
        for given in ("x" * 251, "a b", "", "a/b"):
            done = call(folder, "airflow", "trigger", *where, "--run-id", given, environment=env)
            assert done.returncode == 2 and "--run-id" in done.stderr
        done = call(folder, "airflow", "trigger", *where, "--run-id-file", "no/folder/id", environment=env)
        assert done.returncode == 2 and web.seen == []
        for given in ("one", "airflow-one"):
            done = call(folder, "airflow", "trigger", *where, "--run-id", given, environment=env)
            assert done.returncode == 1 and "There is a run airflow-one in Airflow already" in done.stderr
            assert "Serious" not in done.stderr
