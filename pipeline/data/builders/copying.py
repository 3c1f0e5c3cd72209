"""The TFDS builder `copying`: ten symbols, and after many blanks the same again."""

from typing import Any

import tensorflow_datasets as tfds

from pipeline.data.drawn import DrawnBuilder, Random

COPIED = 10  # symbols
SYMBOLS = tuple("01234567")
_NO_LABEL = -1  # of a `ClassLabel`

_DESCRIPTION = """
The copying problem. Ten symbols are followed by blanks and by ten signs to go. The labels of the
last ten steps are the symbols; the other steps have none. The config says how many blanks there
are.
"""
_CITATION = """
@inproceedings{arjovsky2016unitary,
  title = {Unitary evolution recurrent neural networks},
  author = {Arjovsky, Martin and Shah, Amar and Bengio, Yoshua},
  booktitle = {Proceedings of the 33rd International Conference on Machine Learning},
  year = {2016},
}
"""


class Copying(DrawnBuilder):
    """Signs, and the symbol that each of the last steps asks for."""

    name = "copying"
    shortest = 0

    def _info(self) -> tfds.core.DatasetInfo:
        labels = tfds.features.ClassLabel(names=SYMBOLS)
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "signs": tfds.features.Sequence(tfds.features.Text()),
                    "symbols": tfds.features.Sequence(labels),
                }
            ),
            supervised_keys=("signs", "symbols"),
            citation=_CITATION,
        )

    def _draw(self, random: Random) -> tuple[str, dict[str, Any]]:
        symbols = [SYMBOLS[place] for place in random.integers(len(SYMBOLS), size=COPIED)]
        signs = [*symbols, *["blank"] * self.gap, *["go"] * COPIED]
        labels = [*[_NO_LABEL] * (COPIED + self.gap), *symbols]
        return " ".join(symbols), {"signs": signs, "symbols": labels}
