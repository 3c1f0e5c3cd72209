"""Which free axes of a model share one length, and which lengths Keras takes: found by trying."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from exports import declared, tracing
from exports.errors import ExportError, InvalidArgumentError
from exports.parity.cases import values
from exports.signature import Array, Arrays, Lengths, Run, Signature, axis_label

# More are tried where one of these fails: a convolution needs some steps, pooling an even number,
# and a table of positions has an end.
_FEW = (1, 2, 17, 37, 64)
_MORE = (*range(1, 18), 20, 24, 32, 37, 48, 64)
_SHORT = 17  # up to here layers are asked, too, whether they take a length that they know
_LONG = 301  # of second axes alone: images of that size would take too long
_ROWS = 2

Range = tuple[int, int]
Sizes = Mapping[str, int]
Groups = Mapping[str, list[str]]


def signature(
    model: keras.Model, limits: Mapping[str, int], lengths: Mapping[str, Range]
) -> tuple[Signature, Run]:
    """Read the signature of `model` by running it.

    Axes that Keras takes only if they are equally long share a name; all others have their own. An
    axis of which one length alone works is fixed. The batch is free if Keras takes more rows than
    the model says. An axis of an output has the name of the inputs' axis that is always as long.

    Args:
        model: a Keras model.
        limits: for integer inputs, how many values an input may take.
        lengths: the least and the greatest length to try, by the name of an input or an axis.

    Returns:
        The signature, and the model as a function of arrays.

    Raises:
        ExportError: if Keras fails on all lengths, or an output does not keep the batch.
    """
    known = declared.signature(model)
    rows = next((tensor.shape[0] for tensor in model.inputs if tensor.shape[0]), None)
    if rows is None:
        return _Trials(model, known, _ROWS, limits, lengths).result()
    try:
        return _Trials(model, known, rows + 1, limits, lengths).result()
    except ExportError:
        return _Trials(model, known.of_rows(rows), rows, limits, lengths).result()


class _Trials:
    """Runs of a model on inputs of chosen sizes. An axis is called by its input and its place."""

    def __init__(
        self,
        model: keras.Model,
        known: Signature,
        rows: int,
        limits: Mapping[str, int],
        lengths: Mapping[str, Range],
    ) -> None:
        self.known, self.rows, self.limits = known, rows, limits
        self.run, self.given = tracing.run(model, known), tracing.as_given(model, known)
        self.places = {
            _called(array, place): (array, place)
            for array in known.inputs
            for place, size in enumerate(array.shape)
            if size is None and place > 0
        }
        self.ranges = self._ranges(lengths)
        self.must_be_finite = False
        self.failure = ExportError(f"{model.name!r} gives no outputs for any length of its inputs.")
        self.seen: dict[tuple[int, ...], Arrays | None] = {}

    def result(self) -> tuple[Signature, Run]:
        """Find the groups of axes, the lengths of each, and the axes of the outputs."""
        levels = self._levels()
        groups = self._named(self._groups(levels))
        base = dict.fromkeys(self.places, levels[len(levels) // 2])
        lengths = {name: self._lengths(group, base) for name, group in groups.items()}
        names = {axis: name for name, group in groups.items() for axis in group}
        inputs = (
            dataclasses.replace(
                array,
                axes=tuple(
                    names.get(_called(array, place), axis_label(place))
                    for place in range(len(array.shape))
                ),
            )
            for array in self.known.inputs
        )
        found = Signature(tuple(inputs), self._outputs(groups, lengths), lengths)
        return found.with_single_lengths_fixed(), self.run

    def _ranges(self, lengths: Mapping[str, Range]) -> dict[str, Range]:
        """Return the range that is given for each axis, if one is."""
        for name, given in lengths.items():
            _reject_no_range(name, given)
        names = {
            axis: (f"{array.name}_{axis_label(place)}", array.name, axis_label(place))
            for axis, (array, place) in self.places.items()
        }
        known = sorted(set(itertools.chain(*names.values())))
        if unknown := sorted(lengths.keys() - set(known)):
            raise InvalidArgumentError(f"`lengths` has {unknown}, and the free axes are {known}.")
        return {
            axis: next(lengths[name] for name in own if name in lengths)
            for axis, own in names.items()
            if lengths.keys() & set(own)
        }

    def _run(self, sizes: Sizes) -> Arrays | None:
        """Run the model on positive numbers; return None where it fails or there is no result."""
        key = tuple(sizes[axis] for axis in self.places)
        if key not in self.seen:
            try:
                self.seen[key] = self.run(self._inputs(sizes))
            except ExportError as error:
                if None not in self.seen.values():
                    self.failure = error
                self.seen[key] = None
        outputs = self.seen[key]
        if outputs is None or not all(values.size for values in outputs.values()):
            return None
        return None if self.must_be_finite and not _are_finite(outputs) else outputs

    def _is_taken(self, sizes: Sizes) -> bool:
        """Tell whether no layer refuses these sizes where it knows them, as in a user's call."""
        try:
            self.given(self._inputs(sizes))
        except ExportError as error:
            self.failure = error
            return False
        return True

    def _inputs(self, sizes: Sizes) -> Arrays:
        generator = np.random.default_rng(0)
        inputs = {}
        for array in self.known.inputs:
            axes = tuple(_called(array, place) for place in range(len(array.shape)))
            named, rows = dataclasses.replace(array, axes=axes), {_called(array, 0): self.rows}
            drawn = values(generator, named, {**sizes, **rows}, self.limits)
            inputs[array.name] = np.abs(drawn)
        return inputs

    def _levels(self) -> list[int]:
        """Return the lengths on which Keras works if all free axes have them.

        Those outside of a given range tell axes apart too, of which a range may have one alone.
        """
        ends = [*itertools.chain(*self.ranges.values())]
        found: dict[int, Arrays | None] = {}
        for more in (_FEW, _MORE):
            tried = sorted({*more, *ends}) if self.places else [1]
            found = {level: self._run(dict.fromkeys(self.places, level)) for level in tried}
            finite = [outputs is not None and _are_finite(outputs) for outputs in found.values()]
            self.must_be_finite = any(finite)
            if all(finite):
                break
        levels = [level for level in found if self._run(dict.fromkeys(self.places, level))]
        if not levels:
            raise self.failure
        return levels

    def _groups(self, levels: list[int]) -> list[list[str]]:
        """Part the axes: those of a group must be equally long, both longer and shorter."""
        middle = len(levels) // 2
        base = dict.fromkeys(self.places, levels[middle])
        near = levels[middle - 1], levels[(middle + 1) % len(levels)]

        def may_move(axes: Iterable[str]) -> bool:
            return all(self._run({**base, **dict.fromkeys(axes, level)}) for level in near)

        groups = [[axis] for axis in self.places if may_move([axis])]
        rest = [axis for axis in self.places if [axis] not in groups]
        while rest:
            first, *others = rest
            larger = (
                [first, *each]
                for count in range(1, len(others) + 1)
                for each in itertools.combinations(others, count)
            )
            group = next((each for each in larger if may_move(each)), rest)
            groups.append(group)
            rest = [axis for axis in rest if axis not in group]
        return sorted(groups, key=lambda group: list(self.places).index(group[0]))

    def _named(self, groups: list[list[str]]) -> dict[str, list[str]]:
        """Name each group after its place, and after its first input if others are there too."""
        firsts = [self.places[group[0]] for group in groups]
        labels = [axis_label(place) for _, place in firsts]
        return {
            label if labels.count(label) == 1 else f"{array.name}_{label}": group
            for (array, _), label, group in zip(firsts, labels, groups, strict=True)
        }

    def _lengths(self, group: list[str], base: Sizes) -> Lengths:
        """Return the lengths of a group on which Keras works while the others keep theirs."""
        ranges = [self.ranges[axis] for axis in group if axis in self.ranges]
        is_second = any(self.places[axis][1] == 1 for axis in group)
        low = max((least for least, _ in ranges), default=1)
        high = min((most for _, most in ranges), default=_LONG if is_second else _MORE[-1])
        works: list[int] = []
        for more in (_FEW, _MORE):
            tried = [length for length in sorted({*more, low, high}) if low <= length <= high]
            sizes = {each: {**base, **dict.fromkeys(group, each)} for each in tried}
            works = [each for each in tried if self._run(sizes[each])]
            works = [each for each in works if each > _SHORT or self._is_taken(sizes[each])]
            if works == tried:
                break
        if not works:
            raise self.failure
        return Lengths(tuple(works), works[0] if tried[0] < works[0] else 0)

    def _outputs(self, groups: Groups, lengths: Mapping[str, Lengths]) -> tuple[Array, ...]:
        """Name the axes of the outputs, from two runs in which groups differ in length."""
        sizes, outputs = [], []
        for turn in range(2):
            chosen = {}
            for number, name in enumerate(groups, start=turn):
                proved = lengths[name].proved
                chosen[name] = proved[(len(proved) // 2 + number) % len(proved)]
            found = self._run({axis: chosen[name] for name in groups for axis in groups[name]})
            if found is None:
                raise self.failure
            sizes.append(chosen)
            outputs.append(found)
        return tuple(
            self._output(array, sizes, [each[array.name] for each in outputs])
            for array in self.known.outputs
        )

    def _output(self, array: Array, sizes: list[dict[str, int]], values: list[np.ndarray]) -> Array:
        """Describe an output as it was: what Keras says of it need not be so."""
        rank = values[0].ndim
        declared = array.shape if len(array.shape) == rank else (None,) * rank
        shape: list[int | None] = [self.known.batch][:rank]
        axes = [axis_label(0)][:rank]
        for place in range(1, rank):
            found = [each.shape[place] for each in values]
            same = [name for name in sizes[0] if [each[name] for each in sizes] == found]
            fixed, label = set(found) == {declared[place]}, axis_label(place)
            shape.append(declared[place] if fixed else None)
            own = label if fixed else f"{array.name}_{label}"
            axes.append(same[0] if len(same) == 1 and not fixed else own)
        return Array(array.name, tuple(shape), str(values[0].dtype), tuple(axes))


def _reject_no_range(name: str, given: Any) -> None:
    match given:
        case (int(least), int(most)) if 1 <= least <= most:
            return
    raise InvalidArgumentError(
        f"`lengths[{name!r}]` must be the least and the greatest length, such as (1, 80), not "
        f"{given!r}."
    )


def _called(array: Array, place: int) -> str:
    return f"{array.name}/{place}"


def _are_finite(outputs: Arrays) -> bool:
    return all(np.isfinite(values).all() for values in outputs.values())
