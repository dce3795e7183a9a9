"""The service's figures: what was called, by whom it is not said."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.http.service import calling


async def figures(client: object) -> dict[tuple[str, ...], float]:
    """Name and labels -> value."""
    answer = await client.get("/metrics")  # type: ignore[attr-defined]
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_calls_are_counted_by_route() -> None:
    """Rooms and paths that lead nowhere make no figure of their own, whatever the method."""
    async with calling() as client:
        for room in ("secret-one", "secret-two"):
            assert (await client.get(f"/rooms/{room}/transcript")).status_code == 404
        await client.get("/no/such/path")
        await client.request("BREW", "/no/such/other")
        found = await figures(client)
        route = "/rooms/{name:room}/transcript"
        assert found["service_calls_total", "GET", route, "404"] == 2
        assert found["service_call_seconds_count", route] == 2
        assert found["service_calls_total", "any", "none", "404"] == 2
        assert found["service_streams",] == 0
        assert not any("secret" in label or "BREW" in label for labels in found for label in labels)


async def test_figures_are_for_key_holders() -> None:
    """A stranger does not learn how busy the service is."""
    async with calling(credential=None) as client:
        assert (await client.get("/metrics")).status_code == 401
