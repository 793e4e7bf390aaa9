"""One seed, one story: a run of a flow in a bad world, resumed until the world is calm, looked at all the while.

``python -m tests.simulation.simulate SEED`` plays one seed alone and prints all its steps; ``--clearing SEED`` plays it
where tasks are cleared all the time.
"""

import sys
from dataclasses import dataclass, replace

from flow_sdk.authoring.flow import FlowSpec
from flow_sdk.errors import FlowSDKError
from flow_sdk.metadata.outcome import OpenRun
from flow_sdk.metadata.port import SUCCEEDED
from flow_sdk.metadata.runs import Runs
from tests.simulation.flows import FLOWS
from tests.simulation.runs import RunProcess, clean_run, installed, plan_of
from tests.simulation.watch import Watch
from tests.simulation.world import Violation, World

__all__ = ["Played", "main", "play"]

MOST_RESUMES = 3


@dataclass(frozen=True, slots=True)
class Played:
    """How a seed went.

    Parameters
    ----------
    seed : int
        Which.
    violation : str
        What didn't hold; "" when all did.
    digest : str
        Names the story.
    faults, steps, commits, runs : int
        How many there were.
    lines : list of str
        The story, if it was kept.
    clearing : bool
        Whether it was played where tasks are cleared all the time.
    """

    seed: int
    violation: str
    digest: str
    faults: int
    steps: int
    commits: int
    runs: int
    lines: list[str]
    clearing: bool = False

    def __str__(self) -> str:
        again = f"python -m tests.simulation.simulate {'--clearing ' if self.clearing else ''}{self.seed}"
        return f"seed {self.seed}: {self.violation or 'all held'} (to play it again: {again})"


def play(seed: int, *, keep: bool = False, clearing: bool = False) -> Played:
    """Play a seed.

    Parameters
    ----------
    seed : int
        Decides everything.
    keep : bool
        Whether to keep all steps as text.
    clearing : bool
        Whether to play the seed in a world where an orchestrator's user clears tasks all the time.
    """
    world = World(seed, keep=keep)
    if clearing:
        world.profile = replace(world.profile, clear=0.9, twin=0.3)
    flow = world.rng.choice(FLOWS)
    watch = Watch(clean_run(flow))
    processes: list[RunProcess] = []
    violation = ""
    with installed(world):
        try:
            _story(world, watch, flow, processes, clearing)
        except Violation as broken:
            violation = f"{flow.__name__}: {broken}"
        finally:
            world.end()
    counts = world.faults, world.steps, watch.commits, len(processes)
    return Played(seed, violation, world.digest, *counts, world.lines, clearing)


def _story(world: World, watch: Watch, flow: type[FlowSpec], processes: list[RunProcess], orchestrated: bool) -> None:
    rng = world.rng
    first = RunProcess(world, watch, flow, orchestrated=rng.random() < 0.5 or orchestrated)
    _see_through(world, watch, first, "run", processes)
    for number in range(rng.randrange(MOST_RESUMES)):
        _resume(world, watch, flow, processes, f"resume {number}")
    world.calm()
    if rng.random() < 0.5:  # else what is left of the runs before goes on beside the last one
        world.drain()
    last = _resume(world, watch, flow, processes, "last resume")
    if last.state != "succeeded":
        raise Violation(
            f"the last run, with nothing in its way, ended {last.state or 'with ' + repr(last.actor.error)}"
        )
    world.drain()
    watch.whole(flow.__name__, last.run or "")
    outcome = Runs(watch.bucket).outcome(flow.__name__, last.run or "", plan_of(flow))
    if outcome.state != SUCCEEDED:
        raise Violation(f"the last run succeeded, and reads as {outcome.state}: {outcome.reason}")
    for run in [process.run for process in processes if process.run and _began(watch, flow, process.run)]:
        _listed(watch, flow, run)
    watch.verify()


def _listed(watch: Watch, flow: type[FlowSpec], run: str) -> None:
    """A run stands as it was listed."""
    runs = Runs(watch.bucket)
    record, told = runs.read(flow.__name__, run), runs.outcome(flow.__name__, run, plan_of(flow))
    listed = runs.listing(flow.__name__).find_open_run(run, record.started)
    if listed is not None and OpenRun(watch.bucket, record, listed).outcome.state != told.state:
        raise Violation(f"run {run} is {told.state}, and was listed as {listed}")


def _resume(world: World, watch: Watch, flow: type[FlowSpec], processes: list[RunProcess], name: str) -> RunProcess:
    """Resume the last run that began; where none did, run."""
    begun = [process.run for process in processes if process.run and _began(watch, flow, process.run)]
    step = world.rng.choice(plan_of(flow).steps).name if world.rng.random() < 0.2 else None
    origin = begun[-1] if begun else None
    process = RunProcess(world, watch, flow, origin=origin, step=step if origin else None)
    _see_through(world, watch, process, name, processes)
    return process


def _began(watch: Watch, flow: type[FlowSpec], run: str) -> bool:
    return f"flows/{flow.__name__}/runs/{run}/run.json" in watch.bucket._objects


def _see_through(world: World, watch: Watch, process: RunProcess, name: str, processes: list[RunProcess]) -> None:
    """Let a run's process come to its end; its tasks may be killed with it, or not."""
    processes.append(process)
    actor = process.start(name)
    world.until_over(actor)
    if actor.error is not None and not isinstance(actor.error, FlowSDKError):
        raise Violation(f"{name} ended with {actor.error!r}") from actor.error
    if actor.error is not None and not actor.disturbed:
        raise Violation(f"{name} failed for no reason: {actor.error}")
    if process.state == "succeeded":
        watch.whole(process.plan.flow, process.run or "")
    for worker in process.workers:
        if not worker.is_gone and (actor.is_killed or actor.error) and world.rng.random() < 0.7:
            worker.kill()


def main() -> None:
    """Play the seeds named on the command line, and print their steps."""
    seeds = [word for word in sys.argv[1:] if word != "--clearing"]
    for seed in map(int, seeds):
        played = play(seed, keep=True, clearing=len(seeds) < len(sys.argv) - 1)
        print("\n".join(played.lines))
        print(played, played.digest)


if __name__ == "__main__":
    main()
