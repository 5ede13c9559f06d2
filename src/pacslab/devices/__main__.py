"""`python3 -m pacslab.devices ARGUMENTS` -> one JSON document and an exit code."""

import os
import sys

from pacslab.devices.command import main

code = main(sys.argv[1:])
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # a stop is at once: callers still on the line have threads that would be waited for
