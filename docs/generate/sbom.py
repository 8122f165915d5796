"""Completes the bill of materials of the image: ``python -m docs.generate.sbom LOCK ENVIRONMENT``.

cyclonedx-py knows the hashes of the packages from the lock, and their licences and dependencies from an environment
where they are installed, but not both at once. The version of the product and the base image are in neither.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from etl import __version__
from etl.resources import resource

BASE_IMAGE = re.compile(r"^FROM (?P<name>\S+):(?P<tag>[^@\s]+)@sha256:(?P<digest>[0-9a-f]{64})", re.MULTILINE)

Bill = dict[str, Any]


def complete(of_lock: Bill, of_environment: Bill) -> Bill:
    """Add to the bill of the lock what else is known about its packages.

    Args:
        of_lock: the bill of the lock file, with hashes.
        of_environment: the bill of an environment with these packages and others.
    """
    installed = {canonicalize_name(each["name"]): each for each in of_environment["components"]}
    packages = [_package(each, installed.get(canonicalize_name(each["name"]), {})) for each in of_lock["components"]]
    root, image = dict(of_lock["metadata"]["component"], version=__version__), _base_image()
    references = {
        installed[name]["bom-ref"]: each["bom-ref"] for each in packages if (name := each["name"]) in installed
    }
    references[of_environment["metadata"]["component"]["bom-ref"]] = root["bom-ref"]
    needs = {each["bom-ref"]: set[str]() for each in (root, image, *packages)}
    for dependency in of_environment["dependencies"]:
        if dependency["ref"] in references:
            needed = {references[each] for each in dependency.get("dependsOn", []) if each in references}
            needs[references[dependency["ref"]]] |= needed
    needs[root["bom-ref"]].add(image["bom-ref"])
    return {
        **of_lock,
        "metadata": {**of_lock["metadata"], "component": root},
        "components": [*packages, image],
        "dependencies": [{"ref": each, "dependsOn": sorted(needed)} for each, needed in sorted(needs.items())],
    }


def _package(locked: Bill, installed: Bill) -> Bill:
    # The description in the bill of the lock is a line of the lock, which repeats all hashes.
    described = {key: value for key, value in locked.items() if key != "description"}
    described |= {key: installed[key] for key in ("description", "licenses") if key in installed}
    return {**described, "name": canonicalize_name(locked["name"]), "bom-ref": locked["purl"]}


def _base_image() -> Bill:
    found = BASE_IMAGE.search(resource("Dockerfile").read_text(encoding="utf-8"))
    assert found is not None  # noqa: S101 - a test demands the digest
    name, tag, digest = found["name"], found["tag"], found["digest"]
    short_name = name.rpartition("/")[2]
    purl = f"pkg:oci/{short_name}@sha256%3A{digest}?repository_url={name}&tag={tag}"
    hashes = [{"alg": "SHA-256", "content": digest}]
    return {"type": "container", "bom-ref": purl, "name": name, "version": tag, "purl": purl, "hashes": hashes}


if __name__ == "__main__":
    lock, environment = (json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:])
    json.dump(complete(lock, environment), sys.stdout, indent=2, ensure_ascii=False)
