"""Visible checks of the problem set on convolutional networks, one module a part."""
