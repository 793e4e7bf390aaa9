"""Model selection: folds and candidates in a nested foreach, and a switch that decides whether the winner is published.

Each of the three folds of some synthetic data starts a task for each candidate; each task fits a ridge regression on
polynomial features in closed form. The candidate with the smallest error over all folds is fitted on all training data,
measured on data nobody has seen, and published if it's good enough. All randomness has a seed: the same parameters
give the same numbers everywhere.
"""

from flow_sdk import FlowSpec, JSONType, Parameter, retry, step


def features(x, degree):
    """Powers 0 to ``degree`` of each column of ``x`` (rows, columns), as (rows, 1 + columns * degree)."""
    import numpy as np

    return np.hstack([np.ones((len(x), 1)), *(x**power for power in range(1, degree + 1))])


def fit(x, y, degree, ridge):
    """Weights of the ridge regression of ``y`` on the features of ``x``."""
    import numpy as np

    f = features(x, degree)
    penalty = ridge * np.eye(f.shape[1])
    penalty[0, 0] = 0.0  # the constant isn't penalised
    return np.linalg.solve(f.T @ f + penalty, f.T @ y)


def rmse(x, y, degree, weights):
    """Root of the mean squared error of a fitted model."""
    import numpy as np

    return float(np.sqrt(np.mean((features(x, degree) @ weights - y) ** 2)))


class ModelSelectionFlow(FlowSpec):
    """Choose the best of some regression models by cross-validation, and publish it if it's good enough."""

    rows = Parameter("rows", default=3000, help="rows of synthetic data")
    folds = Parameter("folds", default=3, help="folds of the cross-validation")
    seed = Parameter("seed", default=7, help="seed of all randomness")
    threshold = Parameter("threshold", default=0.6, help="largest error at which a model is published")
    candidates = Parameter(
        "candidates",
        type=JSONType,
        default='[{"degree": 1, "ridge": 0.1}, {"degree": 2, "ridge": 0.1}, {"degree": 3, "ridge": 1.0}, '
        '{"degree": 9, "ridge": 100.0}]',
        help="degree and ridge penalty of each model",
    )

    @step
    def start(self):
        """Make the data, keep a fifth of it away for the last test, and start the folds."""
        import numpy as np

        random = np.random.default_rng(self.seed)
        x = random.uniform(-1.0, 1.0, size=(self.rows, 4))
        signal = 1.5 * x[:, 0] - 2.0 * x[:, 1] ** 3 + x[:, 2] ** 2 + 0.5 * x[:, 3]
        y = signal + random.normal(0.0, 0.5, size=self.rows)
        kept = self.rows // 5
        self.test_x, self.test_y = x[:kept], y[:kept]
        self.train_x, self.train_y = x[kept:], y[kept:]
        self.fold_numbers = list(range(self.folds))
        print(f"{len(self.train_x)} rows to train with, {kept} kept away, {len(self.candidates)} candidates")
        self.next(self.fold, foreach="fold_numbers")

    @step
    def fold(self):
        """Say which rows this fold is validated on, and start a task for each candidate."""
        import numpy as np

        self.held_out = np.arange(len(self.train_x)) % self.folds == self.input
        print(f"fold {self.input}: {int(self.held_out.sum())} rows held out")
        self.next(self.evaluate, foreach="candidates")

    @retry(times=2, minutes_between_retries=0)
    @step
    def evaluate(self):
        """Fit one candidate on the fold's training rows and measure it on the others."""
        degree, ridge = self.input["degree"], self.input["ridge"]
        weights = fit(self.train_x[~self.held_out], self.train_y[~self.held_out], degree, ridge)
        self.error = rmse(self.train_x[self.held_out], self.train_y[self.held_out], degree, weights)
        print(f"degree {degree}, ridge {ridge}: error {self.error:.4f}")
        self.next(self.fold_errors)

    @step
    def fold_errors(self, inputs):
        """Join the candidates of one fold; the inputs are in the candidates' order."""
        self.errors = [task.error for task in inputs]
        self.merge_artifacts(inputs, include=["train_x", "train_y", "test_x", "test_y"])
        self.next(self.select)

    @step
    def select(self, inputs):
        """Join the folds, choose the candidate with the smallest mean error, fit it and test it."""
        import numpy as np

        self.merge_artifacts(inputs, include=["train_x", "train_y", "test_x", "test_y"])
        self.error_table = np.array([task.errors for task in inputs])
        means = self.error_table.mean(axis=0)
        self.winner = dict(self.candidates[int(np.argmin(means))])
        for candidate, mean in zip(self.candidates, means, strict=True):
            mark = "  <- winner" if candidate == self.winner else ""
            print(f"degree {candidate['degree']}, ridge {candidate['ridge']}: mean error {mean:.4f}{mark}")
        self.weights = fit(self.train_x, self.train_y, self.winner["degree"], self.winner["ridge"])
        self.metrics = {
            "validation_error": float(means.min()),
            "test_error": rmse(self.test_x, self.test_y, self.winner["degree"], self.weights),
            "baseline_error": float(self.test_y.std()),
        }
        self.decision = "publish" if self.metrics["test_error"] <= self.threshold else "reject"
        self.next({"publish": self.publish, "reject": self.reject}, condition="decision")

    @step
    def publish(self):
        """Make the card that goes with the published model."""
        self.model_card = {"model": self.winner, "metrics": self.metrics, "rows": self.rows, "seed": self.seed}
        self.published = True
        print(f"published: test error {self.metrics['test_error']:.4f}")
        self.next(self.end)

    @step
    def reject(self):
        """Keep the model, and say why it isn't published."""
        self.published = False
        print(f"not published: test error {self.metrics['test_error']:.4f} is above {self.threshold}")
        self.next(self.end)

    @step
    def end(self):
        """Print the outcome."""
        print(f"winner {self.winner}, published: {self.published}")


if __name__ == "__main__":
    ModelSelectionFlow()
