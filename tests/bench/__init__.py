"""Benchmarks: whole runs, each beside a peer in the same run; `python -m tests.bench [NAME...]`."""
