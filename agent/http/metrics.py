"""Figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST

from agent.http.auth import REFUSALS, key_holder
from agent.http.service import CurrentService

router = APIRouter(tags=["health"], dependencies=[Depends(key_holder)], responses=REFUSALS)


class _Text(Response):
    media_type = CONTENT_TYPE_LATEST


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    # not _Text: refusals would be documented as its type, and they are JSON
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(service: CurrentService) -> _Text:
    """Calls, streams, webhooks and side tasks. A scraper sends a key as its bearer token."""
    figures = service.webhooks
    names = ("delivered", "failed", "refused", "given_up")
    counts = {name: getattr(figures, name) for name in names} if figures else {}
    return _Text(service.measures.text(service.slots.taken, counts, service.background))
