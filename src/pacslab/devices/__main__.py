"""`python3 -m pacslab.devices ARGUMENTS` -> one JSON document and an exit code."""

import sys

from pacslab.devices.command import main

sys.exit(main(sys.argv[1:]))
