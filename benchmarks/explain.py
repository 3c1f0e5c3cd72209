"""How long the page of `recurrent explain` takes for 200 words, after imports.

python -m benchmarks.explain RUN
"""

import sys
import tempfile
import time
from pathlib import Path

from pipeline import quiet
from pipeline.run import Run

WORDS = 200


def main(path: Path) -> None:
    run = Run.open(path)
    quiet.load_tensorflow()
    # What the command imports, before the clock starts.
    from matplotlib.backends import backend_svg  # noqa: F401

    from pipeline import tasks
    from pipeline.explain import runs

    tasks.get(run.config.task)
    text = " ".join((run.vocabulary or [])[2 : 2 + WORDS])
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "second"):
            started, busy = time.perf_counter(), time.process_time()
            runs.explain([run], text, Path(folder) / "page.html")
            wall, cpu = time.perf_counter() - started, time.process_time() - busy
            print(f"{name} page of {WORDS} words: {wall:.1f} s, {cpu:.1f} s of processor time")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
