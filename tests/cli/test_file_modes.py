"""What a command writes is for its owner only."""

from tests.nights import task_ids


def mode(path):
    return oct(path.stat().st_mode & 0o777)


def test_only_the_owner_may_read_new_files(night_of, configure, tmp_path):
    (tmp_path / "ids").write_text("\n".join(task_ids(3)), encoding="utf-8")
    with night_of() as night:
        (tmp_path / "new").mkdir()
        # Other databases than those that the night was set up with.
        configure(
            source__url=f"sqlite:///{tmp_path}/new/p.sqlite",
            warehouse__url=f"duckdb:///{tmp_path}/new/w.duckdb",
            archive__location=tmp_path / "new" / "archive",
        )
        for arguments in (
            ["init"],
            ["enqueue", "--file", str(tmp_path / "ids")],
            ["run"],
            ["report", "--out", str(tmp_path / "new" / "report.html")],
            ["config", "new", "--source", "sqlite", "--out", str(tmp_path / "new" / "task-audit.toml")],
        ):
            program = night.start(*arguments)
            assert program.wait(60) == 0, program.printed()

    modes = {path.relative_to(tmp_path / "new").as_posix(): mode(path) for path in (tmp_path / "new").rglob("*")}
    folders = {name for name in modes if (tmp_path / "new" / name).is_dir()}
    assert {"p.sqlite", "w.duckdb", "report.html", "task-audit.toml", "archive"} <= modes.keys()
    assert {name: found for name, found in modes.items() if found != ("0o700" if name in folders else "0o600")} == {}
