"""A flow that is given hostile texts wherever a flow can be given a text, and keeps what reached it."""

from tests.security.hostile import HOSTILE, planted

__all__ = ["FLOW", "GIVEN", "SHORT", "flow_text"]

GIVEN = planted(list(HOSTILE))
"""Values of the flow's parameters."""

SHORT = {name: text for name, text in HOSTILE.items() if name != "long"}
"""What fits into a line of documentation."""

_ABOUT = " ".join(SHORT.values())

FLOW = """
import os
import sys
from flow_sdk import Config, FlowSpec, IncludeFile, JSONType, Parameter, catch, current, environment, step

TEXTS = {texts}
VARS = {{"V_" + name: text for name, text in TEXTS.items() if name != "long"}}


class Hostile(FlowSpec):
    __doc__ = {about}

    conf = Config("conf", default_value="{{}}")
    listed = Parameter("listed", type=JSONType, default="[]")
    file = IncludeFile("file", required=False, is_text=False)
{parameters}

    @environment(vars=VARS)
    @step
    def start(self):
        {about}
        self.given = {{name: getattr(self, name) for name in {names}}}
        self.seen = {{name: os.environ[name] for name in VARS}}
        self.kept = [*TEXTS.values(), "nul\\0nul"]
        self.by_text = {{text: text for text in TEXTS.values()}}
        self.told = [self.listed, self.file, self.conf.get("text"), current.username]
        self.tags = sorted(current.tags)
        for name, text in TEXTS.items():
            setattr(self, "a_" + name, text)
            if name != "long":
                print(text)
                print(text, file=sys.stderr)
        print("nul\\0nul")
        self.next(self.fail, foreach="kept")

    @catch(var="caught", print_exception=True)
    @step
    def fail(self):
        {about}
        if True:
            raise type("Err" + self.input[:200].replace("\\0", ""), (ValueError,), {{}})(self.input)
        self.next(self.hold)

    @step
    def hold(self):
        self.item = self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        self.messages = [str(i.caught.exception) for i in inputs]
        self.back = [i.item for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        if {fails}:
            raise ValueError({about})


if __name__ == "__main__":
    Hostile()
"""


def flow_text(*, default: str = "x", fails: bool = False) -> str:
    """Write the flow.

    Parameters
    ----------
    default : str
        Default of every parameter.
    fails : bool
        Whether the last step fails, with a hostile message.
    """
    parameters = [f"    {name} = Parameter({name!r}, default={default!r}, help={text[:80]!r})"
                  for name, text in GIVEN.items()]  # fmt: skip
    return FLOW.format(
        texts=repr(HOSTILE), about=repr(_ABOUT), parameters="\n".join(parameters), names=sorted(GIVEN), fails=fails
    )
