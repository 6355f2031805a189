"""The steps of a clip in, the values of its record out; one decoded frame at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...schemas.clips import Clips
from ...schemas.dataset.statistics import add
from ...schemas.errors import Reject
from ...schemas.features.base import Encoded, Feature, FeatureValue, Steps
from ...schemas.features.failure import FeatureFailure
from ...schemas.features.fit import check_fit
from ...schemas.schema import Schema
from ..ledger import Ledger
from ..rows import Window
from ..values.indexed import index_value
from ..values.resolve import ValueResolver
from ..values.step_sources import SomeSteps, StepSource, common_length
from .frame_accounting import DROPPED, IN_RECORDS, SEEN, count_skipped

__all__ = ["ClipEncoder"]


@dataclass(slots=True)
class ClipEncoder:
    """Encodes the step features of one row.

    Attributes:
        schema: a ``sequence_example``'s, its vocabularies filled in.
        reader: reads what the row names.
        window: of the row, where its clip was cut.
        seen: the frames that the row was found to have; 0 until that is known.
        ledger: counts of its frames; see ``frame_accounting.py``.
        dropped: the frames that were left out because something is wrong with them.
        index: whether to find out what the index says of them.
        indexed: by feature and name, what the index says of each step.
    """

    schema: Schema
    reader: ValueResolver
    window: Window | None = None
    seen: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    dropped: list[Reject] = field(default_factory=list)
    index: bool = False
    indexed: dict[str, dict[str, list[Any]]] = field(default_factory=dict)

    def encode(self) -> tuple[dict[str, Steps], dict[str, dict[str, Any]]]:
        """The record's values by key, and the statistics' shares by feature.

        Raises:
            Reject: of stage ``clip``: ``unequal_lengths`` or ``too_few_frames``; or what is wrong with
                the first bad frame.
        """
        steps = self.schema.steps
        sources = {name: self._open(name, feature) for name, feature in steps.items()}
        even = {name: feature for name, feature in steps.items() if not feature.ragged}
        self.seen = self._count_steps({name: sources[name] for name in even})
        # Ragged features are not chosen among: their steps are not those of the others.
        kept = self._choose(self.seen) if even else range(0)
        parts = [self._encode_even(even, sources, kept)] if even else []
        for name, feature in steps.items():
            if feature.ragged:
                every = range(len(sources[name]))
                parts.append(self._encode_steps({name: feature}, sources, every))
        values = {key: steps for part in parts for key, steps in part.steps().items()}
        summaries = {name: summary for part in parts for name, summary in part.summaries.items()}
        return values, {name: summaries[name] for name in steps}

    @property
    def _clips(self) -> Clips:
        assert self.schema.clips is not None
        return self.schema.clips

    def _open(self, name: str, feature: Feature) -> StepSource:
        try:
            source = self.reader.steps(feature, self._clips)
        except Reject as reject:
            raise reject.of(feature=name) from None
        if self.window is None or self._clips.key is not None or not self._any_cut():
            return source
        # Beside steps that were listed, and so cut already, lie others that are still whole.
        whole = not self._is_cut(feature)
        return SomeSteps(source, self._in_window(len(source))) if whole else source

    def _count_steps(self, sources: Mapping[str, StepSource]) -> int:
        """The number of steps that all have; where rows were grouped, those that all have of the chosen rows."""
        clips = self._clips
        whole = [name for name in sources if not self._is_cut(self.schema.steps[name])]
        chooses = clips.key is not None and (clips.every > 1 or clips.max_frames or clips.window)
        if not chooses or not whole:
            return common_length(sources)
        try:
            count = common_length(sources)
        except Reject as reject:
            raise replace(reject, message=f"{reject.message}; {_advise(whole)}") from None
        later = self.window is not None and self.window.start
        if later or len(clips.keep(count)) < count:  # of as many, but they are not the same ones
            got = f"got {count} steps of rows that were chosen, and as many others"
            raise Reject("clip", "unequal_lengths", f"{got}; {_advise(whole)}")
        return count

    def _choose(self, count: int) -> range:
        """The steps to keep; rows that were grouped or cut into windows have just these already."""
        clips = self._clips
        if clips.key is not None:
            return range(count)
        if self.window is not None:
            return range(count) if self._any_cut() else self._in_window(count)
        kept = clips.keep(count)
        if len(kept) < clips.fewest:
            raise clips.too_few(len(kept))
        self.ledger.add(SEEN, count)
        self.ledger.merge(count_skipped(clips, count))
        return kept

    def _in_window(self, count: int) -> range:
        """The steps of the row's window, of so many steps of its whole clip."""
        assert self.window is not None
        return self._clips.keep(count)[self.window.start : self.window.stop]

    def _any_cut(self) -> bool:
        return any(map(self._is_cut, self.schema.steps.values()))

    def _is_cut(self, feature: Feature) -> bool:
        """Whether the steps of a window are all that its row still lists of a feature."""
        columns = self.schema.frame_columns().intersection(feature.columns)
        return any(isinstance(self.reader.cells[column], list) for column in columns)

    def _encode_even(
        self, features: Mapping[str, Feature], sources: Mapping[str, StepSource], kept: range
    ) -> _Part:
        part = self._encode_steps(features, sources, kept)
        left = len(next(iter(part.steps().values())).values)
        if left < self._clips.fewest:
            reject = self._clips.too_few(left)
            raise replace(reject, message=f"{reject.message}; {len(kept) - left} were bad")
        self.ledger.add(IN_RECORDS, left)
        return part

    def _encode_steps(
        self, features: Mapping[str, Feature], sources: Mapping[str, StepSource], kept: range
    ) -> _Part:
        """Encodes features side by side, so that a frame that one of them cannot have is left out of all.

        Numbers are taken as whole arrays where nothing is wrong with any of them. All others go step by
        step, which says what is wrong with which.
        """
        arrays = {
            name: array
            for name, feature in features.items()
            if (array := _encode_array(name, feature, sources[name], kept)) is not None
        }
        rest = {name: feature for name, feature in features.items() if name not in arrays}
        part = _Part(self.schema, rest)
        good = self._encode_each(part, rest, sources, kept) if rest else kept
        for name in arrays.keys() if good else ():
            array = arrays[name]
            if len(good) < len(kept):
                array = _encode_array(name, features[name], sources[name], good)
            assert array is not None  # some of what was right before
            part.add_array(name, array)
        return part

    def _encode_each(
        self,
        part: _Part,
        features: Mapping[str, Feature],
        sources: Mapping[str, StepSource],
        kept: range,
    ) -> Sequence[int]:
        """Encodes features step by step; returns the steps that are left."""
        good = []
        order = [name for name in self.schema.encoding_order["steps"] if name in features]
        for step in kept:
            encoded: dict[str, Encoded] = {}
            became: dict[str, Any] = {}
            indexed: dict[str, Mapping[str, Any]] = {}
            try:
                for name in order:
                    one, indexed[name] = self._encode_step(
                        name, features[name], sources[name], step, became
                    )
                    encoded[name], became[name] = one, one.became
            except Reject as reject:
                # A step that others do not wait for cannot be left out of them.
                if self._clips.on_bad_frame == "reject" or _any_ragged(features):
                    raise
                self.dropped.append(reject)
                self.ledger.add(f"{DROPPED}/{reject.reason}")
                continue
            for name, one in encoded.items():
                part.add(name, one)
                of_feature = self.indexed.setdefault(name, {})
                for what, said in indexed[name].items():
                    of_feature.setdefault(what, []).append(said)
            good.append(step)
            # Else the memory of a clip would be that of all its frames.
            self.reader.forget()
        return good

    def _encode_step(
        self,
        name: str,
        feature: Feature,
        source: StepSource,
        step: int,
        became: Mapping[str, Any],
    ) -> tuple[Encoded, Mapping[str, Any]]:
        try:
            value = source[step]
            encoded = feature.encode_after(name, value, became)
            if not self.index:
                return encoded, {}
            origin = self.reader.origin(feature, source.describe(step), value)
            return encoded, index_value(feature, encoded, origin)
        except Reject as reject:
            known = reject.of(feature=name, path=source.describe(step))
            raise replace(known, message=f"frame {step}: {known.message}") from None
        except Exception as error:
            raise FeatureFailure.of(name, feature, error) from error


class _Part:
    """The values and summaries of some features, as far as their steps are encoded."""

    def __init__(self, schema: Schema, features: Mapping[str, Feature]):
        self._schema = schema
        self._values: dict[str, list[FeatureValue]] = {
            key: [] for name in features for key in schema.specs[name]
        }
        self._arrays: dict[str, Steps] = {}
        self.summaries: dict[str, dict[str, Any]] = {name: {} for name in features}

    def add(self, name: str, encoded: Encoded) -> None:
        """Adds a step."""
        feature = self._schema.features[name]
        check_fit(name, feature.type, encoded.values, self._schema.specs[name])
        for key, value in encoded.values.items():
            self._values[key].append(value)
        add(self.summaries[name], encoded.summary, feature.summary_types)

    def add_array(self, name: str, encoded: Encoded) -> None:
        """Adds all steps of a feature."""
        feature, steps = self._schema.features[name], len(next(iter(encoded.values.values()), ()))
        check_fit(name, feature.type, encoded.values, self._schema.specs[name], steps)
        for key, array in encoded.values.items():
            self._arrays[key] = Steps(array)  # type: ignore[arg-type]  # encode_steps gives arrays
        self.summaries[name] = encoded.summary

    def steps(self) -> dict[str, Steps]:
        """All values by key."""
        return {key: Steps(tuple(steps)) for key, steps in self._values.items()} | self._arrays


def _encode_array(
    name: str, feature: Feature, source: StepSource, steps: Sequence[int]
) -> Encoded | None:
    """Some steps of a feature at once; ``None`` where they have to be encoded one by one."""
    # What a step hands on to another feature or to the index, or takes from one, goes from step to step.
    alone = feature.owner is None and feature.becomes is None and not feature.index_columns
    if not feature.encodes_steps or not alone or not steps:
        return None
    array = source.read_steps(steps)
    if array is None:
        return None
    try:
        return feature.encode_steps(name, array)
    except Exception as error:
        raise FeatureFailure.of(name, feature, error) from error


def _advise(whole: Sequence[str]) -> str:
    return (
        "every, max_frames and window choose among the rows of a clip, not among the steps that "
        f"{', '.join(map(repr, whole))} names as a whole; name one a row, or give a row a clip without clips.key"
    )


def _any_ragged(features: Mapping[str, Feature]) -> bool:
    return any(feature.ragged for feature in features.values())
