"""The origin of each value, and the errors about wrong ones, none of which contains a secret."""

import pytest

from etl.redaction import MASK
from etl.settings.load import load_configuration
from tests.settings.refusals import CANARY, refusal


@pytest.fixture
def toml(tmp_path):
    """Write a configuration file."""

    def write(content):
        file = tmp_path / "audit.toml"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write


@pytest.fixture
def secrets(tmp_path, monkeypatch):
    """Mount a directory of secrets."""

    def mount(**files):
        folder = tmp_path / "secrets"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_text(content, encoding="utf-8")
        monkeypatch.setenv("TASK_AUDIT_SECRETS_DIR", str(folder))
        return folder

    return mount


def rows(configuration):
    return {row.name: (row.value, row.origin) for row in configuration.rows()}


def test_each_source_overrides_the_one_before(toml, secrets, configure):
    configuration = rows(load_configuration())
    assert configuration["api.attempts"] == ("4", "default")

    file = toml("[api]\nattempts = 5\nconcurrency = 5\nmax_rate = 5\ntimeout_seconds = 5\n")
    folder = secrets(api__concurrency="6\n", api__max_rate="6", api__timeout_seconds="6")
    configure(api__max_rate=7, api__timeout_seconds=7)
    configuration = rows(load_configuration(file, {"api": {"timeout_seconds": 8}}))

    assert configuration["api.attempts"] == ("5", f"[api] attempts in {file}")
    assert configuration["api.concurrency"] == ("6", f"{folder}/api__concurrency")
    assert configuration["api.max_rate"] == ("7.0", "TASK_AUDIT_API__MAX_RATE")
    assert configuration["api.timeout_seconds"] == ("8.0", "the command line")
    assert configuration["run.batch_size"] == ("5000", "default")


def test_an_environment_variable_may_name_the_file(toml, monkeypatch):
    monkeypatch.setenv("TASK_AUDIT_CONFIG", str(toml("[run]\nbatch_size = 7\n")))
    assert load_configuration().settings.run.batch_size == 7

    monkeypatch.setenv("TASK_AUDIT_CONFIG", "")
    assert load_configuration().settings.run.batch_size == 5_000


def test_a_key_is_known_by_its_alias_only(toml, configure):
    configure(warehouse__schema="audit")
    configuration = load_configuration(toml("[warehouse]\nschema = 'other'\n"))

    assert configuration.settings.warehouse.schema_name == "audit"
    assert rows(configuration)["warehouse.schema"] == ("audit", "TASK_AUDIT_WAREHOUSE__SCHEMA")
    configure(warehouse__schema_name="audit")
    assert "warehouse.schema_name (from TASK_AUDIT_WAREHOUSE__SCHEMA_NAME) is not a setting" in refusal()


def test_a_file_may_have_a_byte_order_mark_and_braces_in_its_name(tmp_path):
    file = tmp_path / "{section}.toml"
    file.write_bytes(b"\xef\xbb\xbf[run]\r\nbatch_size = 7\r\n")

    assert rows(load_configuration(file))["run.batch_size"] == ("7", f"[run] batch_size in {file}")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[api]\nmax_rat = 3", "api.max_rat (from [api] max_rat in FILE) is not a setting"),
        ("[aip]\nmax_rate = 3", "aip (from [aip] in FILE) is not a setting"),
        ("max_rate = 3", "max_rate (from [max_rate] in FILE) is not a setting"),
        ("api = 3", "api (from [api] in FILE): Input should be a valid dictionary"),
        ("[api]\nmax_rate = 'fast'", "api.max_rate (from [api] max_rate in FILE): Input should be a valid number"),
        ("[api]\nmax_rate = nan", "api.max_rate (from [api] max_rate in FILE): Input should be a finite number"),
        ("[api]\nattempts = 2.5", "api.attempts (from [api] attempts in FILE): Input should be a valid integer"),
        ("[api]\nconcurrency = 0", "api.concurrency (from [api] concurrency in FILE): Input should be greater than"),
        (f"[api]\ntoken = ['{CANARY}']", "api.token (from [api] token in FILE): Input should be a valid string"),
        (f'[api]\ntoken = "{CANARY}\\nX-Other: 1"', "api.token (from [api] token in FILE): must be printable ASCII"),
        (f"[api]\ntoken = '{CANARY}ü'", "api.token (from [api] token in FILE): must be printable ASCII"),
        ("[api]\nauth = 'basic'", "api.auth (from [api] auth in FILE): Input should be 'token' or 'app'"),
        ("[source]\nmode = 'readonly'", "source.mode (from [source] mode in FILE)"),
        ("[source]\nwhere = 'x'", "source (from [source] where in FILE): where: only for mode = 'read_only'"),
        ("[source]\ntable = 'a.b.c'", "source.table (from [source] table in FILE): is not a table name"),
        ("[source]\ntable = 'x; DROP'", "source.table (from [source] table in FILE): is not a table name"),
        ("[source]\ntable = 'audit.x'", "source (from [source] table in FILE): table audit.x: SQLite has no schemas"),
        (
            f"[source]\ntable = '{'x' * 51}'",
            "source (from [source] table in FILE): table: with mode = 'queue' a name has at most 50",
        ),
        (
            "[warehouse]\nurl = 'sqlite:///x'\nschema = 'a'",
            "[warehouse] schema in FILE): schema: SQLite has no schemas",
        ),
        ("[telemetry]\nlog_format = 'xml'", "telemetry.log_format (from [telemetry] log_format in FILE)"),
        ("[api\n", "FILE is not valid TOML: "),
        ("[api]\nattempts = 1\nattempts = 2\n", "FILE is not valid TOML: "),
        (b"\xff\xfe[\0", "The configuration file FILE cannot be read: It is not UTF-8"),
    ],
)
def test_an_error_in_a_file_names_the_key_and_the_file(toml, content, complaint):
    file = toml(content)

    assert complaint.replace("FILE", str(file)) in refusal(file)


def test_one_error_names_everything_that_is_wrong(toml, configure):
    configure(run__batch_size="many")

    message = refusal(toml("[api]\nmax_rat = 3\n"))

    assert "api.max_rat" in message
    assert "run.batch_size (from TASK_AUDIT_RUN__BATCH_SIZE)" in message


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("asia/shanghai", "; did you mean Asia/Shanghai?"),
        ("Europe/Berlim", "; did you mean Europe/Berlin?"),
        ("+08:00", " such as Asia/Shanghai"),
        ("", " such as Asia/Shanghai"),
        # A file of the machine, a folder of zones, and a path out of it.
        ("localtime", ""),
        ("Asia", ""),
        ("../../etc/localtime", ""),
    ],
)
def test_a_zone_that_this_machine_does_not_know_is_an_error(configure, name, hint):
    configure(warehouse__time_zone=name)

    assert f"time_zone): is no IANA name of a time zone that this machine knows{hint}" in refusal().replace(
        "TASK_AUDIT_WAREHOUSE__TIME_ZONE", "time_zone"
    )


@pytest.mark.parametrize("name", ["missing.toml", ".", "loop.toml"])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path, name):
    (tmp_path / "loop.toml").symlink_to("loop.toml")

    assert f"The configuration file {tmp_path / name} cannot be read: " in refusal(tmp_path / name)


@pytest.mark.parametrize(
    "variable",
    ["TASK_AUDIT_TOKEN", "TASK_AUDIT_AIP__TOKEN", "TASK_AUDIT_API", "TASK_AUDIT_API_TOKEN", "task_audit_aip__token"],
)
def test_a_variable_without_a_setting_is_an_error(monkeypatch, variable):
    monkeypatch.setenv(variable, CANARY)

    assert f"The environment variable {variable} names no setting" in refusal()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"api__tokn": CANARY}, "api.tokn (from TASK_AUDIT_API__TOKN) is not a setting"),
        ({"api__token__x": CANARY}, "api.token (from TASK_AUDIT_API__TOKEN)"),
        ({"api__token": ""}, "api.token (from TASK_AUDIT_API__TOKEN): is empty"),
        ({"api__token": "  "}, "api.token (from TASK_AUDIT_API__TOKEN): is empty"),
        ({"api__app_secret": ""}, "api.app_secret (from TASK_AUDIT_API__APP_SECRET): is empty"),
        ({"api__user_id": ""}, "api.user_id (from TASK_AUDIT_API__USER_ID): must be printable"),
        ({"api__base_url": ""}, "api.base_url (from TASK_AUDIT_API__BASE_URL): is not a URL"),
        ({"source__url": ""}, "source.url (from TASK_AUDIT_SOURCE__URL): is not an SQLAlchemy URL"),
        ({"run__batch_size": ""}, "run.batch_size (from TASK_AUDIT_RUN__BATCH_SIZE): Input should be a valid integer"),
    ],
)
def test_an_error_in_the_environment_names_the_key_and_the_variable(configure, settings, complaint):
    configure(**settings)

    assert complaint in refusal()


def test_an_error_about_keys_that_do_not_fit_names_the_origin_of_no_other_key(configure):
    configure(source__mode="read_only", source__table="where.url", source__where="a = 1")

    expected = "source (from TASK_AUDIT_SOURCE__TABLE): table where.url: SQLite has no schemas"
    assert refusal().partition("wrong: ")[2].startswith(expected)


def test_an_error_in_a_secret_file_names_the_key_and_the_file(secrets):
    folder = secrets(api__tokn=CANARY, api__app_secret="\n", README="not ours", api="{}")

    message = refusal()

    assert f"api.tokn (from {folder}/api__tokn) is not a setting" in message
    assert f"api.app_secret (from {folder}/api__app_secret): is empty" in message


def test_a_secret_file_without_a_setting_is_an_error(secrets):
    folder = secrets(aip__token=CANARY)

    assert f"The secret file {folder}/aip__token names no setting" in refusal()


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_missing_secrets_directory_is_an_error(tmp_path, monkeypatch, name):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TASK_AUDIT_SECRETS_DIR", str(tmp_path / name))

    assert f"The secrets directory {tmp_path / name} cannot be read: " in refusal()


@pytest.mark.parametrize("secret", ["token", "app_secret"])
def test_a_secret_in_two_places_is_an_error(toml, configure, secret):
    file = toml(f"[api]\n{secret}_file = '/run/secret'\n")
    configure(**{f"api__{secret}": CANARY})

    message = refusal(file)

    assert f"{secret} and {secret}_file are both set; keep one" in message
    assert f"(from TASK_AUDIT_API__{secret.upper()}, [api] {secret}_file in {file})" in message


@pytest.mark.parametrize(
    ("settings", "name", "shown"),
    [
        ({"api__token": CANARY}, "api.token", MASK),
        ({"api__app_secret": f"{CANARY}://u:{CANARY}@{CANARY}/x"}, "api.app_secret", MASK),
        ({"source__url": f"postgresql://u:{CANARY}@h/d"}, "source.url", "postgresql+psycopg://u:***@h/d"),
        (
            {"warehouse__url": f"postgresql://u@h/d?password={CANARY}&sslmode=require"},
            "warehouse.url",
            "postgresql+psycopg://u@h/d?password=...&sslmode=require",
        ),
    ],
)
def test_secrets_are_masked_in_every_text_of_a_configuration(configure, toml, settings, name, shown):
    (key, value) = settings.copy().popitem()
    section, _, word = key.partition("__")
    by_environment, by_file, by_option = (
        lambda: configure(**settings) or load_configuration(),
        lambda: load_configuration(toml(f"[{section}]\n{word} = '{value}'\n")),
        lambda: load_configuration(None, {section: {word: value}}),
    )

    for load in (by_option, by_file, by_environment):
        configuration = load()
        assert rows(configuration)[name][0] == shown
        assert (
            CANARY not in f"{configuration}{configuration!r}{configuration.rows()}{configuration.settings.model_dump()}"
        )


def test_the_arguments_of_the_token_command_are_masked(configure):
    configure(api__token_command=f'["vault", "{CANARY}", "-x"]')

    assert rows(load_configuration())["api.token_command"][0] == f"vault {MASK} {MASK}"


def test_every_setting_is_listed_once():
    names = [row.name for row in load_configuration().rows()]

    assert len(names) == len(set(names))
    assert {"source.url", "api.token_file", "warehouse.schema", "run.dead_letter_after", "telemetry.log_format"} < set(
        names
    )
    assert rows(load_configuration())["api.token"] == ("", "default")
