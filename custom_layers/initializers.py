"""Where recurrent weights start."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("custom_layers")
class Chrono(keras.initializers.Initializer):
    """Start the gates so that units remember for 1 to `longest` steps.

        b_f = log(u),  u ~ uniform(1, longest - 1)      gates that keep the state when open
        b_i = -b_f                                      gates that overwrite it when open

    A gate of sigmoid(log(u)) keeps u / (1 + u) of the state, and so forgets in about 1 + u steps.

        LSTM(64, bias_initializer=Chrono(longest=500))

    Arguments:
        longest: number of steps that the longest dependency spans, above 2.
        seed: of the draw.

    Raises:
        ValueError: if `longest` is not above 2.

    Reference: Tallec & Ollivier, 2018, "Can recurrent neural networks warp time?".
    """

    def __init__(self, longest: float, seed: int | None = None) -> None:
        if longest <= 2:
            raise ValueError(f"`longest` must be above 2, not {longest!r}.")
        self.longest = longest
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """Draw log(u) for each element."""
        draw = keras.random.uniform(shape, 1.0, self.longest - 1.0, dtype=dtype, seed=self.seed)
        return ops.log(draw)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments."""
        return {"longest": self.longest, "seed": self.seed}
