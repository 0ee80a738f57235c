"""Visible checks of the problem set on LSTMs, one module a part."""
