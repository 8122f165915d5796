"""Checks the targets of the metrics: a run can write, the monitoring can read, and no other series hides the job's."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

from etl.jobs.doctor.finding import Finding, warning
from etl.observe.deadline import MAX_REPORTING_SECONDS
from etl.observe.labels import labels_of
from etl.observe.metrics import configurations_of
from etl.observe.pushgateway import configurations_in_group
from etl.observe.textfile import read_textfile
from etl.settings.load import Configuration, Settings

SUBJECT = "metrics"

OTHERS_READ, OTHERS_ENTER = 0o044, 0o011
"""The rights of the group or of all users, one of which node_exporter needs unless it is root."""


def examine_metrics(configuration: Configuration) -> Iterator[Finding]:
    """Check the textfile and the Pushgateway; what is wrong with them never ends a run."""
    settings = configuration.settings
    label = labels_of(settings)["configuration"]
    if file := settings.telemetry.metrics_textfile:
        yield from _or_fine([*_rights(file.absolute()), *_equal_series(file.absolute(), label)], str(file), label)
    if url := settings.telemetry.pushgateway_url:
        yield from _or_fine(list(_pushgateway(url, settings)), url, label)


def _or_fine(warnings: list[Finding], target: str, label: str) -> list[Finding]:
    message = f'{target} can take the metrics, whose label is configuration="{label}".'
    return warnings or [Finding(subject=SUBJECT, said=message)]


def _rights(file: Path) -> Iterator[Finding]:
    folder = file.parent
    try:
        TemporaryFile(dir=folder).close()
        read_textfile(file)
    except OSError as error:
        yield warning(
            SUBJECT,
            f"This user cannot replace {file}: {error.strerror}.",
            remedy=f"Make the folder {folder}, and let the user of the job write to it. A unit of systemd needs it in "
            "ReadWritePaths, too.",
        )
        return
    private = [each for each in folder.parents if not each.stat().st_mode & OTHERS_ENTER]
    private += [each for each in (folder, file) if each.exists() and not each.stat().st_mode & OTHERS_READ]
    for path in private:
        yield warning(
            SUBJECT,
            f"Only its owner can read {path}, so that node_exporter, which is another user, does not find the metrics.",
            remedy=f"chmod {'0644' if path == file else 'go+rx'} {path}, or use a folder for textfiles only.",
        )


def _equal_series(file: Path, label: str) -> Iterator[Finding]:
    """Find files with the same series: node_exporter drops the second of two equal series without an error."""
    own = {file, *file.parent.glob(f"{file.stem}-shard-*.prom")}
    for other in sorted(set(file.parent.glob("*.prom")) - own):
        if os.access(other, os.R_OK) and label in configurations_of(read_textfile(other)):
            yield warning(
                SUBJECT,
                f'{other} has the same series, configuration="{label}", and node_exporter shows only one of the two.',
                remedy="Remove the file if it is left from earlier, or give each configuration its own "
                "telemetry.metrics_configuration.",
            )


def _pushgateway(url: str, settings: Settings) -> Iterator[Finding]:
    """Find another configuration in the same group: each replaces the metrics of the other."""
    labels = labels_of(settings)
    try:
        found = configurations_in_group(url, settings.telemetry, labels=labels, seconds=MAX_REPORTING_SECONDS)
    except OSError as error:
        remedy = "Check telemetry.pushgateway_url, and whether the Pushgateway runs."
        yield warning(SUBJECT, f"{url} cannot take the metrics: {error}.", remedy=remedy)
        return
    # Metrics of an earlier version have no such label, and the next run replaces them.
    if others := found - {labels["configuration"], ""}:
        yield warning(
            SUBJECT,
            f"On {url} other metrics are in the group of this configuration ({', '.join(sorted(others))}).",
            remedy="Each run replaces the metrics of its group: give each configuration its own "
            "telemetry.metrics_configuration.",
        )
