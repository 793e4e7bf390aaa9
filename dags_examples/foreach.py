"""One task for each item of a list, and a join that collects the results in the order of the list."""

from flow_sdk import FlowSpec, Parameter, step


class ForeachFlow(FlowSpec):
    """Count the letters of each word of a sentence."""

    sentence = Parameter("sentence", default="every word gets a task of its own", help="what is counted")

    @step
    def start(self):
        """Split the sentence; each word becomes a task."""
        self.words = self.sentence.split()
        self.next(self.count, foreach="words")

    @step
    def count(self):
        """Count one word: ``self.input`` is the word, ``self.index`` its place."""
        self.word = self.input
        self.letters = len(self.input)
        print(f"word {self.index}: {self.word!r} has {self.letters} letters")
        self.next(self.collect)

    @step
    def collect(self, inputs):
        """Collect the counts; ``inputs`` is in the order of the words."""
        self.counts = [(task.word, task.letters) for task in inputs]
        self.next(self.end)

    @step
    def end(self):
        """Print the longest word."""
        self.longest = max(self.counts, key=lambda count: count[1])
        print(f"longest: {self.longest[0]!r}")


if __name__ == "__main__":
    ForeachFlow()
