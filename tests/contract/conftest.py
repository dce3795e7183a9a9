"""What contract tests need besides .venv is installed before any of them runs."""

from __future__ import annotations

import pytest

from tests.browser import needs


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install now, where it is seen and no test's time limit runs."""
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly or "pooled_url" not in wanted:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        needs.pgbouncer()
