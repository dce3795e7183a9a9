"""Settings are read once, checked together, and named with their fix when they are wrong."""

from __future__ import annotations

import codecs
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SettingsError
from agent.settings import ALIASES, Settings, load_settings
from agent.settings_file import read_env_file
from agent.settings_page import SECTIONS, page
from tests.conftest import ROOT

SECRETS = {
    "LIVEKIT_API_SECRET": "secret-livekit",
    "ELEVENLABS_API_KEY": "secret-elevenlabs",
    "API_KEY": "secret-service",
    "DATABASE_URL": "postgresql://user:secret-database@db/x",
}


def refused(**env: str) -> str:
    """The message of the refusal of `env`."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(env)
    return str(caught.value)


def test_defaults_are_those_of_the_design() -> None:
    """With an empty environment every setting has its documented default."""
    settings = Settings.from_env({})
    assert settings.elevenlabs_base_url == "https://api.elevenlabs.io/v1"
    assert (settings.vad_activation, settings.vad_min_silence, settings.vad_preroll) == (0.5, 0.35, 0.5)
    assert (settings.window_seconds, settings.window_overlap_seconds, settings.allowed_lateness) == (
        20,
        10,
        10,
    )
    assert (settings.ledger_seconds, settings.recognizer_idle_seconds) == (150, 30)
    assert (settings.max_utterance_seconds, settings.answer_timeout) == (20, 10)
    assert (settings.exclude_kinds, settings.exclude_sources) == (("egress",), ())
    assert (settings.host, settings.port, settings.worker_port) == ("127.0.0.1", 8000, 8081)
    assert settings.database_url == "sqlite+aiosqlite:///./data/transcripts.db"
    assert settings.livekit_url == settings.elevenlabs_api_key == settings.agent_name == ""


def test_values_are_read_and_trimmed() -> None:
    """Numbers, lists and flags come from text; blanks around them do not matter."""
    settings = Settings.from_env(
        {
            "WINDOW_SECONDS": " 30 ",
            "STT_KEYTERMS": "LiveKit, Kubernetes,, Zoë,LiveKit",
            "STT_NO_VERBATIM": "true",
            "EXCLUDE_KINDS": "egress,sip",
            "LOG_LEVEL": "WARNING",
            "LIVEKIT_URL": "wss://meet.example.com/",
            "CORS_ORIGINS": "https://App.example.com/, http://localhost:5173",
            "PATH": "/bin",
        }
    )
    assert settings.window_seconds == 30
    assert settings.stt_keyterms == ("LiveKit", "Kubernetes", "Zoë")
    assert settings.stt_no_verbatim is True
    assert settings.exclude_kinds == ("egress", "sip")
    assert settings.log_level == "warning"
    assert settings.livekit_url == "wss://meet.example.com"
    assert settings.cors_origins == ("https://app.example.com", "http://localhost:5173")


def test_empty_is_as_if_unset_and_none_empties_a_list() -> None:
    """A copied `.env` full of empty lines changes nothing; `none` says that nothing is excluded."""
    assert Settings.from_env({"VAD_PREROLL": "", "EXCLUDE_KINDS": "  "}) == Settings.from_env({})
    assert Settings.from_env({"EXCLUDE_KINDS": "none"}).exclude_kinds == ()


def test_the_provider_s_own_name_of_the_key_is_read_too() -> None:
    """ELEVEN_API_KEY is what the plugin's documentation uses; our name wins over it."""
    assert Settings.from_env({"ELEVEN_API_KEY": "a"}).elevenlabs_api_key == "a"
    assert Settings.from_env({"ELEVEN_API_KEY": "a", "ELEVENLABS_API_KEY": "b"}).elevenlabs_api_key == "b"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIVEKIT_URL", "meet.example.com"),
        ("LIVEKIT_URL", "wss://"),
        ("LIVEKIT_URL", "ws://host:99999"),
        ("ELEVENLABS_BASE_URL", "ftp://host/v1"),
        ("ELEVENLABS_BASE_URL", "https://api.elevenlabs.io"),
        ("STT_MODEL", "scribe_v1"),
        ("STT_LANGUAGE", "english"),
        ("STT_KEYTERMS", "x" * 21),
        ("STT_KEYTERMS", ",".join(f"t{n}" for n in range(51))),
        ("STT_NO_VERBATIM", "perhaps"),
        ("VAD_ACTIVATION", "1.7"),
        ("VAD_ACTIVATION", "nan"),
        ("VAD_MIN_SILENCE", "-1"),
        ("VAD_PREROLL", "half"),
        ("WINDOW_SECONDS", "inf"),
        ("ALLOWED_LATENESS", "-0.1"),
        ("MAX_UTTERANCE_SECONDS", "90"),
        ("EXCLUDE_KINDS", "robot"),
        ("EXCLUDE_SOURCES", "camera"),
        ("PORT", "http"),
        ("PORT", "65536"),
        ("WORKER_PORT", "8081.5"),
        ("HOST", "http://0.0.0.0"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://app.example.com/login"),
        ("AGENT_NAME", "a\nb"),
        ("DRAIN_SECONDS", "1h"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_malformed_value_is_refused_by_name_with_the_value_and_the_fix(name: str, value: str) -> None:
    """The message has the setting, what was given, and a line to copy."""
    message = refused(**{name: value})
    assert message.startswith(f"{name} must be ")
    assert f'got "{value}"' in message
    assert f"set it like {name}=" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIVEKIT_API_SECRET", "swordfish with blank"),
        ("ELEVENLABS_API_KEY", "swordfish\nline"),
        ("API_KEY", "swordfish-ü"),
        ("DATABASE_URL", "mysql://user:swordfish@db/x"),
        ("DATABASE_URL", "sqlite://swordfish.db"),
        ("DATABASE_URL", "postgresql:swordfish"),
        ("WEBHOOK_URL", "swordfish.example.com/hook"),
        ("WEBHOOK_URL", "ftp://swordfish/hook"),
        ("WEBHOOK_URL", "https://swordfish/hook#part"),
        ("WEBHOOK_SECRET", "swordfish"),
        ("WEBHOOK_SECRET", "whsec_c3dvcmRmaXNo"),
    ],
)
def test_a_malformed_secret_is_never_shown(name: str, value: str) -> None:
    """Neither the message nor the chained errors quote a secret."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({name: value})
    assert name in str(caught.value)
    assert "swordfish" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_several_faults_are_reported_together() -> None:
    """One start shows all there is to mend, one line each."""
    message = refused(VAD_ACTIVATION="2", PORT="x", VAD_PRE_ROLL="1", LOG_FORMAT="xml")
    assert len(message.splitlines()) == 4
    for name in ("VAD_ACTIVATION", "PORT", "VAD_PRE_ROLL", "LOG_FORMAT"):
        assert name in message


def test_settings_that_contradict_each_other_are_refused() -> None:
    """An overlap as long as the window would never move on; a commit must fit into the ledger."""
    assert "WINDOW_OVERLAP_SECONDS (20) must be less than" in refused(WINDOW_OVERLAP_SECONDS="20")
    assert "MAX_UTTERANCE_SECONDS (20) must be at most" in refused(LEDGER_SECONDS="15")


@pytest.mark.parametrize(
    ("given_name", "meant"),
    [
        ("VAD_PRE_ROLL", "VAD_PREROLL"),
        ("VAD_PREROLL_SECONDS", "VAD_PREROLL"),
        ("LIVEKIT_API_KEYS", "LIVEKIT_API_KEY"),
        ("LIVEKIT_SECRET", "LIVEKIT_API_SECRET"),
        ("ELEVENLABS_APIKEY", "ELEVENLABS_API_KEY"),
        ("ELEVEN_API_KEYS", "ELEVEN_API_KEY"),
        ("WINDOW_OVERLAP", "WINDOW_OVERLAP_SECONDS"),
        ("WINDOW_SIZE_SECONDS", "WINDOW_SECONDS"),
        ("CORS_ORIGIN", "CORS_ORIGINS"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("LOG_LEVLE", "LOG_LEVEL"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_right_one(given_name: str, meant: str) -> None:
    """A slip would be ignored without a word, and the default used."""
    message = refused(**{given_name: "swordfish"})
    assert given_name in message
    assert f"did you mean {meant}?" in message
    assert "swordfish" not in message


@pytest.mark.parametrize(
    "name",
    [
        "LIVEKIT_KEYS",
        "LIVEKIT_CONFIG",
        "LIVEKIT_REGION",
        "LIVEKIT_DEV_MODE",
        "LIVEKIT_INFERENCE_API_KEY",
        "HOSTNAME",
        "LOG_FILE",
        "DATABASE_POOL",
        "WORKER_CLASS",
        "XPC_API_KEY",
        "vad_preroll",
    ],
)
def test_other_programs_names_are_left_alone(name: str) -> None:
    """What only begins like one of ours belongs to somebody else."""
    assert Settings.from_env({name: "x"}) == Settings.from_env({})


def test_the_framework_s_switch_is_refused() -> None:
    """LIVEKIT_AGENT_NAME turns automatic joining off behind our back."""
    assert "AGENT_NAME" in refused(LIVEKIT_AGENT_NAME="x").replace("LIVEKIT_AGENT_NAME", "")


@given(
    st.dictionaries(st.sampled_from(sorted(f.upper() for f in Settings.model_fields)), st.text(max_size=30))
)
def test_any_text_gives_settings_or_a_settings_error(env: dict[str, str]) -> None:
    """No value, however odd, ends in another kind of error."""
    try:
        Settings.from_env(env)
    except SettingsError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("url", "driver_url"),
    [
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://h:5433/d?sslmode=require", "postgresql+asyncpg://h:5433/d?sslmode=require"),
        ("postgresql+asyncpg://h/d", "postgresql+asyncpg://h/d"),
        ("postgresql:///d?host=/run/pg", "postgresql+asyncpg:///d?host=%2Frun%2Fpg"),
        ("postgres://u:p/?#x@h/d?ssl=true", "postgresql+asyncpg://u:p/?#x@h/d?sslmode=require"),
        ("postgres://u:p@[::1]:5433/d", "postgresql+asyncpg://u:p@[::1]:5433/d"),
        (
            "postgresql://h/d?sslmode=require&channel_binding=prefer&connect_timeout=10&gssencmode=disable",
            "postgresql+asyncpg://h/d?sslmode=require&connect_timeout=10",
        ),
        (
            "postgresql://h/d?application_name=talks&options=-c%20search_path%3Dx&target_session_attrs=any",
            "postgresql+asyncpg://h/d?application_name=talks&options=-c+search_path%3Dx&target_session_attrs=any",
        ),
        (
            "postgresql://h/d?sslrootcert=system",
            "postgresql+asyncpg://h/d?sslrootcert=system&sslmode=verify-full",
        ),
        ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("sqlite:////var/x.db", "sqlite+aiosqlite:////var/x.db"),
        ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("sqlite://", "sqlite+aiosqlite://"),
        ("memory:", "memory:"),
    ],
)
def test_database_urls_get_the_asynchronous_driver(url: str, driver_url: str) -> None:
    """The forms that hosts and tutorials hand out all work."""
    assert Settings.from_env({"DATABASE_URL": url}).database_url == driver_url


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("sslmode=require&channel_binding=require", "channel_binding is not possible in this way"),
        ("channel_binding=maybe", "channel_binding is not possible"),
        ("gssencmode=require", "gssencmode is not possible"),
        ("sslmode=on", "sslmode must be one of disable, allow, prefer, require"),
        ("sslrootcert=/nowhere/root.crt", "sslrootcert names no file on this host"),
        ("sslrootcert=system&sslmode=require", "sslrootcert=system needs sslmode=verify-full"),
        ("connect_timeout=soon", "connect_timeout must be a whole number of seconds"),
        ("port=70000", "port must be a port"),
        ("pgbouncer=true", "pgbouncer is not supported; remove it"),
        ("schema=public&connection_limit=5", "schema is not supported"),
        ("keepalives=1", "keepalives is not supported"),
        ("prepared_statement_cache_size=0", "prepared_statement_cache_size is not supported"),
        ("dsn=x", "dsn is not supported"),
    ],
)
def test_database_parameters_that_the_driver_cannot_do(parameters: str, said: str) -> None:
    """Refused at the start by name; not by a TypeError in the middle of a meeting."""
    message = refused(DATABASE_URL=f"postgresql://user:secret@h/d?{parameters}")
    assert "DATABASE_URL" in message
    assert said in message
    assert "secret" not in message


@pytest.mark.parametrize("url", ["postgresql://h:x/d", "postgresql://u:p@x@h/d", "sqlite:///x.db?mode=ro"])
def test_database_addresses_that_cannot_be_read(url: str) -> None:
    """At the start, too."""
    assert "DATABASE_URL" in refused(DATABASE_URL=url)


def test_repr_hides_secrets() -> None:
    """A settings object in a log or a traceback gives nothing away."""
    settings = Settings.from_env(SECRETS)
    assert settings.api_key == "secret-service"
    assert "secret-" not in repr(settings)
    assert "secret-" not in str(settings)


def test_settings_do_not_change() -> None:
    """What was checked at the start holds until the end."""
    with pytest.raises(ValueError, match="frozen"):
        Settings.from_env({}).port = 1


def test_requirements_name_what_is_missing_and_how_to_set_it() -> None:
    """`start` without a key says which one, and a complete environment passes."""
    with pytest.raises(SettingsError, match="LIVEKIT_API_SECRET is not set; set it in"):
        Settings.from_env({"LIVEKIT_URL": "ws://h", "LIVEKIT_API_KEY": "k"}).require_livekit()
    with pytest.raises(SettingsError, match="ELEVENLABS_API_KEY is not set"):
        Settings.from_env({}).require_recognizer()
    complete = Settings.from_env({"LIVEKIT_URL": "ws://h", "LIVEKIT_API_KEY": "k", **SECRETS})
    complete.require_livekit()
    complete.require_recognizer()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("example.com", False),
    ],
)
def test_loopback_is_told_from_the_rest(host: str, expected: bool) -> None:
    """Only a service that nobody else can reach may go without a key."""
    assert Settings.from_env({"HOST": host}).loopback_only is expected


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` may begin with a byte order mark, and its dollars are dollars."""
    env_file = tmp_path / ".env"
    env_file.write_text(
        "\ufeffLIVEKIT_API_SECRET='a$HOME$b'\n# a comment\n\nexport PORT=1234\nWORKER_PORT=1\nVAD_PREROLL=\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("WORKER_PORT", "2")
    settings = load_settings(env_file)
    assert (settings.livekit_api_secret, settings.port, settings.worker_port) == ("a$HOME$b", 1234, 2)


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("API_KEY=first\n".encode("utf-16"), 1, "UTF-16"),
        (codecs.BOM_UTF16_BE + "API_KEY=first\n".encode("utf-16-be"), 1, "UTF-16"),
        ("API_KEY=first\n".encode("utf-32"), 1, "UTF-32"),
        ("PORT=1\nAPI_KEY=first\n".encode("utf-16-le"), 1, "NUL"),
        ("PORT=1\r\nAPI_KEY=sécond\n".encode("latin-1"), 2, "UTF-8"),
        (b"API_KEY=first\nsecond\n", 2, "no ="),
        (b"API_KEY=first\r\n\r\n  second\r\n", 3, "no ="),
        (b"API_KEY=first\rsecond\rPORT=1", 2, "no ="),
        (b"# ours\n\nAPI_KEY='first\nsecond\n", 3, "quote"),
        (b'API_KEY="first" second\n', 1, "quote"),
        (b"PORT=1\n=second\n", 2, "NAME=value"),
        (b"export API_KEY\n", 1, "no ="),
        ("PORT=1\n\u200bAPI_KEY=second\n".encode(), 2, "outside ASCII"),
    ],
)
def test_a_line_that_sets_nothing_is_named(content: bytes, line: int, said: str, tmp_path: Path) -> None:
    """File and line, so that nobody runs with half a key; what is written there is not shown."""
    env_file = tmp_path / ".env"
    env_file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load_settings(env_file)
    first = str(caught.value).splitlines()[0]
    assert first.startswith(f"{env_file} line {line}: ")
    assert said in first
    assert not [one for one in ("first", "cond", "API_KEY") if one in str(caught.value)]
    assert caught.value.__cause__ is None


def test_every_such_line_is_named(tmp_path: Path) -> None:
    """One line for each, in their order."""
    env_file = tmp_path / ".env"
    env_file.write_bytes(b"API_KEY=first\nsecond\nPORT=1\nthird\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(env_file)
    assert [one.partition(": ")[0] for one in str(caught.value).splitlines()] == [
        f"{env_file} line 2",
        f"{env_file} line 4",
    ]


@given(st.binary(max_size=60))
def test_no_file_breaks_the_start(content: bytes) -> None:
    """Whatever is in it, the programs get settings or a `SettingsError`."""
    with TemporaryDirectory() as folder:
        env_file = Path(folder) / ".env"
        env_file.write_bytes(content)
        with suppress(SettingsError):
            read_env_file(env_file)


def test_a_folder_of_that_name_is_no_fault(tmp_path: Path) -> None:
    """Virtual environments are called so, too."""
    (tmp_path / ".env").mkdir()
    assert load_settings(tmp_path / ".env").port == 8000


@pytest.mark.parametrize(
    "program", [["token_service.py"], ["worker.py", "dev"], ["-m", "agent.store", "upgrade"]]
)
def test_programs_say_which_line(program: list[str], tmp_path: Path) -> None:
    """At the start, with exit code 2 and without a stack trace."""
    (tmp_path / ".env").write_bytes(b"API_KEY=first\nsecond\n")
    run = subprocess.run(
        [sys.executable, *(str(ROOT / one) if one.endswith(".py") else one for one in program)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, "Traceback" in run.stderr) == (2, False)
    assert ".env line 2: " in run.stderr


def test_a_missing_file_is_no_fault(tmp_path: Path) -> None:
    """`.env` is optional."""
    assert load_settings(tmp_path / "none").port == 8000


def test_every_setting_has_its_row_and_its_section() -> None:
    """docs/settings.md is what the settings say today; `make docs` writes it anew."""
    assert set(SECTIONS) <= set(Settings.model_fields)
    written = (Path(__file__).parent.parent / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == page(), "docs/settings.md is stale: run make docs"
    for name in (*map(str.upper, Settings.model_fields), *ALIASES):
        assert f"`{name}`" in written


def test_webhooks_are_never_unsigned() -> None:
    """An address without a secret is refused; a secret alone does nothing."""
    secret = "whsec_" + "A" * 40
    assert "WEBHOOK_SECRET" in refused(WEBHOOK_URL="https://example.com/hook")
    assert Settings.from_env({"WEBHOOK_SECRET": secret}).webhook_url == ""
    both = Settings.from_env(
        {"WEBHOOK_URL": "https://example.com/hook", "WEBHOOK_SECRET": f"{secret},{secret}"}
    )
    assert both.webhook_secret == (secret,)
