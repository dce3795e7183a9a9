"""Writes docs/settings.md from the settings: `python -m agent.settings_page > docs/settings.md`."""

from __future__ import annotations

import sys

from agent.settings import Settings
from agent.settings_faults import describe, shown

SECTIONS = {
    "livekit_url": "LiveKit",
    "elevenlabs_api_key": "Recognizer",
    "vad_activation": "Voice activity",
    "window_seconds": "Windows",
    "ledger_seconds": "Audio of a track",
    "exclude_kinds": "Who is transcribed",
    "database_url": "Store",
    "host": "Token service",
    "webhook_url": "Outgoing webhooks",
    "agent_name": "Worker",
    "log_format": "Logs",
}
"""First field of a section -> its heading."""

INTRO = """\
# Settings

<!-- Written by `make docs` from agent/settings.py; change that file instead. -->

Each setting is an environment variable, or a line `NAME=value` in a file `.env` in the folder the program
is started from; the environment wins. An empty value is as if unset. Lists have commas between their parts.
A malformed value, and a name that looks like a misspelt setting, stop the program at its start with the
name and the fix. So do a line of `.env` that sets nothing (the second half of a value that was broken in
two, an unclosed quote) and a file that is not UTF-8; the error names the file and the line. Secrets are
never logged and never shown in an error.

`python worker.py start` needs `LIVEKIT_URL`, `LIVEKIT_API_KEY`, `LIVEKIT_API_SECRET` and
`ELEVENLABS_API_KEY`; everything else has a default that works."""


def page() -> str:
    """The whole page, as Markdown."""
    lines = [INTRO]
    for field in Settings.model_fields:
        if field in SECTIONS:
            lines += [
                f"\n## {SECTIONS[field]}\n",
                "| Name | Meaning | Must be | Unit | Default | Secret |",
                "|---|---|---|---|---|---|",
            ]
        lines.append(_row(field))
    return "\n".join(lines) + "\n"


def _row(field: str) -> str:
    info = Settings.model_fields[field]
    about = describe(info)
    default = shown(info.default)
    cells = [
        f"`{field.upper()}`",
        info.description or "",
        about["accepts"],
        about["unit"],
        f"`{default}`" if default else "empty",
        "yes" if about["secret"] else "no",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
