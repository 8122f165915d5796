"""An event loop on virtual time that runs several simulated processes in one thread.

It never waits: if nothing can run, its clock jumps to the next timer. A call that the program would make in a thread
runs in the loop itself, at an instant between its beginning and its end. A process can be killed or frozen before any
of its steps, as by SIGKILL and SIGSTOP.

``looptime`` also makes the time of a loop virtual, but knows neither processes nor calls in threads.
"""

import asyncio
import contextvars
from collections import Counter
from heapq import heappop

MAX_STEPS = 40_000
"""The steps of one night, at most; a night that needs more does not make progress."""

PROCESS = contextvars.ContextVar("PROCESS", default=None)
"""The simulated process that a task, timer or call belongs to; None for the world around them."""


class StuckError(Exception):
    """No task can run and no timer is set, but the night is not over; or the night takes too many steps."""


class Task(asyncio.Task):
    """A task whose place in a set follows from its number: its address differs from process to process."""

    def __init__(self, coroutine, *, number, **options):
        self._number = number
        super().__init__(coroutine, **options)

    def __hash__(self):
        return self._number


class Process:
    """One run of the program: what it does now, and when it is to be killed or frozen."""

    def __init__(self, name, *, fate="", step=None, call=None, freeze_seconds=0.0):
        """Describe a run.

        Args:
            name: its name in the story.
            fate: ``dies`` or ``freezes``, once; empty if nothing happens to it.
            step: the step before which its fate strikes; None if it strikes in a call.
            call: the kind of the call in which it strikes, the number of that call, and whether it strikes after the
                call has taken effect, or before.
            freeze_seconds: how long it stays frozen.
        """
        self.name = name
        self.run_id = None
        self.steps = 0
        self.is_dead = False
        self.is_frozen = False
        self.has_ended = False
        self.fate, self.freeze_seconds = fate, freeze_seconds
        self._step, self._call = step, call
        self._calls = Counter()
        self._fatal = None
        """The part of a call before which its fate strikes."""
        self.doing = Counter()
        """The calls and requests that are under way, by their kind."""
        self.attempted = set()
        """The tasks that it is about to ask about, but for those that it only probes with."""
        self.is_paused = self.is_stopping = False
        self.parked = []
        self.last = {}
        """When a call of each kind last took effect."""

    @property
    def is_alive(self):
        return not self.is_dead and not self.has_ended

    def note_call(self, kind):
        """Count a call; returns whether its fate strikes before its effect, and whether after that."""
        self._calls[kind] += 1
        if not self.fate or self._call is None or self._call[:2] != (kind, self._calls[kind]):
            return False, False
        return not self._call[2], self._call[2]

    def strike_before(self, handle, strikes):
        """Let its fate strike before a part of a call, if it strikes there."""
        if strikes:
            self._fatal = handle

    def is_struck(self, handle):
        """Return whether its fate strikes before this step."""
        if not self.fate or self.has_ended:
            return False
        return handle is self._fatal or self.steps == self._step

    def states(self):
        """Return what the process does at this moment, in a few words each."""
        found = [kind for kind, number in self.doing.items() if number > 0]
        if self.is_paused:
            found.append("paused")
        if self.is_stopping:
            found.append("stopping")
        if self.is_frozen:
            found.append("frozen")
        return found or ["between two steps" if self.run_id else "starting"]


WORLD = Process("the world")
"""What makes the calls that no run makes."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """A loop that owns its time."""

    def __init__(self, *, call_delays, note):
        """Start at second 1,000.

        Args:
            call_delays: returns the seconds before and after a call in a thread takes effect, given its kind.
            note: receives an event and its words.
        """
        super().__init__()
        self._now = 1000.0
        self._steps = 0
        self._tasks = 0
        self._call_delays = call_delays
        self._note = note
        self.failure = None
        """What ends the night at once."""
        self.deaths = []
        """Called with a process before it dies."""
        self.set_exception_handler(self._unhandled)

    def time(self):
        return self._now

    def create_task(self, coroutine, *, name=None, context=None):
        self._tasks += 1
        return Task(coroutine, number=self._tasks, loop=self, name=name, context=context)

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass

    def _unhandled(self, _loop, context):
        if self.failure is None:
            error = context.get("exception")
            self.failure = error if error is not None else RuntimeError(context["message"])

    def _run_once(self):
        ready, scheduled = self._ready, self._scheduled
        if not ready:
            while scheduled and scheduled[0]._cancelled:
                heappop(scheduled)._scheduled = False
            if not scheduled:
                raise StuckError("nothing can happen any more, and the night is not over")
            self._now = max(self._now, scheduled[0]._when)
        now = self._now
        while scheduled and scheduled[0]._when <= now:
            handle = heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(PROCESS)
            if process is None or self._admits(process, handle):
                handle._run()
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise StuckError(f"the night took {MAX_STEPS:,} steps")
        if self.failure is not None:
            raise self.failure

    def _admits(self, process, handle):
        """Count a step of a process, and kill or freeze the process if its time has come."""
        if process.is_dead:
            # Its tasks stay referenced, so that no clean-up of theirs runs in this night.
            process.parked.append(handle)
            return False
        if process.is_frozen:
            process.parked.append(handle)
            return False
        process.steps += 1
        if process.is_struck(handle):
            fate, process.fate = process.fate, ""
            if fate == "dies":
                self.kill(process)
            else:
                self.freeze(process, process.freeze_seconds)
            process.parked.append(handle)
            return False
        return True

    def forget_all(self):
        """Drop what has not run yet."""
        self._ready.clear()
        self._scheduled.clear()

    def kill(self, process):
        """Let no task, timer or call of a process run any more."""
        for each in self.deaths:
            each(process)
        process.is_dead = True

    def freeze(self, process, seconds):
        """Stop a process for so many seconds; its timers fire late, and its calls in threads wait as well."""
        self._note("process", f"{process.name} is frozen for {seconds:.0f} s")
        process.is_frozen = True
        contextvars.Context().run(self.call_later, seconds, self._thaw, process)

    def _thaw(self, process):
        self._note("process", f"{process.name} goes on")
        process.is_frozen = False
        self._ready.extend(process.parked)
        process.parked = []

    def start(self, process, coroutine):
        """Run a coroutine as the main task of a process."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, process)
        return self.create_task(coroutine, context=context)

    def run_in_executor(self, executor, func, *args):
        """Run a call in the loop: it takes effect at one instant, and its result arrives later."""
        future = self.create_future()
        process, kind = PROCESS.get() or WORLD, kind_of(func)
        before, after = self._call_delays(kind)
        process.doing[kind] += 1
        strikes_before, strikes_after = process.note_call(kind)

        def take_effect():
            process.last[kind] = self._now
            try:
                result, error = func(*args), None
            except Exception as raised:  # noqa: BLE001 - it travels to the caller
                result, error = None, raised
            process.strike_before(self.call_later(after, arrive, result, error), strikes_after)

        def arrive(result, error):
            process.doing[kind] -= 1
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        process.strike_before(self.call_later(before, take_effect), strikes_before)
        return future


def kind_of(func):
    """Return the name of the operation in ``partial(context.run, operation, …)``, as asyncio.to_thread makes it."""
    operation, *rest = func.args
    while True:
        if hasattr(operation, "func"):
            operation, rest = operation.func, [*operation.args, *rest]
        elif operation.__name__ == "_returning_true":
            operation, *rest = rest
        else:
            return operation.__name__.strip("_")
