"""The TFDS builder `glucose`: the blood sugar of one person, every five minutes."""

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from pipeline.data import packages
from pipeline.data.packaged import PackagedBuilder
from pipeline.data.splits import Content

PACKAGE = packages.Wheel(
    name="bokeh-sampledata",
    version="2026.1",
    digest="f40331a40ca30c64a1c1471835aad9006b61b0d9731a3f649ee8cbbf48d3822f",
)
MEMBER = "bokeh_sampledata/_data/CGM.csv.gz"

_LEAST = timedelta(minutes=4.5)

_DESCRIPTION = """
Readings of a continuous glucose monitor that one person wore from March to October 2010: local time
without a zone, glucose in mg/dl, and the current of the sensor, NaN where it is not known. They are
five minutes apart, with gaps of up to 28 hours; after a gap, the minutes may be others. The data
are one split, in no order: sort them by time, and keep the last stretch for tests.

Left out are the 201 of 52,281 readings that came less than 4.5 minutes after the one before.
"""


class Glucose(PackagedBuilder):
    """Readings of a glucose monitor out of the package `bokeh-sampledata`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "The readings of bokeh-sampledata 2026.1."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {"time": tfds.features.Text(), "glucose": np.float32, "current": np.float32}
            ),
            homepage="https://github.com/bokeh/bokeh_sampledata",
            license="Public domain",
        )

    def _contents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        before = datetime.min
        table = gzip.decompress(packages.read(PACKAGE, MEMBER)).decode().splitlines()
        for row in csv.DictReader(table):
            time = datetime.fromisoformat(row["datetime"])
            if time - before >= _LEAST:
                before = time
                current = "nan" if row["isig"] == "nil" else row["isig"]
                numbers = {"glucose": float(row["glucose"]), "current": float(current)}
                yield row["datetime"], {"time": row["datetime"], **numbers}

    def _split_of(self, content: Content) -> str:
        return "train"
