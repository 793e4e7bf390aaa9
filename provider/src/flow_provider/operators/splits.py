"""The operator that joins the lists of a foreach inside a foreach into one."""

from itertools import chain
from typing import Any

from flow_provider.compat import AirflowFailException, BaseOperator, conf

__all__ = ["SplitsOperator"]


class SplitsOperator(BaseOperator):
    """Returns the task ids of the children of all tasks of a foreach step that lies in a mapped group.

    Parameters
    ----------
    lists : XComArg
        What the tasks of that step returned: a list of task ids each.
    """

    template_fields = ("lists",)
    ui_color = "#f4f4f4"
    custom_operator_name = "splits"

    def __init__(self, *, lists: Any, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.lists = lists

    def execute(self, context: Any) -> list[str]:
        """Join the lists, in order."""
        found = list(chain.from_iterable(self.lists))
        limit = conf.getint("core", "max_map_length")
        if len(found) > limit:
            raise AirflowFailException(
                f"The foreach has {len(found)} tasks in all, more than Airflow maps over "
                f"([core] max_map_length is {limit}). "
                "Raise that setting, or split into fewer items."
            )
        return found
