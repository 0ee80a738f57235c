"""Known solutions of the problem set on back-propagation."""
