"""Hostile and broken submissions, a group a module. `tests/test_attacks.py` runs each of them through the engine."""
