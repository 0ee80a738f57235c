"""What runs in a student's process, and nothing else of the engine: this folder is all of it that a student's code can see.

warm (imported once, forked for each submission) → walls (namespaces, or Landlock) → worker (cells and calls) → shell
(IPython and what it shows), and wire, the messages.
"""
