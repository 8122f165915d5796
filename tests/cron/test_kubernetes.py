"""The manifests are valid, restricted, and agree with each other, with the settings and with the exit codes."""

import os
import re
from copy import deepcopy

import pytest

from etl.settings.load import load_configuration
from tests.cron.manifests import (
    CONFIG,
    CONTAINER,
    CRONJOB,
    JOB,
    KUBERNETES,
    KUSTOMIZATION,
    MANIFESTS,
    POD,
    RESOURCES,
    environment,
    exit_codes,
)

PERSONAL_VOLUMES = {"configMap", "emptyDir", "secret", "projected", "downwardAPI", "csi", "persistentVolumeClaim"}


@pytest.mark.parametrize("name", RESOURCES)
def test_a_manifest_is_valid_and_has_no_unknown_field(name, version, validator):
    assert validator.validate(MANIFESTS[name], version, strict=True) == version


def test_the_validator_finds_a_misspelt_field_deep_inside(version, validator):
    manifest = deepcopy(MANIFESTS["cronjob.yaml"])
    manifest["spec"]["jobTemplate"]["spec"]["podFailurePolcy"] = {}

    with pytest.raises(validator.ValidationError, match="podFailurePolcy"):
        validator.validate(manifest, version, strict=True)


def test_the_kustomization_lists_every_manifest_but_the_example_secret():
    generated = [file for generator in KUSTOMIZATION["configMapGenerator"] for file in generator["files"]]

    assert set(KUSTOMIZATION["resources"]) == set(RESOURCES) - {"example-secret.yaml"}
    assert all((KUBERNETES / file).is_file() for file in [*KUSTOMIZATION["resources"], *generated])


def test_the_manifests_refer_to_each_other_by_the_right_names():
    (generator,) = KUSTOMIZATION["configMapGenerator"]
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    secret = MANIFESTS["example-secret.yaml"]
    (labels,) = KUSTOMIZATION["labels"]
    selector = MANIFESTS["networkpolicy.yaml"]["spec"]["podSelector"]["matchLabels"]

    assert POD["serviceAccountName"] == MANIFESTS["serviceaccount.yaml"]["metadata"]["name"]
    assert volumes["config"]["configMap"]["name"] == generator["name"]
    assert volumes["secrets"]["secret"]["secretName"] == secret["metadata"]["name"]
    assert KUSTOMIZATION["namespace"] == MANIFESTS["namespace.yaml"]["metadata"]["name"]
    assert KUSTOMIZATION["namespace"] == secret["metadata"]["namespace"]
    assert labels["includeTemplates"]
    assert selector.items() <= labels["pairs"].items()
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == set(volumes)


def test_the_pod_meets_the_restricted_standard():
    security, container_security = POD["securityContext"], CONTAINER["securityContext"]

    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == 10001
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container_security == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(set(volume) - {"name"} <= PERSONAL_VOLUMES for volume in POD["volumes"])
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"} & set(POD)
    assert "ports" not in CONTAINER
    assert MANIFESTS["namespace.yaml"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_pod_has_no_token_for_the_cluster():
    assert MANIFESTS["serviceaccount.yaml"]["automountServiceAccountToken"] is False
    assert POD["automountServiceAccountToken"] is False


def test_the_network_policy_refuses_inbound_connections():
    policy = MANIFESTS["networkpolicy.yaml"]["spec"]

    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert "ingress" not in policy


def test_the_image_is_pinned_by_digest():
    assert re.fullmatch(r"registry\.example\.com/task-audit@sha256:[0-9a-f]{64}", CONTAINER["image"])


def test_memory_is_bounded():
    assert set(CONTAINER["resources"]["requests"]) == {"cpu", "memory"}
    assert set(CONTAINER["resources"]["limits"]) == {"memory"}


def test_one_run_a_night_in_utc_and_a_missed_one_is_made_up_for():
    assert MANIFESTS["cronjob.yaml"]["apiVersion"] == "batch/v1"
    assert CRONJOB["timeZone"] == "Etc/UTC"
    assert CRONJOB["concurrencyPolicy"] == "Forbid"
    assert 3600 <= CRONJOB["startingDeadlineSeconds"] <= 14400
    assert re.fullmatch(r"\d+ \d+ \* \* \*", CRONJOB["schedule"])
    # The controller appends 11 characters to make the name of a Job, of at most 63.
    assert len(MANIFESTS["cronjob.yaml"]["metadata"]["name"]) <= 52


def test_the_job_ends_itself_before_the_cluster_does():
    assert JOB["activeDeadlineSeconds"] > CONFIG["run"]["deadline_seconds"] + 300


def test_a_run_has_time_to_end_cleanly():
    assert POD["terminationGracePeriodSeconds"] == 120


def test_a_code_that_needs_a_person_ends_the_job_and_the_others_are_retried(final, retryable):
    assert POD["restartPolicy"] == "Never"
    assert JOB["backoffLimit"] == 3
    assert exit_codes("FailJob") == final
    # 137 is a kill, usually for memory, and 143 a second SIGTERM: neither is an exit code of the program itself.
    assert exit_codes("Count") == retryable | {137, 143}


def test_the_rules_name_the_container_and_sort_their_codes():
    rules = [rule["onExitCodes"] for rule in JOB["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert rules
    for codes in rules:
        assert codes["containerName"] == CONTAINER["name"]
        assert codes["values"] == sorted(set(codes["values"]))


def test_a_disruption_uses_up_no_attempt():
    ignored = [rule for rule in JOB["podFailurePolicy"]["rules"] if rule["action"] == "Ignore"]

    assert ignored == [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]


@pytest.fixture
def mounted(tmp_path, monkeypatch):
    """Mount the configuration and the secrets as the kubelet does, behind links to a dated folder."""
    secrets = tmp_path / "secrets"
    dated = secrets / "..2026_11_01_00_00_00.1"
    dated.mkdir(parents=True)
    (secrets / "..data").symlink_to(dated.name)
    for name, value in MANIFESTS["example-secret.yaml"]["stringData"].items():
        (dated / name).write_text(value)
        (secrets / name).symlink_to(f"..data/{name}")
    for variable in [name for name in os.environ if name.startswith("TASK_AUDIT_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("TASK_AUDIT_SECRETS_DIR", str(secrets))
    monkeypatch.setenv("TASK_AUDIT_CONFIG", str(KUBERNETES / "config.toml"))


def test_the_program_reads_the_mounted_configuration_and_secrets(mounted):
    settings = load_configuration().settings

    assert settings.run.deadline_seconds == CONFIG["run"]["deadline_seconds"]
    assert settings.api.token.get_secret_value() == "not-a-real-token"
    assert settings.source.url.get_secret_value().startswith("postgresql+psycopg://")
    assert settings.warehouse.url.get_secret_value().startswith("postgresql+psycopg://")


def test_the_pod_points_the_program_at_its_mounts():
    variables = environment(CONTAINER)
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}

    assert variables["TASK_AUDIT_CONFIG"] == f"{mounts['config']}/config.toml"
    assert variables["TASK_AUDIT_SECRETS_DIR"] == mounts["secrets"]
    assert variables["HOME"] == mounts["tmp"] == "/tmp"  # noqa: S108 - the pod's own emptyDir


def test_no_secret_is_in_the_environment_or_in_the_configuration():
    secrets = MANIFESTS["example-secret.yaml"]["stringData"]
    configured = {f"{section}__{key}" for section, values in CONFIG.items() for key in values}

    assert not secrets.keys() & configured
    assert "secretKeyRef" not in str(CONTAINER)
    assert all("not-a-real" in value for value in secrets.values())


def test_only_the_owner_and_the_group_of_the_job_read_the_secrets():
    (volume,) = [volume for volume in POD["volumes"] if volume["name"] == "secrets"]

    assert volume["secret"]["defaultMode"] == 0o440
