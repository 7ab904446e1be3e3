"""The command `python -m qtloop`, which runs a program with instruments: see `_command`."""

from ._command import main

main()
