"""Plays one night: workers, people and faults on one loop, and an auditor that looks at every commit."""

import asyncio
import gc
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from etl.error_codes import Code
from etl.errors import StoppedError, TaskAuditError
from etl.jobs import audit
from etl.runs import RunRequest
from etl.shutdown import Shutdown
from etl.tasks import Selection
from tests.simulation import people
from tests.simulation.api import Api
from tests.simulation.auditor import Auditor
from tests.simulation.configuration import settings_of
from tests.simulation.garbage import drop
from tests.simulation.loop import PROCESS, Process, SimulatedLoop, StuckError
from tests.simulation.machine import Machine, instant_at, run_id_of
from tests.simulation.promises import BrokenInvariantError
from tests.simulation.scenario import BEGINNING, STORM_SECONDS, Start

DAY = 90_000.0
"""More than the longest wait of a task."""

CALM_RUNS = 3
"""The runs after the storm that must be enough to finish everything, besides those in which a task may fail."""


@dataclass
class Played:
    """What came of a night."""

    scenario: object
    broken: str | None
    """The invariant that broke; None if all held."""
    story: list = field(default_factory=list)
    met: Counter = field(default_factory=Counter)
    """How often each fault met each state of a run."""
    seconds: float = 0.0
    requests: int = 0
    runs: int = 0


class Night:
    """One night."""

    def __init__(self, scenario, databases):
        self.scenario = scenario
        self.chance = random.Random(f"night {scenario.seed}")
        self.story = []
        self.met = Counter()
        self.loop = SimulatedLoop(call_delays=self._call_delays, note=self.note)
        self.loop.deaths.append(self._note_death)
        self.databases = databases.of(shared=scenario.shared)
        self._ahead = self._api_ahead = 0.0
        self._faults = [[each, each.times] for each in scenario.database_faults]
        self._is_calm = False
        self.processes = {}
        self.shutdowns = {}
        self.auditor = Auditor(self)
        self.api = Api(
            scenario,
            loop=self.loop,
            wall=self._api_wall,
            note=self.note,
            met=self.note_fault,
            look=self.auditor.queue.look_at_request,
        )
        self.settings = settings_of(scenario, self.databases)

    # What the machine asks

    def wall(self):
        """Return the time of the job's clock: that of the database server, or of the machine."""
        passed = self.loop.time() - BEGINNING
        return instant_at(passed * (1 + self.scenario.drift) + self._ahead)

    def _api_wall(self):
        return instant_at(self.loop.time() - BEGINNING + self._api_ahead)

    def database_of(self, role):
        return self.databases[role]

    def new_run_id(self):
        run_id = run_id_of(len(self.processes) + 1)
        process = PROCESS.get()
        process.run_id = run_id
        self.processes[run_id] = process
        return run_id

    def _call_delays(self, kind):
        before, after = self.chance.uniform(0.001, 0.02), self.chance.uniform(0.001, 0.02)
        if (slow := self._due_fault(("slow",), self._database_of_call(kind))) is not None:
            self.note_fault("database slow", PROCESS.get())
            slow[1] -= 1
            before *= 400
        return before, after

    @staticmethod
    def _database_of_call(kind):
        return (
            "warehouse" if kind in {"write", "write_end", "start", "audited_by_dead_runs", "known_tasks"} else "queue"
        )

    @property
    def has_database_faults(self):
        return bool(self._faults)

    def database_fault(self, name, kinds):
        """Return the fault of some kinds that strikes a database now."""
        if self._is_calm or PROCESS.get() is None:
            return None
        fault = self._due_fault(kinds, name)
        if fault is None:
            return None
        fault[1] -= 1
        self.note("fault", f"{fault[0].kind} in the {name}")
        self.note_fault(fault[0].kind, PROCESS.get())
        return fault[0].kind

    def _due_fault(self, kinds, database):
        passed = self.loop.time() - BEGINNING
        for fault in self._faults:
            each, left = fault
            is_here = self.scenario.shared or each.database == database
            if left and is_here and each.kind in kinds and each.at <= passed < each.at + each.seconds:
                return fault
        return None

    def note_commit(self, name):
        self.auditor.look(name)

    def note_database_error(self, error):
        self.auditor.promises.break_("no statement fails by itself", f"{type(error).__name__}: {error}")

    # What is remembered

    def note(self, kind, words):
        self.story.append((self.loop.time() - BEGINNING, kind, words))

    def note_fault(self, kind, process):
        if process is None:
            return
        self.met.update((kind, state) for state in process.states())

    def note_log(self, event):
        process = PROCESS.get()
        match event["event"]:
            case "paused":
                process.is_paused = True
            case "resumed":
                process.is_paused = False
            case "stopping":
                process.is_stopping = True
            case "bug":
                self.auditor.promises.break_("a run meets no case that it does not handle", repr(event.get("exc_info")))
        self.story.append((self.loop.time() - BEGINNING, process.name if process else "people", event))

    def _note_death(self, process):
        self.note("process", f"{process.name} is killed before step {process.steps}: {', '.join(process.states())}")
        self.note_fault("killed", process)
        self.auditor.runs.note_death(process)

    # What happens

    async def play(self):
        people.fill(self)
        coroutines = [self._worker(number, start) for number, start in enumerate(self.scenario.starts, start=1)]
        coroutines += [self._step_clock(step) for step in self.scenario.clock_steps]
        coroutines += [self._operate(operation) for operation in self.scenario.operations]
        await asyncio.gather(*coroutines)
        await self._storm_ends()
        await self._finish()

    async def _worker(self, number, start):
        await asyncio.sleep(start.at)
        await self.run(f"worker {number}", start)

    async def run(self, name, start):
        """Start a run as a process, and wait until it ends or dies."""
        process = Process(name, fate=start.fate, step=start.step, call=start.call, freeze_seconds=start.freeze_seconds)
        process.refetch = start.refetch
        shutdown = self.shutdowns[process] = Shutdown()
        died = self.loop.create_future()
        self.loop.deaths.append(lambda dead: dead is process and not died.done() and died.set_result(None))
        main = self.loop.start(process, self._main(process, shutdown, refetch=start.refetch))
        # A killed process leaves tasks that never end; they are no mistake of the program.
        main._log_destroy_pending = False
        await asyncio.wait({main, died}, return_when=asyncio.FIRST_COMPLETED)
        if process.is_dead:
            return None
        process.has_ended = True
        return main.result()

    async def _main(self, process, shutdown, *, refetch):
        request = RunRequest(selection=Selection(refetch=refetch))
        self.note(process.name, f"starts{', and asks about finished tasks again' if refetch else ''}")
        try:
            finished = await audit.run_job(self.settings, request, shutdown=shutdown)
        except TaskAuditError as error:
            self.note(process.name, f"could not begin: {error}")
            self.auditor.runs.note_end(process, None)
            return int(error.exit_code)
        self.note(process.name, f"ends with {finished.run.exit_code}: {finished.run.error or 'all is done'}")
        self.auditor.runs.note_end(process, finished)
        return finished.run.exit_code

    async def _step_clock(self, step):
        await asyncio.sleep(step.at)
        self.note("clock", f"{'KooDrive' if step.of_api else 'the job'}'s clock steps by {step.seconds:+.0f} s")
        for process in self.shutdowns:
            if process.is_alive:
                self.note_fault("clock step", process)
        if step.of_api:
            self._api_ahead += step.seconds
        else:
            self._ahead += step.seconds
            self.auditor.runs.note_step()

    async def _operate(self, operation):
        await asyncio.sleep(operation.at)
        alive = [process for process in self.shutdowns if process.is_alive]
        for process in alive:
            self.note_fault(operation.kind, process)
        if operation.kind == "kill" and alive:
            self.loop.kill(self.chance.choice(alive))
        elif operation.kind == "stop" and alive:
            process = self.chance.choice(alive)
            self.note("people", f"{process.name} gets SIGTERM")
            self.auditor.runs.note_stop(process)
            stopped = StoppedError("A signal.", code=Code.STOPPED_BY_SIGNAL, remedy="Run again.")
            self.shutdowns[process].request(stopped)
        elif operation.kind not in {"kill", "stop"}:
            with suppress(TaskAuditError):
                await people.OPERATIONS[operation.kind](self)

    async def _storm_ends(self):
        left = BEGINNING + STORM_SECONDS - self.loop.time()
        await asyncio.sleep(max(0.0, left))
        self._is_calm = True
        self._faults = []
        self.api.calm()
        self.note("night", "the storm is over")

    async def _finish(self):
        """Run until nothing is left, which must not take long."""
        if self.auditor.queue.is_all_settled and self.processes:
            self.auditor.look_at_the_end()
            return
        await asyncio.sleep(self.scenario.lease_seconds + 61)
        for number in range(1, self.scenario.dead_letter_after + CALM_RUNS + 1):
            exit_code = await self.run(f"calm run {number}", Start(0.0))
            self.auditor.runs.look_at_calm_run(number, exit_code)
            if exit_code in {0, 65} and self.auditor.queue.is_all_settled:
                break
            await asyncio.sleep(DAY)
        self.auditor.look_at_the_end()


def play(scenario, databases):
    """Play a night; returns what came of it."""
    night = Machine.night = Night(scenario, databases)
    random.seed(scenario.seed)
    for database in set(night.databases.values()):
        database.reset(night, now=night.wall, chance=night.chance)
    broken = None
    gc.disable()
    try:
        night.loop.run_until_complete(night.play())
    except BrokenInvariantError as error:
        broken = str(error)
    except StuckError as error:
        broken = f"progress: {error}"
    except Exception as error:  # noqa: BLE001 - a night must not end the simulation
        broken = f"nothing unforeseen is raised: {type(error).__name__}: {error}"
    played = Played(
        scenario=scenario,
        broken=broken,
        story=night.story,
        met=night.met,
        seconds=night.loop.time() - BEGINNING,
        requests=len(night.api.asked),
        runs=len(night.processes),
    )
    Machine.night = None
    drop(night)
    return played
