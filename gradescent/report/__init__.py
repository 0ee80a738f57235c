"""What people see of a graded class."""
