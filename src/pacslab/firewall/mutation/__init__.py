"""A ruleset -> the same ruleset broken on purpose, one place at a time; what each break does to packets."""
