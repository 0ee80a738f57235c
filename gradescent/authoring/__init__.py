"""From a problem set's text to the notebooks that students get."""
