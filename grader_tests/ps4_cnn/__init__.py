"""Hidden tests of the problem set on convolutional networks."""
