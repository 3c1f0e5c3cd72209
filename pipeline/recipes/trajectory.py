"""Where a ball will be."""

from pipeline.config.forecast import ForecastConfig
from pipeline.recipes.base import Recipe


def hawkeye() -> ForecastConfig:
    """Learn from a minute of football, turned, mirrored, and simulated.

    Chosen on the validation split. On the 2,652 windows of another minute, seed 0, in 44 s on two
    shared cores: a coordinate is 0.256 m off in the mean, and 0.619 m at 0.5 s; drift, which keeps
    the velocity, 0.295 and 0.751, the feed-forward network 0.251 and 0.612. Where eight positions
    are known, the medians are 0.257 m from the ball at 0.2 s and 1.10 m at 0.5 s, drift 0.337 and
    1.59 m.
    """
    return ForecastConfig(
        task="forecast",
        recipe="trajectory",
        data="tfds:hawkeye",
        time="time",
        target="x,y,z",
        series_id="series",
        window=8,
        horizon=25,
        bidirectional=False,
        epochs=6,
        batch_size=128,
        learning_rate=3e-3,
        weight_decay=0.01,
    )


def bouncing_ball() -> ForecastConfig:
    """Learn from simulated balls that nobody touches; chosen on the validation split.

    On the 10,000 windows of 400 other balls, seed 0, in five minutes on two shared cores: a
    coordinate is 0.095 m off in the mean, and 0.194 m at 0.5 s; drift 0.274 and 0.631, the
    feed-forward network 0.094 and 0.188. Of 2,000 more balls with 25 known positions, the medians
    are 0.065 m from the ball at 0.2 s and 0.228 m at 0.5 s, drift 0.310 and 1.28 m.
    """
    return hawkeye().model_copy(update={"data": "tfds:bouncing_ball", "window": 25, "epochs": 10})


recipe = Recipe(
    "where a ball will be in the next half second",
    {"hawkeye": hawkeye, "bouncing_ball": bouncing_ball},
)
