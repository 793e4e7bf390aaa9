"""``docs/checks.md`` lists every rule with its sentence; ``--regenerate`` writes it anew."""

from __future__ import annotations

from flow_sdk.lint.check import RULES
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "checks.md"
HEAD = """# What is checked before anything runs

`python flow.py check` reads the flow's source and reports everything at once; `run` and `airflow create` do the same
first. The top level of the file runs for that, as in any import; no step runs. A finding looks like a compiler's:

```text
train.py:15:38: FS203 'jion' isn't a step of the flow
  15 |         self.next({'x': self.b, 'y': self.jion}, condition='c')
     |                                      ^^^^^^^^^
  help: Did you mean 'join'?
```

| code | what must hold |
|---|---|
"""


def test_the_page_lists_every_rule(regenerate: bool) -> None:
    rows = [f"| {code} | {rule.sentence} |" for code, rule in sorted(RULES.items())]
    wanted = HEAD + "\n".join(rows) + "\n"
    if regenerate:
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted
