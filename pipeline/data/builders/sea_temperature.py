"""The TFDS builder `sea_temperature`: the temperature at the surface of a bay, every half hour."""

import csv
import gzip
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from pipeline.data import packages
from pipeline.data.builders import glucose
from pipeline.data.packaged import PackagedBuilder
from pipeline.data.splits import Content

MEMBER = "bokeh_sampledata/_data/sea_surface_temperature.csv.gz"

_DESCRIPTION = """
The temperature of the sea's surface at buoy B01, off the coast of Maine, from February 2016 to
March 2017: time in UTC, and degrees Celsius. The readings are half an hour apart; 24 are missing.
The data are one split, in no order: sort them by time, and keep the last stretch for tests.

Left out is one of 19,226 readings, the second one of the same half hour.
"""


class SeaTemperature(PackagedBuilder):
    """Temperatures of a buoy out of the package `bokeh-sampledata`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "The temperatures of bokeh-sampledata 2026.1."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {"time": tfds.features.Text(), "temperature": np.float32}
            ),
            homepage="https://data.neracoos.org/erddap/info/B01_ocean_agg/index.html",
            license="Free to use and redistribute; not for legal use",
        )

    def _contents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        member = packages.read(glucose.PACKAGE, MEMBER)
        for row in csv.DictReader(gzip.decompress(member).decode().splitlines()):
            time, temperature = row["time (UTC)"], float(row["temperature (celsius)"])
            yield time, {"time": time, "temperature": temperature}

    def _split_of(self, content: Content) -> str:
        return "train"
