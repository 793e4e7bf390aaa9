"""The card components of Metaflow: they can be imported and made; ``@card`` has no effect in this release."""

from __future__ import annotations

from typing import Any, NoReturn, Self

from flow_sdk.errors import UsageError

__all__ = [
    "Artifact",
    "BlankCard",
    "DefaultCard",
    "Error",
    "ErrorCard",
    "EventsTimeline",
    "Image",
    "JSONViewer",
    "Markdown",
    "MetaflowCard",
    "MetaflowCardComponent",
    "PageComponent",
    "ProgressBar",
    "PythonCode",
    "Table",
    "ValueBox",
    "VegaChart",
    "YAMLViewer",
    "get_cards",
]


def _absent_error(what: str) -> UsageError:
    return UsageError(f"{what} can't be had: cards aren't in this release of Flow SDK.", help="Leave out what uses it.")


class MetaflowCardComponent:
    """Base of what a card is made of; for components of users, too.

    Parameters
    ----------
    *args, **kwargs
        The component's contents, which nothing uses.
    """

    REALTIME_UPDATABLE = False
    component_id: str | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Ignore new contents."""

    def render(self) -> Any:
        """Refuse: there is no card to be shown in."""
        raise _absent_error(f"What {type(self).__name__} shows")


class MetaflowCard:
    """Base of cards of users.

    Parameters
    ----------
    options, components, graph, flow
        What the card is made with.
    """

    type: str | None = None
    ALLOW_USER_COMPONENTS = False
    RUNTIME_UPDATABLE = False
    RELOAD_POLICY = "never"
    RELOAD_POLICY_NEVER = "never"
    RELOAD_POLICY_ALWAYS = "always"
    RELOAD_POLICY_ONCHANGE = "onchange"
    scope = "task"

    def __init__(
        self, options: Any = None, components: Any = None, graph: Any = None, flow: Any = None, **kwargs: Any
    ) -> None:
        pass

    def render(self, task: Any) -> str:
        """Refuse: there is no card."""
        raise _absent_error(f"The card {self.type or type(self).__name__!r}")


class Artifact(MetaflowCardComponent):
    """An artifact's value."""


class Error(MetaflowCardComponent):
    """An exception."""


class EventsTimeline(MetaflowCardComponent):
    """What happened, in order."""


class JSONViewer(MetaflowCardComponent):
    """A value as JSON."""


class Markdown(MetaflowCardComponent):
    """Text in Markdown."""


class ProgressBar(MetaflowCardComponent):
    """How far a step has got."""


class PythonCode(MetaflowCardComponent):
    """Source code."""


class ValueBox(MetaflowCardComponent):
    """A number with a title."""


class YAMLViewer(MetaflowCardComponent):
    """A value as YAML."""


class PageComponent(MetaflowCardComponent):
    """A page of a card."""


class Image(MetaflowCardComponent):
    """A picture."""

    @classmethod
    def from_matplotlib(cls, *args: Any, **kwargs: Any) -> Self:
        """Make one of a plot."""
        return cls()

    @classmethod
    def from_pil_image(cls, *args: Any, **kwargs: Any) -> Self:
        """Make one of an image of Pillow."""
        return cls()


class Table(MetaflowCardComponent):
    """A table."""

    @classmethod
    def from_dataframe(cls, *args: Any, **kwargs: Any) -> Self:
        """Make one of a data frame."""
        return cls()


class VegaChart(MetaflowCardComponent):
    """A chart in the notation of Vega-Lite."""

    @classmethod
    def from_altair_chart(cls, *args: Any, **kwargs: Any) -> Self:
        """Make one of a chart of Altair."""
        return cls()


class DefaultCard(MetaflowCard):
    """The card with all artifacts."""

    type = "default"


class BlankCard(MetaflowCard):
    """The card with what a step puts into it."""

    type = "blank"


class ErrorCard(MetaflowCard):
    """The card of a failure."""

    type = "error"


def get_cards(task: Any, id: str | None = None, type: str | None = None, follow_resumed: bool = True) -> NoReturn:
    """Refuse: a task has no cards.

    Raises
    ------
    UsageError
        Always.
    """
    raise _absent_error("The cards of a task")
