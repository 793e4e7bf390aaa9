"""Parameters of all types: options of ``run``, fields of the form in Airflow, read-only attributes in every step."""

from flow_sdk import FlowSpec, IncludeFile, JSONType, Parameter, step


def title(context):
    """Work out a default when a run starts or the flow is deployed."""
    return f"{context.flow_name} by {context.user_name}"


class ParametersFlow(FlowSpec):
    """Show what the parameters are."""

    label = Parameter("label", default="quick 'n' easy", help="text, taken as it is")
    count = Parameter("count", default=3, help="a whole number")
    rate = Parameter("learning-rate", default=0.1, help="a number; self.rate in the steps")
    verbose = Parameter("verbose", default=True, help="true or false")
    options = Parameter("options", type=JSONType, default='{"depth": 4, "shape": [2, 3]}', help="JSON")
    columns = Parameter("columns", default="age,income", separator=",", help="a list of names")
    heading = Parameter("heading", default=title, help="worked out once, when the run starts")
    limit = Parameter("limit", type=int, help="None unless given")
    notes = IncludeFile("notes", is_text=True, help="a file's contents, None unless given")

    @step
    def start(self):
        """Print each value and its type."""
        for value in (self.label, self.count, self.rate, self.verbose, self.options, self.columns, self.limit):
            print(f"{type(value).__name__:>8} {value!r}")
        self.next(self.end)

    @step
    def end(self):
        """Print what was worked out and what was read."""
        print(self.heading)
        print("no notes" if self.notes is None else f"{len(self.notes)} characters of notes")


if __name__ == "__main__":
    ParametersFlow()
