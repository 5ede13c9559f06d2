"""A running lab -> clinical work done in it, step by step, by its own devices."""
