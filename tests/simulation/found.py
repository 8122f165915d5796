"""Nights that have found a fault, as they were drawn then: the way in which nights are drawn may change."""

from tests.simulation.scenario import ClockStep, DatabaseFault, Episode, Operation, Scenario, Start

FOUND = {
    "A run held two claims of one task, which another run had taken over and let go, and ended with 70.": Scenario(
        seed=5,
        batch_size=3,
        max_rate=25.0,
        concurrency=6,
        lease_seconds=45.0,
        dead_letter_after=1,
        recheck_seconds=30.0,
        attempts=4,
        timeout_seconds=8.0,
        patience_seconds=90.0,
        hidden_limit=(3.0, 1.0),
        drift=0.01,
        starts=(Start(32.42), Start(0.0), Start(0.0)),
        episodes=(Episode("slow", 70.26, 90.0, 1.0),),
        database_faults=(
            DatabaseFault("lost before commit", "warehouse", 2.54, 40),
            DatabaseFault("slow", "queue", 4.35, 40),
            DatabaseFault("slow", "warehouse", 5.87, 1, 5.0),
        ),
        clock_steps=(ClockStep(13.3, -3600.0), ClockStep(38.08, 90.0, of_api=True)),
        operations=(Operation(65.45, "retry"),),
    ),
    "A run that never learnt that its load was committed wrote at its end that it had loaded nothing.": Scenario(
        seed=153,
        batch_size=8,
        lease_seconds=8.0,
        recheck_seconds=0.0,
        attempts=4,
        timeout_seconds=3.0,
        patience_seconds=20.0,
        hidden_limit=(8.0, 1.0),
        server=False,
        starts=(Start(1.98),),
        episodes=(Episode("redirect", 0.0, 60.0, 0.2), Episode("redirect", 10.85, 12.85, 0.2)),
        database_faults=(DatabaseFault("lost after commit", "queue", 5.77, 40),),
    ),
    "A run that was frozen in a load found its leases lost before the load said so, and ended with 78.": Scenario(
        seed=111,
        tasks=2,
        shared=True,
        server=False,
        concurrency=1,
        batch_size=3,
        lease_seconds=8.0,
        starts=(Start(0.0, fate="freezes", call=("write", 1, False), freeze_seconds=10.0), Start(5.06)),
    ),
}
"""What each night has found, and the night."""
