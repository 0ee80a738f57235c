"""Any nbgrader course as it is, in the order in which it is graded.

course      what nbgrader_config.py says
steps       nbgrader's own steps, in the order and with the settings that it gives them
grader      what the engine asks of such a course
sources     the assignment in the gradebook, and what the gradebook keeps of it
files       what lies beside the notebooks
notebook    one notebook through nbgrader's steps, its cells run in the sandbox
scores      the scores, the time of the submission and penalties in the gradebook

The configuration, the gradebook and what lies in source/ are the instructor's own and are trusted. What students handed in
beside their notebooks is not, and is read as the notebooks are.
"""
