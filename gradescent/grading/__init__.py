"""The grading engine, in the order in which a submission flows through it.

intake (read, repair) → supervisor (start, limit, restart) → sandbox → worker (inside) ↔ remote (the calls) → record →
gradebook → feedback.
"""
