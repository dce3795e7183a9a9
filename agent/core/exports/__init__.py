"""The record as files: one module a format, each with `render(segments) -> str`."""
