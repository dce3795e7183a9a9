"""Outgoing webhooks: windows, gaps and ends of every session, posted to WEBHOOK_URL (docs/webhooks.md)."""
