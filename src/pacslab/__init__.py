"""pacslab: a zoned reference lab for hospital imaging networks."""

__version__ = "0.1.0"
