"""`doctor` tells of every file with a secret, and of every folder with one, that other users can read or change."""

import os

import pytest

from etl.jobs.doctor.file_rights import examine_secrets
from etl.jobs.doctor.finding import State
from etl.settings.load import load_configuration
from tests.nights import TOKEN

JOBS_USER, OTHER_USER, OTHER_GROUP = 4711, 4712, 4713
"""IDs that no user of this machine needs to have."""


@pytest.fixture
def secrets(tmp_path, monkeypatch):
    """A secrets folder with one file, as the documents say."""
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "api__token").write_text(TOKEN, encoding="utf-8")
    (folder / "api__token").chmod(0o600)
    monkeypatch.setenv("TASK_AUDIT_SECRETS_DIR", str(folder))
    return folder


def findings(configuration=None):
    found = list(examine_secrets(configuration or load_configuration()))
    assert TOKEN not in str(found)
    assert found[-1].state is State.OK
    return found[-1].said, [f"{each.said} {each.remedy}" for each in found[:-1]]


@pytest.mark.parametrize(
    ("mode", "complaint"),
    [
        (0o600, None),
        (0o640, None),
        (0o604, "All users of this machine can read {file}. chmod o-r {file}"),
        (0o602, "All users of this machine can change {file}. chmod o-w {file}"),
        (0o666, "All users of this machine can read and change {file}. chmod o-rw {file}"),
    ],
)
def test_the_mode_of_a_file_in_the_secrets_folder(secrets, mode, complaint):
    file = secrets / "api__token"
    file.chmod(mode)
    assert findings() == ("1 files were checked.", [complaint.format(file=file)] if complaint else [])


def test_a_folder_in_which_others_can_replace_files(secrets):
    secrets.chmod(0o777)
    assert findings()[1] == [f"All users of this machine can change {secrets}. chmod o-w {secrets}"]
    secrets.chmod(0o1777)
    assert findings()[1] == []


def test_the_folder_of_a_single_file(tmp_path, configure):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "token").write_text(TOKEN, encoding="utf-8")
    (folder / "token").chmod(0o600)
    configure(api__token_file=folder / "token")
    assert findings()[1] == [f"All users of this machine can change {folder}. chmod o-w {folder}"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_the_owner_and_the_group_of_a_file(secrets, monkeypatch):
    file = secrets / "api__token"
    file.chmod(0o660)
    os.chown(file, OTHER_USER, OTHER_GROUP)
    assert findings()[1] == []
    monkeypatch.setattr(os, "geteuid", lambda: JOBS_USER)
    by_group, by_owner = findings()[1]
    assert f"group {OTHER_GROUP} can read and change {file}. chmod g-rw {file}" in by_group
    assert f"The user {OTHER_USER}, who is neither root nor the job's, owns and can change {file}." in by_owner
    monkeypatch.setattr(os, "getgroups", lambda: [OTHER_GROUP])
    assert findings()[1] == [by_owner]
    os.chown(file, JOBS_USER, OTHER_GROUP)
    assert findings()[1] == []


def test_a_mount_of_kubernetes_is_left_out(secrets):
    """Kubernetes mounts a Secret so: all users may write to the folder, and links lead to the files."""
    secrets.chmod(0o777)
    (secrets / "..2026_11_29").mkdir()
    (secrets / "api__token").rename(secrets / "..2026_11_29" / "api__token")
    (secrets / "..2026_11_29" / "api__token").chmod(0o644)
    (secrets / "..data").symlink_to("..2026_11_29")
    (secrets / "api__token").symlink_to("..data/api__token")
    message, warnings = findings()
    assert warnings == []
    assert f"{secrets}: a mount of Kubernetes" in message


@pytest.mark.parametrize(
    ("text", "can_be_read"),
    [
        ("[source]\nurl = 'postgresql://u@h/d?password=CANARY'", False),
        ("[source]\nurl = 'postgresql://u:CANARY@h/d'", False),
        ("[source]\nurl = 'postgresql://u@h/d?sslmode=verify-full&sslrootcert=/etc/ca.pem'", True),
        ("[api]\nproxy = 'http://u:CANARY@h:3128'", False),
        ("[api]\nproxy = 'http://h:3128'", True),
        ("[api]\nuser_id = '1'", True),
    ],
)
def test_a_configuration_file_with_a_secret(tmp_path, text, can_be_read):
    file = tmp_path / "job.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o644)
    warnings = findings(load_configuration(file))[1]
    assert warnings == ([] if can_be_read else [f"All users of this machine can read {file}. chmod o-r {file}"])
    file.chmod(0o602)
    assert findings(load_configuration(file))[1] == [f"All users of this machine can change {file}. chmod o-w {file}"]
