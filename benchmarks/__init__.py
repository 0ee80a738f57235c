"""Benchmarks: `python -m benchmarks`, or `make bench`. See README.md beside this file."""
