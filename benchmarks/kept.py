"""What settings reach with each of several seeds, kept in a file: seeds add up over machines.

A seed is kept as soon as it is measured, and not measured again while its settings stay the same:
all of them together take more than a day. Delete an entry of the file to measure it anew.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from benchmarks.timing import machine
from pipeline import cli, files
from pipeline.config import Config
from pipeline.run import Run

SEEDS = range(3)


class Trained(NamedTuple):
    """Settings, and what they reached.

    Attributes:
        settings: those that are not the default.
        seeds: for each seed, as text: machine, parameters and figures on the test split.
        baselines: for each baseline, its figures, measured once.
    """

    settings: dict[str, Any]
    seeds: dict[str, dict[str, Any]]
    baselines: dict[str, dict[str, float]]


class Kept:
    """What is in a file, and what is added to it."""

    def __init__(self, file: Path, entries: dict[str, Trained]) -> None:
        self.file = file
        self.entries = entries

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read `file`, which may not be there yet."""
        found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return cls(file, {name: Trained(**entry) for name, entry in found.items()})

    @property
    def machines(self) -> str:
        """Describe every machine that something was measured on."""
        seeds = (seed for entry in self.entries.values() for seed in entry.seeds.values())
        described = (
            ", ".join(f"{key} {value}" for key, value in seed["machine"].items()) for seed in seeds
        )
        return "; ".join(dict.fromkeys(described))

    def measure(
        self, name: str, config: Config, path: Path, baselines: Mapping[str, Any] | None = None
    ) -> None:
        """Train and test the seeds that are missing of `config`, called `name`.

        Args:
            name: of the entry.
            config: the settings; the seed is chosen here.
            path: the directory for runs; one that was stopped goes on.
            baselines: to measure, those of the task if it is None.
        """
        from pipeline import train

        if name not in self.entries or self.entries[name].settings != settings(config):
            self.entries[name] = Trained(settings(config), {}, {})
        found = self.entries[name]
        for seed in SEEDS:
            if str(seed) in found.seeds:
                continue
            run = Run.create(path / f"{name}-{seed}", config.model_copy(update={"seed": seed}))
            cli.train_run(run)
            results = run.results or train.evaluate(run, {} if found.baselines else baselines)
            found.baselines.update(results["baselines"])
            found.seeds[str(seed)] = {
                "machine": machine(),
                **{part: results[part] for part in ("parameters", "model")},
            }
            text = json.dumps(
                {name: each._asdict() for name, each in self.entries.items()}, indent=1
            )
            files.write(self.file, text + "\n")


def settings(config: Config) -> dict[str, Any]:
    """Return the settings of `config` that are not the default."""
    return config.model_dump(exclude_defaults=True)
