"""`python -m harness` is the command `vistas`."""

from harness.cli import main

main()
