"""The overlays: kustomize renders them to valid manifests that share work, rate and restrictions."""

import shutil
import subprocess

import pytest
import yaml

from etl.cli.run import run
from etl.settings.model import ApiSettings
from etl.tasks import Shard
from tests.cron.manifests import (
    CONFIG,
    CONTAINER,
    FOLDER,
    JOB,
    KUSTOMIZATION,
    POD,
    environment,
    exit_codes,
)

OVERLAYS = sorted(path.name for path in (FOLDER / "overlays").iterdir())


RUNS = [name for name in OVERLAYS if name != "digest"]


MANY_WORKERS = ["many-workers", "sharded"]


needs_kubectl = pytest.mark.skipif(
    not shutil.which("kubectl"), reason="kubectl is not installed, so kustomize cannot render the overlays"
)


def rendered(overlay: str) -> dict[str, dict]:
    """Return the manifests of an overlay by kind, as ``kubectl apply -k`` sends them."""
    command = ["kubectl", "kustomize", FOLDER / "overlays" / overlay]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {manifest["kind"]: manifest for manifest in yaml.safe_load_all(text)}


def job_of(overlay: str):
    return rendered(overlay)["CronJob"]["spec"]["jobTemplate"]["spec"]


@needs_kubectl
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kustomize_renders_valid_manifests(overlay, version, validator):
    by_kind = rendered(overlay)
    pod = by_kind["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]

    for manifest in by_kind.values():
        validator.validate(manifest, version, strict=True)
    assert set(by_kind) == {"Namespace", "ServiceAccount", "NetworkPolicy", "CronJob", "ConfigMap"}
    assert by_kind["ConfigMap"]["metadata"]["name"] in str(pod["spec"]["volumes"])
    assert pod["metadata"]["labels"] == KUSTOMIZATION["labels"][0]["pairs"]


@needs_kubectl
def test_the_digest_stands_beside_the_nightly_job_and_is_as_restricted():
    night, morning = rendered("nightly"), rendered("digest")
    shared = {kind for kind in night if night[kind]["metadata"]["name"] == morning[kind]["metadata"]["name"]}
    spec, of_night = morning["CronJob"]["spec"], night["CronJob"]["spec"]
    pod, of_run = (each["jobTemplate"]["spec"]["template"]["spec"] for each in (spec, of_night))

    assert shared == {"Namespace"}
    assert morning["ConfigMap"]["data"] == night["ConfigMap"]["data"]
    assert morning["ConfigMap"]["metadata"]["name"] in str(pod["volumes"])
    assert pod["serviceAccountName"] == morning["ServiceAccount"]["metadata"]["name"]
    assert (spec["schedule"], spec["timeZone"]) == ("0 7 * * *", "Etc/UTC")
    assert pod["containers"] == [{**of_run["containers"][0], "args": pod["containers"][0]["args"]}]
    assert pod["securityContext"] == of_run["securityContext"]


@needs_kubectl
@pytest.mark.parametrize("overlay", RUNS)
def test_an_overlay_keeps_the_restrictions_of_the_pod(overlay):
    pod = job_of(overlay)["template"]["spec"]
    added = {"topologySpreadConstraints"} & set(pod)
    (container,) = pod["containers"]
    others = [variable for variable in container["env"] if variable not in CONTAINER["env"]]
    own = {"env": others + CONTAINER["env"], "args": container["args"]}

    unchanged = {key: value for key, value in pod.items() if key not in {"containers", "volumes", *added}}
    assert unchanged == {key: value for key, value in POD.items() if key not in {"containers", "volumes"}}
    assert container == {**CONTAINER, **own}
    assert [set(volume) for volume in pod["volumes"]] == [set(volume) for volume in POD["volumes"]]


@needs_kubectl
@pytest.mark.parametrize("overlay", MANY_WORKERS)
def test_many_workers_share_the_work_of_a_night(overlay):
    job = job_of(overlay)

    assert job["completionMode"] == "Indexed"
    assert job["completions"] == job["parallelism"] == 4


@needs_kubectl
def test_workers_on_one_queue_have_the_whole_rate():
    (container,) = job_of("many-workers")["template"]["spec"]["containers"]

    assert container == CONTAINER


@needs_kubectl
def test_each_shard_has_its_part_of_the_table_and_of_the_rate(monkeypatch):
    job = job_of("sharded")
    (container,) = job["template"]["spec"]["containers"]
    allowed = CONFIG["api"].get("max_rate", ApiSettings.model_fields["max_rate"].default)
    assert 0.9 * allowed < job["completions"] * float(environment(container)["TASK_AUDIT_API__MAX_RATE"]) <= allowed

    shards = []
    for index in range(job["completions"]):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
        shards.append(run.make_context("run", container["args"][1:]).params["shard"])
    assert shards == [Shard(index, job["completions"]) for index in range(job["completions"])]


@needs_kubectl
@pytest.mark.parametrize("overlay", MANY_WORKERS)
def test_a_dead_letter_or_bug_of_one_worker_does_not_end_the_others(overlay, final, retryable):
    job = job_of(overlay)

    assert job["backoffLimitPerIndex"] == JOB["backoffLimit"]
    assert "backoffLimit" not in job
    assert exit_codes("FailJob", job) == {2, 77, 78}
    assert exit_codes("FailIndex", job) == final - {2, 77, 78}
    assert exit_codes("Count", job) == retryable | {137, 143}
