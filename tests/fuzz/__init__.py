"""Fuzzing: `python -m tests.fuzz.loader [SECONDS]`."""
