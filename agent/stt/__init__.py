"""Recognizers: what turns audio into text. Contract suite: `tests/contract/test_recognizers.py`."""
