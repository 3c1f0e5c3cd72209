"""Pages for a browser: one file each, which needs no network and runs no program."""
