"""Every setting of the project: name, unit, default, secret or not. The only reader of the environment.

A setting is an environment variable, or a line of `.env` (the environment wins). `Settings.from_env`
checks all of them at once and names each fault with its fix; what it returns never changes. A field's
name is the setting's in lower case. `docs/settings.md` is written from this file (`make docs`).

pydantic checks the values. Its own environment reader (pydantic-settings) is not used: it reads the
process's environment by itself, while ours is given a mapping, so that a test can pass a plain dict.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    model_validator,
)

from agent.errors import SettingsError
from agent.settings_checks import (
    check_base_url,
    check_host,
    check_keyterm,
    check_language,
    check_livekit_url,
    check_named_keys,
    check_one_line,
    check_origin,
    check_root_path,
    check_token,
    check_webhook_secret,
    check_webhook_url,
    misread_names,
    split_list,
)
from agent.settings_database import async_database_url
from agent.settings_faults import how_to_set, sentence
from agent.settings_fields import days as _days
from agent.settings_fields import optional_port as _optional_port
from agent.settings_fields import port as _port
from agent.settings_fields import seconds as _seconds
from agent.settings_fields import setting as _setting
from agent.settings_file import read_env_file

ALIASES = {"ELEVEN_API_KEY": "ELEVENLABS_API_KEY"}
"""Other name -> our name; ours wins when both are set."""

Kind = Literal["standard", "ingress", "egress", "sip", "agent", "connector", "bridge"]
"""LiveKit's participant kinds."""

Source = Literal["microphone", "screen_share_audio", "unknown"]
"""Where the audio of a track comes from."""

Token = Annotated[str, AfterValidator(check_token)]
"""A key or secret: one word of printable ASCII."""

_TOKEN = "printable ASCII characters without blanks"


class Settings(BaseModel):
    """All settings, checked and frozen. `repr` leaves secrets out."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    livekit_url: Annotated[str, AfterValidator(check_livekit_url)] = _setting(
        "",
        "URL",
        "a URL that begins with ws://, wss://, http:// or https://",
        "Address of the LiveKit server.",
        example="wss://livekit.example.com",
    )
    livekit_public_url: Annotated[str, AfterValidator(check_livekit_url)] = _setting(
        "",
        "URL",
        "a URL that begins with ws://, wss://, http:// or https://",
        "Address of the LiveKit server for clients, when they cannot use LIVEKIT_URL.",
        example="wss://livekit.example.com",
    )
    livekit_api_key: Token = _setting(
        "", "text", _TOKEN, "Name of the key that signs tokens.", example="APIxxxxxxxx"
    )
    livekit_api_secret: Token = _setting(
        "",
        "text",
        _TOKEN,
        "Secret of that key; LiveKit asks for 32 characters or more.",
        example="a-random-text-of-32-or-more-characters",
        secret=True,
    )

    elevenlabs_api_key: Token = _setting(
        "",
        "text",
        _TOKEN,
        "Key for ElevenLabs speech to text; `ELEVEN_API_KEY` is read too.",
        example="sk_xxxxxxxx",
        secret=True,
    )
    elevenlabs_base_url: Annotated[str, AfterValidator(check_base_url)] = _setting(
        "https://api.elevenlabs.io/v1",
        "URL",
        "a URL that begins with http://, https://, ws:// or wss:// and, at ElevenLabs, ends in /v1",
        "Where the recognizer is; the local recognizer is reached by its address here.",
    )
    stt_model: Literal["scribe_v2_realtime"] = _setting(
        "scribe_v2_realtime",
        "name",
        "scribe_v2_realtime, the model that transcribes while people speak",
        "Model of the recognizer.",
    )
    stt_language: Annotated[str, AfterValidator(check_language)] = _setting(
        "",
        "ISO 639",
        "a language code of two or three letters",
        "Language that is spoken; empty lets the recognizer detect it.",
        example="en",
    )
    stt_keyterms: Annotated[
        tuple[Annotated[str, AfterValidator(check_keyterm)], ...], BeforeValidator(split_list)
    ] = _setting(
        (),
        "list",
        "at most 50 terms of at most 20 characters each, with commas between them",
        "Words the recognizer should favour, such as names of products.",
        example="LiveKit,Kubernetes",
        max_length=50,
    )
    stt_no_verbatim: bool = _setting(
        False, "true or false", "true or false", "Leave out fillers and false starts."
    )
    stt_logging: bool = _setting(
        True,
        "true or false",
        "true or false",
        "Let ElevenLabs keep what it is sent; false asks for zero retention, which not every account has.",
    )

    vad_activation: float = _setting(
        0.5,
        "0..1",
        "a number from 0 to 1",
        "Probability of speech from which on someone is taken to speak; higher ignores more noise.",
        ge=0,
        le=1,
        allow_inf_nan=False,
    )
    vad_min_silence: float = _seconds(
        0.35,
        0.05,
        5,
        "Silence that ends an utterance; shorter gives finals sooner and cuts more sentences in two.",
    )
    vad_preroll: float = _seconds(
        0.5, 0, 3, "Audio sent from before speech was noticed, so that first sounds are not lost."
    )

    window_seconds: float = _seconds(20, 1, 3600, "Length of a window.")
    window_overlap_seconds: float = _seconds(
        10, 0, 3600, "What two neighbouring windows share; less than WINDOW_SECONDS."
    )
    allowed_lateness: float = _seconds(
        10, 0, 600, "How long after its end a window waits for speech that is not answered yet."
    )

    ledger_seconds: float = _seconds(
        150,
        10,
        3600,
        "Audio kept of each track until the recognizer has answered it; what is older becomes a gap.",
    )
    recognizer_idle_seconds: float = _seconds(
        30, 1, 3600, "Time without speech after which a track's recognizer session is closed."
    )
    recognizer_session_seconds: float = _seconds(
        0,
        0,
        86_400,
        "Time limit of the recognizer for a session, which is renewed a while before; 0: none is known.",
    )
    max_utterance_seconds: float = _seconds(
        20, 5, 60, "A talker who never pauses is committed at least this often; at most LEDGER_SECONDS."
    )
    answer_timeout: float = _seconds(
        10, 1, 120, "Time without an answer to a commit after which the connection counts as dropped."
    )

    exclude_kinds: Annotated[tuple[Kind, ...], BeforeValidator(split_list)] = _setting(
        ("egress",),
        "list",
        "none, or some of standard, ingress, egress, sip, agent, connector, bridge with commas between them",
        "Kinds of participants that are not transcribed. A kind that LiveKit's SDK does not know never is.",
    )
    exclude_sources: Annotated[tuple[Source, ...], BeforeValidator(split_list)] = _setting(
        (),
        "list",
        "none, or some of microphone, screen_share_audio, unknown with commas between them",
        "Sources of tracks that are not transcribed.",
        example="screen_share_audio",
    )

    e2ee_key: Annotated[str, AfterValidator(check_one_line)] = _setting(
        "",
        "text",
        "one line of at most 1024 characters",
        "Shared key of rooms with end-to-end encryption: the worker hears such audio and encrypts live text. "
        "Empty: encrypted audio is a gap.",
        example="the key that your pages give to ExternalE2EEKeyProvider",
        secret=True,
        max_length=1024,
    )

    database_url: Annotated[str, AfterValidator(async_database_url)] = _setting(
        "sqlite:///./data/transcripts.db",
        "URL",
        "sqlite:///relative.db, sqlite:////absolute.db, postgresql://user:password@host/database "
        "(its parameters: docs/operations.md) or memory:",
        "Where transcripts are kept; PostgreSQL for more than one host; memory: goes with the process.",
        example="postgresql://user:password@host/database",
        secret=True,
    )

    retention_days: int = _days(
        0, "Transcripts whose session ended so long ago are erased by the token service; 0 keeps them."
    )

    spool_directory: Annotated[str, AfterValidator(check_one_line)] = _setting(
        "./data/spool",
        "path",
        "the path of a folder on a local disk",
        "Where all workers of a host keep what they cannot store while the database is away.",
        min_length=1,
    )
    spool_megabytes: int = _setting(
        256,
        "megabytes",
        "a whole number from 1 to 1000000",
        "What that folder may hold; of what is beyond it, the oldest becomes a gap.",
        ge=1,
        le=1_000_000,
    )

    host: Annotated[str, AfterValidator(check_host)] = _setting(
        "127.0.0.1",
        "address",
        "an IP address or a host name",
        "Address the token service listens on; `::` is every address of the machine, IPv6 and IPv4.",
    )
    port: int = _port(8000, "Port of the token service; 0 takes any free one.")
    api_key: Token = _setting(
        "",
        "text",
        _TOKEN,
        "Bearer key that may make every call of the token service; logs call it default.",
        example="a-long-random-text",
        secret=True,
    )
    api_keys: Annotated[tuple[str, ...], AfterValidator(check_named_keys), BeforeValidator(split_list)] = (
        _setting(
            (),
            "list",
            "name:key pairs with commas between them",
            "More such keys; the name is what logs say. To revoke one, leave it out and restart.",
            example="backend:a-long-random-text,dashboard:another-one",
            secret=True,
        )
    )
    cors_origins: Annotated[
        tuple[Annotated[str, AfterValidator(check_origin)], ...], BeforeValidator(split_list)
    ] = _setting(
        (),
        "list",
        "origins such as https://app.example.com, without a path, with commas between them",
        "Origins of the pages that may call the token service from a browser.",
        example="https://app.example.com",
    )

    root_path: Annotated[str, AfterValidator(check_root_path)] = _setting(
        "",
        "path",
        "empty, or a path such as /transcription, without a slash at the end",
        "Path prefix under which a proxy serves the token service, when the proxy strips it.",
        example="/transcription",
    )
    keep_alive_seconds: float = _seconds(
        75,
        1,
        3600,
        "How long a connection is kept open between two calls; more than the load balancer keeps it.",
    )
    max_streams: int = _setting(
        500, "count", "a whole number from 1 to 100000", "Live streams open at once.", ge=1, le=100_000
    )

    webhook_url: Annotated[str, AfterValidator(check_webhook_url)] = _setting(
        "",
        "URL",
        "a URL that begins with http:// or https://",
        "Where windows, gaps and ends of sessions are posted (docs/webhooks.md); empty: nowhere.",
        example="https://example.com/transcripts",
        secret=True,
    )
    webhook_secret: Annotated[
        tuple[Annotated[str, AfterValidator(check_webhook_secret)], ...], BeforeValidator(split_list)
    ] = _setting(
        (),
        "list",
        "whsec_ and 24 to 64 bytes in Base64; two with a comma between them while you change it",
        "Signs what is posted; the receiver needs it to know who has sent it.",
        example="whsec_ and what `openssl rand -base64 32` prints",
        secret=True,
    )

    agent_name: Annotated[str, AfterValidator(check_one_line)] = _setting(
        "",
        "text",
        "one line of at most 128 characters",
        "Set: the worker joins only rooms that ask for this name. Empty: it joins every room by itself.",
        example="transcriber",
        max_length=128,
    )
    drain_seconds: float = _seconds(
        3600,
        0,
        86_400,
        "How long a stopping worker lets its meetings go on; whatever stops it has to wait longer.",
    )
    supervise: bool = _setting(
        True,
        "true or false",
        "true or false",
        "Call a transcriber for rooms that have none, or lost it; false leaves that to other processes.",
    )
    worker_port: int = _port(8081, "Port of the worker's health page; 0 takes any free one.")
    metrics_port: int | None = _optional_port(
        "9464", "Port of the worker's figures for Prometheus, under /metrics; none are kept without it."
    )

    log_format: Literal["text", "json"] = _setting(
        "text", "name", "text or json", "text for people, json (one object a line) for log collectors."
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(str.lower)] = _setting(
        "info", "name", "debug, info, warning or error", "The least serious lines that are written."
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.window_overlap_seconds >= self.window_seconds:
            raise ValueError(
                f"WINDOW_OVERLAP_SECONDS ({self.window_overlap_seconds:g}) must be less than "
                f"WINDOW_SECONDS ({self.window_seconds:g}); lower the first or raise the second"
            )
        if self.max_utterance_seconds > self.ledger_seconds:
            raise ValueError(
                f"MAX_UTTERANCE_SECONDS ({self.max_utterance_seconds:g}) must be at most "
                f"LEDGER_SECONDS ({self.ledger_seconds:g}); lower the first or raise the second"
            )
        if self.webhook_url and not self.webhook_secret:
            raise ValueError("WEBHOOK_URL needs WEBHOOK_SECRET, which signs what is posted; set both")
        return self

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Settings from name -> text; names that are not ours are ignored, empty values are as if unset.

        Raises:
            SettingsError: one line for each malformed value and each name that looks like a misspelt setting.
        """
        given = {name: value.strip() for name, value in env.items() if value.strip()}
        faults = misread_names(given, [*map(str.upper, cls.model_fields), *ALIASES])
        for other, name in ALIASES.items():
            if other in given:
                given.setdefault(name, given[other])
        values = {field: given[field.upper()] for field in cls.model_fields if field.upper() in given}
        settings = None
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            faults += [sentence(fault, values, cls.model_fields) for fault in error.errors()]
        if settings is None or faults:
            # raised out here so that pydantic's error, which quotes values, is not its context
            raise SettingsError("\n".join(dict.fromkeys(faults)))
        return settings

    @property
    def loopback_only(self) -> bool:
        """True when the token service can be reached from this machine alone."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def require_livekit(self) -> None:
        """Check that a LiveKit server can be reached at all.

        Raises:
            SettingsError: names each of the three LIVEKIT settings that is missing.
        """
        self._require("livekit_url", "livekit_api_key", "livekit_api_secret")

    def require_recognizer(self) -> None:
        """Check that there is a key for the recognizer.

        Raises:
            SettingsError: ELEVENLABS_API_KEY is missing.
        """
        self._require("elevenlabs_api_key")

    def _require(self, *fields: str) -> None:
        missing = [how_to_set(one, type(self).model_fields[one]) for one in fields if not getattr(self, one)]
        if missing:
            raise SettingsError("\n".join(missing))


def load_settings(env_file: Path = Path(".env")) -> Settings:
    """Settings of this process: its environment over `env_file`, which need not exist.

    Raises:
        SettingsError: see `Settings.from_env` and `read_env_file`.
    """
    return Settings.from_env({**read_env_file(env_file), **os.environ})
