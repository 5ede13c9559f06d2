"""A running lab -> verdicts: catalogue, judge, one file per suite, run."""
