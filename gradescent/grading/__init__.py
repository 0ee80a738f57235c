"""The grading engine, in the order in which a submission flows through it.

engine (the class) → intake (read) → graders (by the kind of course) → repair → supervisor (start, limit, restart) → sandbox
→ worker (inside) ↔ remote (the calls) → record → gradebook → feedback.
"""
