"""The command line: one file per command, thin; app.py maps errors to exit codes."""
