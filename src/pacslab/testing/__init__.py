"""A lab file -> a running lab for tests of your own, in the style of testcontainers."""

from pacslab.testing.lab import CommandFailed, Lab, Node

__all__ = ["CommandFailed", "Lab", "Node"]
