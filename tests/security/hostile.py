"""Texts that would do harm if a shell, a template, a page or a terminal took them for more than text."""

from pathlib import Path

__all__ = ["CANARY", "HOSTILE", "as_terminal", "no_canary", "obeyed", "planted"]

CANARY = "canary_file_that_must_not_be"

_COMMAND = f"touch {CANARY}"

HOSTILE = {
    "shell": f"$({_COMMAND})",
    "backticks": f"`{_COMMAND}`",
    "chain": f"; {_COMMAND}; & | && {_COMMAND} || > {CANARY} #",
    "quotes": f"'; {_COMMAND}; '\"; {_COMMAND}; \"",
    "query": "'; DROP TABLE runs; --",
    "jinja": f"{{{{ ''.__class__.__mro__[1] }}}}{{% import os %}}{{{{ os.system('{_COMMAND}') }}}}",
    "jinja_file": f"{{{{ {CANARY} }}}} {CANARY}.sh",
    "variables": "${HOME} $HOME %HOME% ~ $$ ${jndi:x} #{7*7} <%= 7 %>",
    "format": "{} {0} {0.__class__} %s %(x)s %n {",
    "intrinsic": "States.Format('{}', $.run) $.run $$.Execution.Id States.JsonToString($)",
    "jsonata": "{% $states.input %}",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>\"'></pre></details><!--",
    "svg": "]]></text><script>1</script>&lt;&#x3c;",
    "dot": '"]; evil [label="x\\',
    "mermaid": '"]\n  click start "javascript:alert(1)"\n%%{init: {}}%%',
    "newlines": "a\nb\r\nc\rd\u2028e\u2029f\x0bg\x0ch\x85i",
    "escapes": "\x1b[2J\x1b[31m\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x9b31m\x08\x7f\x1bc",
    "order": "\N{RIGHT-TO-LEFT OVERRIDE}abc\N{RIGHT-TO-LEFT MARK}\N{RIGHT-TO-LEFT ISOLATE}\N{ZERO WIDTH SPACE}\ufeff",
    "letters": "e\N{COMBINING ACUTE ACCENT}\xe9 \N{PILE OF POO} \U0010ffff \ufffe",
    "path": "../../../../etc/passwd\\..\\..\\con.txt /dev/null",
    "json": '{"$ref": "x"}\\u0000\\',
    "python": "''' + __import__('os').system('" + _COMMAND + "') + '''",
    "pickle": "cos\nsystem\n(S'" + _COMMAND + "'\ntR.",
    "blank": "  \t leading and trailing \t  ",
    "option": "--help",
    "long": "".join(chr(33 + n % 90) for n in range(100_000)),
}
"""By name; none has a NUL, which neither an argument nor a variable can hold."""


def planted(names: list[str]) -> dict[str, str]:
    """The texts under other names, for the parameters of a flow."""
    return {f"p_{name}": HOSTILE[name] for name in names}


def no_canary(*folders: Path) -> None:
    """Check that no command of the texts was run in any of the folders or below."""
    for folder in folders:
        assert not [path for path in folder.rglob("*") if path.name == CANARY]


def obeyed(text: str) -> list[str]:
    """What a terminal would obey in a text, but for colours and what draws the lines of a live run anew."""
    import re

    rest = re.sub(r"\r\x1b\[[0-9]+A\x1b\[J|\x1b\[[0-9;:]*m", "", text)
    return [c for c in rest if c not in "\n\t\r" and (ord(c) < 32 or 0x7F <= ord(c) < 0xA0)]


def as_terminal(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run a command on a terminal of its own; returns its exit code and what it wrote."""
    import os
    import pty
    import select
    import subprocess

    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave
        )
    finally:
        os.close(slave)
    seen = b""
    while True:
        ready, _, _ = select.select([master], [], [], 60)
        try:
            chunk = os.read(master, 65536) if ready else b""
        except OSError:  # the last one has closed it
            chunk = b""
        if not chunk:
            break
        seen += chunk
    os.close(master)
    return process.wait(timeout=60), seen.decode("utf-8", "replace")
