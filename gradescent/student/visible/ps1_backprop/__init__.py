"""Visible checks of the problem set on back-propagation, one module a part."""
