"""Sinks: where items go live, one file each."""
