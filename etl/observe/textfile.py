"""A textfile of node_exporter, which holds the metrics of the last run."""

import os
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from etl.observe.metrics import LabelledMetrics, parse_metrics

MODE = 0o644
"""node_exporter runs as another user than the job."""


def textfile_of(file: Path, shard: str | None) -> Path:
    """Return the textfile of a run: each shard has a file of its own, since a run replaces the whole file."""
    return file.with_stem(f"{file.stem}-shard-{shard}") if shard else file


def write_textfile(file: Path, registry: CollectorRegistry, *, labels: Mapping[str, str]) -> None:
    """Replace a textfile of node_exporter atomically; metrics that this run does not know keep their values.

    Raises:
        OSError: the file cannot be written.
    """
    reported = {family.name for family in registry.collect()}
    kept = [family for family in read_textfile(file) if family.name not in reported]
    registry.register(LabelledMetrics(kept, labels))
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(generate_latest(registry))
        # The umask of a service often keeps files from other users.
        unfinished.chmod(MODE)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def read_textfile(file: Path) -> list[Metric]:
    """Read the job's metrics of a textfile; none if it does not exist.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        return parse_metrics(file.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return []
