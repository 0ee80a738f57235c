"""Hidden tests of the problem set on LSTMs."""
