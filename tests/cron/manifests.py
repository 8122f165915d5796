"""The manifests of Kubernetes, and what tests read in them."""

import tomllib
from pathlib import Path

import yaml

FOLDER = Path(__file__).parents[2] / "cron" / "kubernetes"


KUBERNETES = FOLDER / "base"


KUSTOMIZATION = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())


MANIFESTS = {path.name: yaml.safe_load(path.read_text()) for path in sorted(KUBERNETES.glob("*.yaml"))}


RESOURCES = [name for name in MANIFESTS if name != "kustomization.yaml"]


CRONJOB = MANIFESTS["cronjob.yaml"]["spec"]


JOB = CRONJOB["jobTemplate"]["spec"]


POD = JOB["template"]["spec"]
(CONTAINER,) = POD["containers"]


CONFIG = tomllib.loads((KUBERNETES / "config.toml").read_text())


def exit_codes(action: str, job=JOB) -> set[int]:
    rules = [rule for rule in job["podFailurePolicy"]["rules"] if rule["action"] == action]
    return {code for rule in rules for code in rule.get("onExitCodes", {"values": []})["values"]}


def environment(container) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container["env"]}
