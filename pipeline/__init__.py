"""Train recurrent networks on anybody's sequences, test them, use them and export them.

`from pipeline import classify` gives a kind of problem with its `train`; it imports TensorFlow.
`@pipeline.task(name, summary, config)` makes a class of yours a task.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.api import Learner
    from pipeline.user_code import task as task

    caption: Learner
    classify: Learner
    forecast: Learner
    language: Learner
    regress: Learner
    tag: Learner
    transduce: Learner


def __getattr__(name: str) -> Any:
    if name == "task":
        from pipeline.user_code import task

        return task
    recipe = Path(__file__).with_name("recipes") / f"{name}.py"
    if name == "base" or not recipe.is_file():
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    from pipeline import quiet

    quiet.load_tensorflow()
    from pipeline.api import Learner

    return Learner(name)
