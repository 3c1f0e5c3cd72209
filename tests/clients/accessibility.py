"""Whether everyone can use a page, as far as axe-core tells; nothing from elsewhere is loaded."""

import json
from pathlib import Path

from tests.clients.node import HERE, reject_uninstalled, run


def faults(page: Path) -> list[str]:
    """What is wrong with a page that opens from disk, on a desk and on a phone."""
    return faults_at(page.resolve().as_uri())


def faults_at(address: str) -> list[str]:
    """What is wrong with a page at an address, on a desk and on a phone."""
    reject_uninstalled()
    found: list[str] = json.loads(run(HERE, "axe.mjs", address))
    return found
