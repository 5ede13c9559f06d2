"""`python3 -m pacslab.devices ARGUMENTS` -> one JSON document and an exit code."""

import os
import sys

if sys.argv[1:2] == ["serve"]:
    # pydicom imports numpy where it finds it, a fifth of a server's start; a server moves images and looks into none.
    sys.modules["numpy"] = None  # type: ignore[assignment]

from pacslab.devices.command import main

code = main(sys.argv[1:])
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # a stop is at once: callers still on the line have threads that would be waited for
