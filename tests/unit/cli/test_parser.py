"""Taking command lines apart."""

import pytest

from flow_sdk.cli.parser import Option, parse_line
from flow_sdk.errors import UsageError

GENERAL = [Option("datastore", choices=("local", "s3")), Option("quiet", flag=True), Option("with", repeat=True)]
OWN = [Option("tag", repeat=True), Option("max-workers", default=16, least=1)]
PARAMETERS = [Option("alpha", metavar="FLOAT"), Option("datastore")]


def line(text: str):
    return parse_line(text.split(), GENERAL, OWN, PARAMETERS)


@pytest.mark.parametrize(
    "text",
    [
        "run --tag a --tag b --datastore=local --quiet --max-workers 3",
        "--tag a run --tag b --max-workers=3 --quiet --datastore=local",
        "--quiet --datastore local --max-workers 3 --tag a --tag=b run",
    ],
)
def test_options_stand_before_or_after_the_command(text):
    parsed = parse_line(text.split(), GENERAL, OWN)
    assert parsed.words == ["run"]
    assert parsed.values == {"datastore": "local", "quiet": True, "with": (), "tag": ("a", "b"), "max-workers": 3}
    assert parsed.given == {"datastore", "quiet", "tag", "max-workers"}


def test_defaults():
    parsed = line("run")
    assert parsed.values == {"datastore": None, "quiet": False, "with": (), "tag": (), "max-workers": 16}
    assert parsed.parameters == {} and parsed.given == set()


def test_a_parameter_may_be_called_like_an_option():
    parsed = line("--datastore local run --datastore mine --alpha -0.5")
    assert parsed.values["datastore"] == "local"
    assert parsed.parameters == {"datastore": "mine", "alpha": "-0.5"}


def test_a_parameter_may_stand_before_the_command():
    assert line("--alpha 1 run").parameters == {"alpha": "1"}


def test_values_are_taken_as_they_are():
    hostile = ["run", "--alpha", "$(id) `x` {{ y }}\n'\" 😀", "--tag=--quiet", "--tag", "-", "--tag", ""]
    parsed = parse_line(hostile, GENERAL, OWN, PARAMETERS)
    assert parsed.parameters["alpha"] == "$(id) `x` {{ y }}\n'\" 😀"
    assert parsed.values["tag"] == ("--quiet", "-", "")


def test_two_dashes_end_the_options():
    assert parse_line(["dump", "--", "--quiet", "-x"], GENERAL).words == ["dump", "--quiet", "-x"]


def test_a_flag_can_be_unset():
    assert parse_line(["--no-quiet"], GENERAL).values["quiet"] is False


@pytest.mark.parametrize(
    ("text", "headline", "help"),
    [
        ("run --alhpa 1", "no option '--alhpa'", "--alpha"),
        ("run --max-worker 1", "no option '--max-worker'", "--max-workers"),
        ("run --max-worker=1", "no option '--max-worker'", "--max-workers"),
        ("run -x", "no option '-x'", "--help"),
        ("run --no-tag", "no option '--no-tag'", None),
        ("run --max-workers", "--max-workers needs a value", None),
        ("run --alpha --tag x", "--alpha needs a value", "--alpha=--tag"),
        ("run --max-workers many", "--max-workers can't be 'many'", None),
        ("run --max-workers 0", "--max-workers can't be '0'", None),
        ("run --max-workers 1.5", "--max-workers can't be '1.5'", None),
        ("--datastore S3 run", "--datastore can't be 'S3'", "Did you mean 's3'?"),
        ("run --quiet=yes", "--quiet takes no value", None),
        ("run --alpha 1 --alpha 2", "--alpha was given twice", None),
        ("run --max-workers 1 --max-workers 2", "--max-workers was given twice", None),
    ],
)
def test_what_is_wrong_is_said(text, headline, help):
    with pytest.raises(UsageError) as caught:
        line(text)
    assert headline in caught.value.headline
    assert caught.value.exit_code == 2
    if help:
        assert help in caught.value.help
