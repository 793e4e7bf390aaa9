"""Failures: a step that is tried again, and one whose failure the flow survives."""

from flow_sdk import FlowSpec, catch, current, retry, step, timeout


class RetryCatchFlow(FlowSpec):
    """Fetch from a source that fails at first, then use a service that is down."""

    @step
    def start(self):
        """Begin."""
        self.next(self.fetch)

    @retry(times=2, minutes_between_retries=0)
    @timeout(minutes=1)
    @step
    def fetch(self):
        """Fail in the first attempt, work in the second."""
        if current.retry_count == 0:
            raise ConnectionError("the source isn't there yet")
        self.attempts = current.retry_count + 1
        self.rows = list(range(5))
        self.next(self.enrich)

    @catch(var="failure")
    @retry(times=1, minutes_between_retries=0)
    @step
    def enrich(self):
        """Fail in all attempts; ``@catch`` keeps the failure as an artifact and lets the flow go on."""
        self.enriched = [row / 0 for row in self.rows]
        self.next(self.end)

    @step
    def end(self):
        """Say what happened."""
        print(f"fetched {len(self.rows)} rows in {self.attempts} attempts")
        if self.failure:
            print(f"went on without enriching them: {self.failure.type}")


if __name__ == "__main__":
    RetryCatchFlow()
