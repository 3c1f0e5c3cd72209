"""`python -m pipeline.cli` is `recurrent`."""

from pipeline.cli import main

main()
