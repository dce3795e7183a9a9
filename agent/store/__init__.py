"""The record of sessions: `open_store(database_url)` and the protocol it keeps (`agent.store.protocol`)."""
