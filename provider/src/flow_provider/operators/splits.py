"""The operator that joins the lists of a foreach inside a foreach into one."""

from typing import Any

from flow_provider.compat import AirflowFailException, BaseOperator, conf

__all__ = ["SplitsOperator"]


class SplitsOperator(BaseOperator):
    """Returns the positions of the children of all tasks of a foreach step that lies in a mapped group.

    Parameters
    ----------
    lists : XComArg
        What the tasks of that step returned: a list of positions each.
    """

    template_fields = ("lists",)
    ui_color = "#f4f4f4"
    custom_operator_name = "splits"

    def __init__(self, *, lists: Any, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.lists = lists

    def execute(self, context: Any) -> list[str]:
        """Join the lists, in order."""
        found: list[str] = []
        for item in self.lists or ():
            # Airflow 3.3 gives the one list itself where the foreach around has one item only.
            if isinstance(item, str):
                found.append(item)
            else:
                found.extend(item or ())
        limit = conf.getint("core", "max_map_length")
        if len(found) > limit:
            raise AirflowFailException(
                f"The foreach has {len(found)} tasks in all, more than Airflow maps over "
                f"([core] max_map_length is {limit}). "
                "Raise that setting, or split into fewer items."
            )
        return found
