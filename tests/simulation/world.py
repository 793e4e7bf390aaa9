"""A world of its own for processes that are threads: one runs at a time, a seed decides which, and all that goes wrong.

Nothing in it depends on the machine: no clock, no real concurrency. A seed plays the same story each time, to the last
step.
"""

import hashlib
import random
import threading
import time as real_time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

__all__ = ["Actor", "Deadlock", "Killed", "Profile", "Trouble", "Violation", "World"]

MOST_STEPS = 60_000
STICK = 0.5


class Killed(BaseException):
    """What a killed process sees: nothing of it goes on, and nothing it still tries has an effect."""


class Violation(AssertionError):
    """Something that must always hold didn't."""


class Deadlock(Violation):
    """Everybody waits for ever, or goes on for ever."""


class Trouble(RuntimeError):
    """What a user's step raises because its day is bad."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How much goes wrong; all but the last are probabilities.

    Parameters
    ----------
    fault : float
        Of a request to the store failing, in one of several ways.
    slow : float
        Of a request taking long.
    kill : float
        Of a process being killed, at each of its steps.
    crash : float
        Of the scheduler being killed, at each of its steps.
    twin : float
        Of a task being started a second time beside the first.
    clear : float
        Of a task being cleared by the orchestrator's user, at each turn of the scheduler.
    jump : float
        Of a machine's clock being set, at each step.
    trouble : float
        Of a user's step raising an exception.
    echo : float
        Of the end of a process being told to the scheduler twice.
    """

    fault: float = 0.0
    slow: float = 0.0
    kill: float = 0.0
    crash: float = 0.0
    twin: float = 0.0
    clear: float = 0.0
    jump: float = 0.0
    trouble: float = 0.0
    echo: float = 0.0

    @classmethod
    def draw(cls, rng: random.Random) -> "Profile":
        """Draw one: each kind is absent in many worlds, so that the others get far."""

        def one(*values: float) -> float:
            return rng.choice(values) if rng.random() < 0.6 else 0.0

        return cls(
            fault=one(0.01, 0.03, 0.1, 0.3),
            slow=one(0.01, 0.1),
            kill=one(0.002, 0.01, 0.04),
            crash=one(0.002, 0.01, 0.03),
            twin=one(0.1, 0.3, 0.9),
            clear=one(0.03, 0.1, 0.3),
            jump=one(0.01, 0.05),
            trouble=one(0.05, 0.2),
            echo=one(0.2, 0.7),
        )


class Actor(threading.Thread):
    """One process.

    Parameters
    ----------
    world : World
        Where it lives.
    name : str
        For the trace.
    work : callable
        What it does.
    """

    def __init__(self, world: "World", name: str, work: Callable[[], Any]) -> None:
        super().__init__(name=name, daemon=True)
        self.world, self.work = world, work
        self.go = threading.Lock()
        self.go.acquire()
        self.is_over = self.is_killed = False
        self.disturbed = False
        """Whether something went wrong for it, so that it may fail."""
        self.result: Any = None
        self.error: BaseException | None = None
        self.skew = 0.0
        self.wakes = 0.0
        self.waits: Callable[[], bool] | None = None
        self.weight = 1.0
        self.is_scheduler = False

    @property
    def is_gone(self) -> bool:
        """Whether it has no effect any more."""
        return self.is_over or self.is_killed

    @property
    def is_ready(self) -> bool:
        """Whether it can go on right now."""
        if self.is_killed or (self.waits is None and self.wakes <= self.world.now):
            return True
        if self.waits is None:
            return False
        return self.waits() or (0.0 < self.wakes <= self.world.now)

    def run(self) -> None:
        self.go.acquire()
        try:
            if not self.is_killed:
                self.result = self.work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - what ends a process is looked at by who started it
            self.error = error
        self.is_over = True
        self.world._leave(self)

    def kill(self) -> None:
        """End it: its next step doesn't happen."""
        if not self.is_gone:
            self.is_killed = True
            self.world.note(self.name, "killed")
            self.world.faults += 1


class World:
    """The clock, the processes and the order in which they take their steps.

    Parameters
    ----------
    seed : int
        Decides everything.
    keep : bool
        Whether to keep the trace as text, for people.
    """

    def __init__(self, seed: int, *, keep: bool = False) -> None:
        self.seed, self.rng = seed, random.Random(seed)
        self.profile = Profile.draw(self.rng)
        self.now = 1_700_000_000.0
        self.actors: list[Actor] = []
        self.running: Actor | None = None
        self.faults = self.steps = 0
        self.lines: list[str] = []
        self._keep, self._digest = keep, hashlib.blake2b(digest_size=16)
        self._awaited: Actor | None = None
        self._main = threading.Lock()
        self._main.acquire()
        self._late: list[tuple[float, Callable[[], None]]] = []
        self.broken: BaseException | None = None

    # What stands in for modules

    def time(self) -> float:
        return self.now + (self.running.skew if self.running is not None else 0.0)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        actor = self.running
        assert actor is not None
        actor.wakes = self.now + seconds
        self.pause("sleep")
        actor.wakes = 0.0

    gmtime, strftime = staticmethod(real_time.gmtime), staticmethod(real_time.strftime)

    def uuid4(self) -> SimpleNamespace:
        return SimpleNamespace(hex=f"{self.rng.getrandbits(128):032x}")

    # The story

    def note(self, who: str, what: str) -> None:
        """Write a line of the trace."""
        self._digest.update(f"{who} {what}\n".encode())
        if self._keep:
            self.lines.append(f"{self.now - 1_700_000_000:10.2f} {who:24} {what}")

    @property
    def digest(self) -> str:
        """Names the whole story: two worlds with the same one were the same."""
        return self._digest.hexdigest()

    def chance(self, probability: float) -> bool:
        """Draw."""
        return probability > 0 and self.rng.random() < probability

    def calm(self) -> None:
        """From now on nothing goes wrong any more."""
        self.profile = Profile()

    def start(self, name: str, work: Callable[[], Any]) -> Actor:
        """Start a process; it takes its first step when its turn comes."""
        actor = Actor(self, name, work)
        actor.weight = self.rng.choice((1.0, 1.0, 8.0, 0.05))
        self.actors.append(actor)
        actor.start()
        self.note(name, "started")
        return actor

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Have something happen in the store later on, with nobody waiting for it."""
        self._late.append((self.now + seconds, act))

    def pause(self, what: str) -> None:
        """Let others go on; called by a process before each of its steps."""
        actor = self.running
        assert actor is not None and actor is threading.current_thread(), "a step outside of the world"
        if actor.is_killed:
            raise Killed
        self._hand_over(actor)
        if actor.is_killed:
            raise Killed
        self._spoil(actor)
        if actor.is_killed:
            raise Killed
        self.note(actor.name, what)

    def wait(self, until: Callable[[], bool], seconds: float | None) -> None:
        """Wait until something holds, at most so long; called by a process."""
        actor = self.running
        assert actor is not None
        actor.waits, actor.wakes = until, 0.0 if seconds is None else self.now + max(seconds, 0.001)
        try:
            self.pause("wait")
        finally:
            actor.waits, actor.wakes = None, 0.0

    def until_over(self, actor: Actor) -> None:
        """Let the world go on until a process has ended. Called from outside."""
        while not actor.is_over:
            self._awaited = actor
            self._next(None)
            self._main.acquire()
            self.running = None
            if self.broken is not None:
                raise self.broken

    def drain(self) -> None:
        """Let all that is left come to its end, requests that are under way included."""
        while self.actors:
            self.until_over(self.actors[0])
        for _, act in sorted(self._late, key=lambda late: late[0]):
            act()
        self._late.clear()

    def end(self) -> None:
        """Kill all that are left, so that their threads end."""
        for actor in list(self.actors):
            actor.is_killed = True
        self.broken = None
        while self.actors:
            self.until_over(self.actors[0])

    # Who is next

    def _spoil(self, actor: Actor) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise Deadlock(f"nothing has ended after {MOST_STEPS:,} steps")
        self.now += self.rng.random() * 0.02
        if self.chance(self.profile.slow):
            self.now += self.rng.random() * 90
        if self.chance(self.profile.jump):
            actor.skew += self.rng.choice((-1, 1)) * self.rng.choice((0.5, 30.0, 7200.0, 40 * 86400.0))
            self.faults += 1
            self.note(actor.name, f"clock {actor.skew:+}")
        if self.chance(self.profile.crash if actor.is_scheduler else self.profile.kill):
            actor.kill()
        due = [late for late in self._late if late[0] <= self.now]
        for late in due:
            self._late.remove(late)
            late[1]()

    def _choose(self) -> Actor:
        ready = [actor for actor in self.actors if actor.is_ready]
        if not ready:
            wakes = [actor.wakes for actor in self.actors if actor.wakes > 0]
            if not wakes:
                raise Deadlock(f"all wait for ever: {', '.join(actor.name for actor in self.actors)}")
            self.now = max(self.now, min(wakes))
            ready = [actor for actor in self.actors if actor.is_ready]
        if len(ready) == 1:
            return ready[0]
        if self.running in ready and self.rng.random() < STICK:
            return self.running  # type: ignore[return-value]
        if self.rng.random() < 0.02:
            self.rng.choice(ready).weight = self.rng.choice((1.0, 8.0, 0.05))
        return self.rng.choices(ready, [actor.weight for actor in ready])[0]

    def _next(self, leaving: Actor | None) -> Actor | None:
        """Choose who is next and let it go on; None when that is who is running."""
        try:
            chosen = self._choose()
        except Violation as violation:
            self.broken = violation
            self.running = None
            self._main.release()
            return leaving
        if chosen is leaving:
            return None
        self.running = chosen
        chosen.go.release()
        return chosen

    def _hand_over(self, actor: Actor) -> None:
        if self._next(actor) is not None:
            actor.go.acquire()

    def _leave(self, actor: Actor) -> None:
        self.note(actor.name, f"ended with {type(actor.error).__name__ if actor.error else actor.result!r}")
        self.actors.remove(actor)
        if isinstance(actor.error, Violation) and self.broken is None:
            self.broken = actor.error
        if actor is self._awaited or self.broken is not None:
            self.running = None
            self._main.release()
        else:
            self.running = None
            self._next(None)
