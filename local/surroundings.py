"""The environment that a demo or a bench gives to the programs it starts."""

from __future__ import annotations

import os
from collections.abc import Mapping

from agent.settings import ALIASES, Settings

_ALSO = ("LIVEKIT_AGENT_NAME", "LIVEKIT_AGENT_NAME_OVERRIDE")
"""Settings of livekit-agents that keep a worker from joining every room."""


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `settings` in place of every setting of the project.

    Run the program in a folder without `.env`, which would be read too.
    """
    ours = {*map(str.upper, Settings.model_fields), *ALIASES, *_ALSO}
    rest = {name: value for name, value in os.environ.items() if name.upper() not in ours}
    return {**rest, **settings}
