"""Hidden tests of the problem set on back-propagation."""
