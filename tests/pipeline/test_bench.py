"""What is measured, and on what, where Keras cannot export the model itself."""

from pathlib import Path

from pipeline import quiet
from pipeline.run import Run
from tests.pipeline.small import small
from tests.pipeline.untrained import run_of


def test_a_side_that_keras_cannot_export_is_left_out_with_a_reason(tmp_path: Path) -> None:
    quiet.load_tensorflow()
    from pipeline import bench
    from pipeline.export import export
    from pipeline.train import train

    run = Run.create(tmp_path / "run", small(precision="mixed_bfloat16", epochs=1))
    train(run)
    export(run, formats=["onnx"])
    measured = bench.of_run(run, {1: range(3), 5: range(4)})
    assert list(measured["left_out"]) == ["keras.Model.export"]
    assert "ONNX Runtime" in measured["left_out"]["keras.Model.export"]
    found = [(each["side"], each["batch"], each["calls"]) for each in measured["milliseconds"]]
    assert found == [("keras", 1, 3), ("onnx", 1, 3), ("keras", 5, 4), ("onnx", 5, 4)]
    (steps,) = measured["shape_of_a_row"]["tokens"]
    lengths = run.task.data(run).test.lengths
    assert (lengths < steps).mean() < 0.6 and (lengths > steps).mean() < 0.6


def test_a_model_of_two_inputs_is_measured(tmp_path: Path) -> None:
    quiet.load_tensorflow()
    from pipeline import bench
    from pipeline.export import export

    with run_of("pronounce", "pronounce", tmp_path) as run:
        export(run, formats=["onnx"])
        measured = bench.of_run(run, {2: range(3)})
    assert len(measured["shape_of_a_row"]) == 2 and not measured["left_out"]
    sides = [each["side"] for each in measured["milliseconds"]]
    assert sides == ["keras", "onnx", "keras.Model.export"]
