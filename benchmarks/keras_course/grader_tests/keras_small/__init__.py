"""Hidden tests of the small Keras notebook."""
