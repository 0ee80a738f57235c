"""What a student's notebook imports. Nothing here may import grading, authoring or hidden tests."""
