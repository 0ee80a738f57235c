"""Known solutions of the problem set on convolutional networks."""
