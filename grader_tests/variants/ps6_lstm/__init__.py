"""Known solutions of the problem set on LSTMs."""
