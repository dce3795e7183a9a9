"""The rules of ElevenLabs' realtime protocol, as the local recognizer keeps them: values in, values out."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.recognizer.protocol import (
    AUDIO_FORMATS,
    AudioChunk,
    CommitStrategy,
    ErrorType,
    InputRefused,
    SessionConfig,
    TimedWord,
    committed_transcripts,
    parse_client_message,
    parse_query,
)
from local.recognizer.session import Action, Answer, Close, Commit, Hear, Limits, Send, Session

MODEL = ("model_id", "scribe_v2_realtime")
CONFIG = SessionConfig(model_id="scribe_v2_realtime")
SECOND = b"\0\0" * 16_000


def chunk(audio: bytes = b"", *, commit: bool = False, **fields: Any) -> str:
    """An input_audio_chunk message; `fields` replace or add."""
    message = {
        "message_type": "input_audio_chunk",
        "audio_base_64": base64.b64encode(audio).decode(),
        "commit": commit,
        "sample_rate": 16_000,
        **fields,
    }
    return json.dumps({name: value for name, value in message.items() if value is not ...})


def session(config: SessionConfig = CONFIG, **limits: Any) -> Session:
    """A session that began at time 0."""
    return Session("abc", config, Limits(**limits), now=0.0)


def errors(actions: list[Action]) -> list[str]:
    """The types of the error messages among `actions`."""
    return [
        action.message["message_type"]
        for action in actions
        if isinstance(action, Send) and "error" in action.message
    ]


class TestQuery:
    """What may be asked in the URL."""

    def test_defaults(self) -> None:
        """Only the model must be named."""
        assert parse_query([MODEL]) == CONFIG
        assert CONFIG.sample_rate == 16_000
        assert CONFIG.commit_strategy is CommitStrategy.MANUAL

    def test_everything_the_plugin_sends(self) -> None:
        """All query parameters of livekit-plugins-elevenlabs are understood."""
        config = parse_query(
            [
                MODEL,
                ("audio_format", "pcm_24000"),
                ("commit_strategy", "vad"),
                ("enable_logging", "false"),
                ("include_language_detection", "true"),
                ("vad_silence_threshold_secs", "0.5"),
                ("vad_threshold", "0.6"),
                ("min_speech_duration_ms", "120"),
                ("min_silence_duration_ms", "200"),
                ("language_code", "en"),
                ("secondary_languages", "de"),
                ("secondary_languages", "fra"),
                ("include_timestamps", "true"),
                ("no_verbatim", "true"),
                ("keyterms", "LiveKit"),
                ("keyterms", "WebRTC"),
            ]
        )
        assert config == SessionConfig(
            model_id="scribe_v2_realtime",
            audio_format="pcm_24000",
            commit_strategy=CommitStrategy.VAD,
            vad_silence_threshold_secs=0.5,
            vad_threshold=0.6,
            min_speech_duration_ms=120,
            min_silence_duration_ms=200,
            language_code="en",
            secondary_languages=("de", "fra"),
            include_timestamps=True,
            include_language_detection=True,
            keyterms=("LiveKit", "WebRTC"),
            no_verbatim=True,
            enable_logging=False,
        )

    @pytest.mark.parametrize(
        ("name", "rate", "width"),
        [(name, int(name.split("_")[1]), 1 if "ulaw" in name else 2) for name in AUDIO_FORMATS],
    )
    def test_every_audio_format(self, name: str, rate: int, width: int) -> None:
        """The format tells rate and width of a sample."""
        config = parse_query([MODEL, ("audio_format", name)])
        assert (config.sample_rate, config.bytes_per_sample) == (rate, width)

    @pytest.mark.parametrize(
        ("query", "named"),
        [
            ([], "model_id"),
            ([("model_id", "scribe_v1")], "scribe_v1"),
            ([MODEL, ("audio_format", "mp3")], "audio_format"),
            ([MODEL, ("audio_format", "pcm_11025")], "audio_format"),
            ([MODEL, ("commit_strategy", "never")], "commit_strategy"),
            ([MODEL, ("vad_threshold", "0.95")], "vad_threshold"),
            ([MODEL, ("vad_threshold", "nan")], "vad_threshold"),
            ([MODEL, ("vad_silence_threshold_secs", "0.2")], "vad_silence_threshold_secs"),
            ([MODEL, ("min_speech_duration_ms", "49")], "min_speech_duration_ms"),
            ([MODEL, ("min_silence_duration_ms", "1.5")], "min_silence_duration_ms"),
            ([MODEL, ("include_timestamps", "yes")], "include_timestamps"),
            ([MODEL, ("language_code", "en-US")], "en-US"),
            ([MODEL, ("secondary_languages", "german")], "german"),
            ([MODEL, *[("keyterms", "word")] * 51], "51"),
            ([MODEL, ("keyterms", "x" * 21)], "keyterms"),
            ([MODEL, ("keyterms", "")], "keyterms"),
            ([MODEL, ("include_timestamp", "true")], "include_timestamp"),
        ],
    )
    def test_wrong_queries(self, query: list[tuple[str, str]], named: str) -> None:
        """A parameter that is unknown, malformed or out of range is refused by name."""
        with pytest.raises(InputRefused, match=named) as refused:
            parse_query(query)
        assert refused.value.error_type is ErrorType.INVALID_REQUEST


class TestClientMessages:
    """What a client may say."""

    def test_audio(self) -> None:
        """Base64 becomes bytes; null is no previous text, as the SDK sends it."""
        parsed = parse_client_message(chunk(b"\1\2", previous_text=None), CONFIG, 100)
        assert parsed == AudioChunk(audio=b"\1\2", commit=False)

    def test_bare_commit(self) -> None:
        """The short form of a commit."""
        parsed = parse_client_message('{"message_type": "commit"}', CONFIG, 100)
        assert parsed == AudioChunk(audio=b"", commit=True)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "hello",
            "[]",
            "3",
            "[" * 100_000,
            '{"message_type": "audio"}',
            "{}",
            chunk(audio_base_64=...),
            chunk(audio_base_64=7),
            chunk(audio_base_64="***"),
            chunk(audio_base_64="AAA"),
            chunk(audio_base_64="é"),
            chunk(b"\0"),
            chunk(commit=...),
            chunk(commit=1),
            chunk(sample_rate=...),
            chunk(sample_rate="16000"),
            chunk(sample_rate=True),
            chunk(sample_rate=48_000),
            chunk(previous_text=5),
        ],
    )
    def test_malformed_messages(self, text: str) -> None:
        """No JSON, wrong fields, no base64, half a sample: an input_error."""
        with pytest.raises(InputRefused) as refused:
            parse_client_message(text, CONFIG, 100)
        assert refused.value.error_type is ErrorType.INPUT_ERROR

    def test_a_chunk_may_be_full_but_not_larger(self) -> None:
        """The bound counts decoded bytes."""
        assert len(parse_client_message(chunk(bytes(100)), CONFIG, 100).audio) == 100
        with pytest.raises(InputRefused) as refused:
            parse_client_message(chunk(bytes(104)), CONFIG, 100)
        assert refused.value.error_type is ErrorType.CHUNK_SIZE_EXCEEDED

    @given(st.text())
    def test_no_text_breaks_the_parser(self, text: str) -> None:
        """Whatever comes, it is a chunk or a refusal."""
        with contextlib.suppress(InputRefused):
            parse_client_message(text, CONFIG, 100)

    @given(
        st.dictionaries(
            st.sampled_from(["message_type", "audio_base_64", "commit", "sample_rate"]),
            st.none() | st.booleans() | st.integers() | st.text() | st.just("input_audio_chunk"),
        )
    )
    def test_no_object_breaks_the_parser(self, message: dict[str, Any]) -> None:
        """Whatever the fields hold, it is a chunk or a refusal."""
        with contextlib.suppress(InputRefused):
            parse_client_message(json.dumps(message), CONFIG, 100)


class TestAnswers:
    """What the server says of a commit."""

    WORDS = (TimedWord("one", 0.5, 0.8), TimedWord("two", 1.0, 1.25, logprob=-0.125))

    def test_plain(self) -> None:
        """Without timestamps or language detection there is one message."""
        assert committed_transcripts(CONFIG, self.WORDS, "en") == [
            {"message_type": "committed_transcript", "text": "one two"}
        ]

    def test_with_timestamps(self) -> None:
        """The second copy has words, and between them the spacing."""
        config = parse_query([MODEL, ("include_timestamps", "true")])
        _, copy = committed_transcripts(config, self.WORDS, "en")
        assert copy == {
            "message_type": "committed_transcript_with_timestamps",
            "text": "one two",
            "language_code": "en",
            "words": [
                {"text": "one", "start": 0.5, "end": 0.8, "type": "word", "logprob": 0.0},
                {"text": " ", "start": 0.8, "end": 1.0, "type": "spacing", "logprob": 0.0},
                {"text": "two", "start": 1.0, "end": 1.25, "type": "word", "logprob": -0.125},
            ],
        }

    def test_with_language_only(self) -> None:
        """Language detection alone brings the second copy, without words."""
        config = parse_query([MODEL, ("include_language_detection", "true")])
        _, copy = committed_transcripts(config, self.WORDS, "de")
        assert copy["language_code"] == "de"
        assert "words" not in copy

    def test_nothing_was_said(self) -> None:
        """An empty answer has both copies, too."""
        config = parse_query([MODEL, ("include_timestamps", "true")])
        plain, copy = committed_transcripts(config, (), "en")
        assert (plain["text"], copy["text"], copy["words"]) == ("", "", [])

    def test_entities(self) -> None:
        """Asked for, entities come as a message of their own; the local engines find none."""
        config = parse_query([MODEL, ("entity_detection", "pii")])
        assert committed_transcripts(config, self.WORDS, "en")[-1] == {
            "message_type": "committed_transcript_entities",
            "text": "one two",
            "entities": [],
        }


class TestSession:
    """The rules that need memory."""

    def test_the_greeting_repeats_what_was_asked(self) -> None:
        """session_started has the id and the whole configuration."""
        (greeting,) = session().start()
        assert isinstance(greeting, Send)
        assert greeting.message["session_id"] == "abc"
        assert greeting.message["config"]["sample_rate"] == 16_000
        assert greeting.message["config"]["model_id"] == "scribe_v2_realtime"
        json.dumps(greeting.message)

    def test_audio_is_heard_and_a_commit_is_numbered(self) -> None:
        """Audio in the committing chunk belongs to the commit."""
        one = session()
        assert one.receive(chunk(SECOND), 1.0) == [Hear(SECOND)]
        assert one.receive(chunk(SECOND, commit=True), 2.0) == [Hear(SECOND), Commit(1)]
        assert one.receive(chunk(SECOND), 3.0) == [Hear(SECOND)]
        assert one.receive('{"message_type": "commit"}', 3.0) == [Commit(2)]
        assert one.received_seconds == 3.0

    def test_keepalive_does_nothing(self) -> None:
        """An empty chunk without commit is neither audio nor a commit."""
        assert session().receive(chunk(), 1.0) == []

    def test_a_commit_needs_three_tenths_of_a_second(self) -> None:
        """4,799 new samples are too few, 4,800 enough; a throttled commit keeps its audio for the next."""
        one = session()
        one.receive(chunk(b"\0\0" * 4_799), 0.0)
        assert errors(one.receive(chunk(commit=True), 0.0)) == ["commit_throttled"]
        one.receive(chunk(b"\0\0"), 0.0)
        assert one.receive(chunk(commit=True), 0.0) == [Commit(1)]
        assert errors(one.receive(chunk(commit=True), 0.0)) == ["commit_throttled"]

    def test_previous_text_comes_with_the_first_chunk_only(self) -> None:
        """Later it is an input_error, and that chunk's audio is not taken."""
        one = session()
        assert one.receive(chunk(SECOND, previous_text="before"), 0.0) == [Hear(SECOND)]
        assert errors(one.receive(chunk(SECOND, previous_text="before"), 0.0)) == ["input_error"]
        assert one.received_seconds == 1.0

    def test_ninety_seconds_are_committed_by_themselves(self) -> None:
        """The server does not let uncommitted audio grow without bound."""
        one = session()
        actions = [action for _ in range(91) for action in one.receive(chunk(SECOND), 0.0)]
        assert [action for action in actions if isinstance(action, Commit)] == [Commit(1)]
        assert actions.index(Commit(1)) == 90

    def test_malformed_messages_do_not_end_the_session(self) -> None:
        """Each is answered by its error, and the next good one is served."""
        one = session(max_chunk_bytes=32_000)
        assert errors(one.receive("nonsense", 0.0)) == ["input_error"]
        assert errors(one.receive(chunk(SECOND * 2), 0.0)) == ["chunk_size_exceeded"]
        assert one.receive(chunk(SECOND), 0.0) == [Hear(SECOND)]

    def test_interims_and_answers_go_out(self) -> None:
        """The engine's words become messages."""
        one = session()
        assert one.interim("hel") == [Send({"message_type": "partial_transcript", "text": "hel"})]
        one.receive(chunk(SECOND, commit=True), 0.0)
        (answer,) = one.answered(1, [TimedWord("hello", 0.1, 0.4)], "en")
        assert answer == Answer(1, ({"message_type": "committed_transcript", "text": "hello"},))

    def test_too_many_open_commits_overflow(self) -> None:
        """A commit is refused while too many wait; an answer makes room again."""
        one = session(max_open_commits=2)
        for _ in range(2):
            one.receive(chunk(SECOND, commit=True), 0.0)
        assert errors(one.receive(chunk(SECOND, commit=True), 0.0)) == ["queue_overflow"]
        one.answered(1, [], "en")
        assert one.receive(chunk(commit=True), 0.0) == [Commit(3)]

    def test_a_failed_engine_ends_the_session(self) -> None:
        """transcriber_error, then a close."""
        one = session()
        one.receive(chunk(SECOND, commit=True), 0.0)
        error, close = one.engine_failed(1, "the model broke")
        assert errors([error]) == ["transcriber_error"]
        assert close == Close(1011, "the model broke")

    def test_an_idle_session_is_closed(self) -> None:
        """15 s after the last message, with code 1000 and no error; a keepalive every 10 s keeps it."""
        one = session()
        one.receive(chunk(), 10.0)
        assert one.next_deadline() == 25.0
        assert one.advance(24.9) == []
        (close,) = one.advance(25.0)
        assert isinstance(close, Close)
        assert close.code == 1000

    def test_a_session_has_its_time(self) -> None:
        """At its limit it gets session_time_limit_exceeded and is closed, busy or not."""
        one = session(session_seconds=60.0)
        one.receive(chunk(SECOND), 55.0)
        assert one.next_deadline() == 60.0
        actions = one.advance(60.0)
        assert errors(actions) == ["session_time_limit_exceeded"]
        assert isinstance(actions[-1], Close)

    def test_nothing_happens_after_the_end(self) -> None:
        """A closed session takes and says nothing more."""
        one = session()
        assert one.close(1000, "done") == [Close(1000, "done")]
        assert one.receive(chunk(SECOND), 1.0) == []
        assert one.interim("late") == []
        assert one.answered(1, [], "en") == []
        assert one.speech_ended() == []
        assert one.close(1000, "done") == []

    def test_the_end_of_speech_commits_what_is_there(self) -> None:
        """With the vad strategy the server commits; with less than 0.3 s of audio it stays silent."""
        one = session()
        assert one.speech_ended() == []
        one.receive(chunk(SECOND), 0.0)
        assert one.speech_ended() == [Commit(1)]

    @given(st.lists(st.one_of(st.integers(0, 20_000), st.just("commit")), max_size=40))
    def test_every_sample_is_heard_and_committed_once(self, script: list[int | str]) -> None:
        """Whatever a client does: all audio is heard, commits are numbered 1, 2, 3 …, none is too short."""
        one = session(max_open_commits=1_000)
        sent = heard = at_last_commit = 0
        numbers = []
        for step in script:
            audio = b"" if step == "commit" else b"\0\0" * int(step)
            sent += len(audio)
            for action in one.receive(chunk(audio, commit=step == "commit"), 0.0):
                if isinstance(action, Hear):
                    heard += len(action.audio)
                elif isinstance(action, Commit):
                    numbers.append(action.number)
                    assert heard - at_last_commit >= 9_600
                    at_last_commit = heard
        assert heard == sent
        assert numbers == list(range(1, len(numbers) + 1))
