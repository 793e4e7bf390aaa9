"""A schedule in a time zone: does nothing locally, and starts the deployed flow at the same local time all year."""

from datetime import date

from flow_sdk import FlowSpec, Parameter, schedule, step


@schedule(cron="30 6 ? * MON-FRI *", timezone="Europe/Berlin")
class ScheduledFlow(FlowSpec):
    """Make a small report each working day at half past six in Berlin."""

    title = Parameter("title", default="Morning report", help="heading of the report")

    @step
    def start(self):
        """Begin with the date."""
        self.day = date.today().isoformat()
        self.next(self.end)

    @step
    def end(self):
        """Write the report."""
        self.report = f"{self.title}, {self.day}"
        print(self.report)


if __name__ == "__main__":
    ScheduledFlow()
