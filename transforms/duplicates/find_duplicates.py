"""The twins of a dataset, found from the index of its shards: hashes are shuffled and never pixels.

What is shuffled of each record are 24 bytes for its content and 16 for each band of its perceptual hash; and
of the twins that are found, where they lie and what they are called.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np

from ...schemas.dataset.file_names import STATE_FOLDER, ShardName, index_file
from ...schemas.dataset.index import IndexLayout, read_index
from ...schemas.images.hash_bands import HashBands
from ...schemas.schema import Schema
from ..shards.plan import Plan
from ..shards.shard_result import ShardResult
from ..storage.output_folder import Folder
from .fingerprints import CONTENT, Bucket, Buckets, file_columns, read_fingerprints
from .record_numbers import RecordNumbers
from .search import PAIR, Kind, Nearest, Pairs, find_equal, find_near

__all__ = ["DuplicateSearch", "FindDuplicates", "Findings", "findings_path", "num_findings_files"]

_MOST_FILES = 64
_BLOCK_PAIRS = 44  # as many as stay under 1 KiB
_TEXT_BYTES = 500


class _Name(NamedTuple):
    """What a record is called: its key, the path of its file, and its targets by the columns of the index."""

    key: Any = None
    source: Any = None
    labels: Mapping[str, Any] = {}


def num_findings_files(plan: Plan) -> int:
    """How many files the twins of a build are spread over until publishing."""
    return max(1, min(_MOST_FILES, sum(split.num_shards for split in plan.splits.values())))


def findings_path(number: int) -> str:
    """Where one of these lies in the output folder: a line of counts, then one for each twin."""
    return f"{STATE_FOLDER}/duplicates-{number:02d}.jsonl"


@dataclass(frozen=True, slots=True)
class Findings:
    """Some of what was found, on its way to a file.

    Attributes:
        pairs: ``PAIR`` of twins.
        names: of each pair the feature's number, and what its record is called.
        num_plain: values whose perceptual hash says too little to compare it.
        not_compared: pairs of hashes that were left out since too many are alike.
    """

    pairs: bytes = b""
    names: tuple[tuple[int, _Name], ...] = ()
    num_plain: int = 0
    not_compared: int = 0


@dataclass(frozen=True, slots=True)
class DuplicateSearch:
    """Finds twins, step by step; what each takes and gives is small, so that it can be shuffled.

    Attributes:
        output: the dataset's folder.
        distance: the bits in which perceptual hashes of twins may differ; ``None`` finds equal contents alone.
    """

    output: Folder
    distance: int | None

    def divide(self, result: ShardResult, plan: Plan) -> Iterator[tuple[Bucket, bytes] | Findings]:
        """What a shard's records are found by, for each bucket; and how many of them by their content alone."""
        index = self.output.read(result.index["index"].path)
        if index is None:
            raise FileNotFoundError(f"{result.index['index'].path}: gone since it was written")
        shard = ShardName.parse(result.name)
        records = _numbers(plan).of_shard(shard, result.num_records)
        buckets = Buckets(self._bands, sum(split.num_rows for split in plan.splits.values()))
        num_plain = 0
        for feature, columns in enumerate(file_columns(plan.schema)):
            found = read_fingerprints(index, columns, records)
            yield from buckets.divide(feature, found)
            num_plain += found.num_plain
        if num_plain and self._bands is not None:
            yield Findings(num_plain=num_plain)

    def search(
        self, bucket: Bucket, blocks: Iterable[bytes], plan: Plan
    ) -> Iterator[tuple[int, tuple[int, bytes]] | Findings]:
        """The pairs of a bucket, by the file of their record: the feature and ``PAIR`` of some."""
        feature, band, _ = bucket
        numbers = _numbers(plan)
        if band == CONTENT:
            pairs = find_equal(blocks, numbers)
        else:
            assert self._bands is not None
            pairs, left = find_near(blocks, self._bands, band, numbers)
            if left:
                yield Findings(not_compared=left)
        for file, part in _by_file(pairs, pairs["record"], plan):
            for start in range(0, len(part), _BLOCK_PAIRS):
                yield file, (feature, part[start : start + _BLOCK_PAIRS].tobytes())

    def name(
        self, found: Iterable[tuple[int, bytes]], plan: Plan
    ) -> Iterator[tuple[int, Findings]]:
        """Of the pairs of a file's records the nearest, with the records' names, by the file of the twin."""
        numbers = _numbers(plan)
        nearest: dict[int, Nearest] = {}
        for feature, block in found:
            pairs = np.frombuffer(block, PAIR)
            nearest.setdefault(feature, Nearest(numbers)).add(pairs)
        for feature, of_feature in sorted(nearest.items()):
            pairs = of_feature.take()
            names = self._names(pairs["record"], feature, plan)
            for file, part, places in _by_file_with_places(pairs, pairs["twin"], plan):
                some: list[tuple[int, _Name]] = []
                start = size = 0
                for end, place in enumerate(places, start=1):
                    some.append((feature, names[place]))
                    size += PAIR.itemsize + sum(len(str(name)) for name in names[place])
                    if size >= _TEXT_BYTES or end == len(places):
                        yield file, Findings(part[start:end].tobytes(), tuple(some))
                        some, start, size = [], end, 0

    def write(self, number: int, found: Iterable[Findings], plan: Plan) -> None:
        """Writes one of the files, by twin and then by record."""
        found = list(found)
        counts = {
            "plain": sum(some.num_plain for some in found),
            "not_compared": sum(some.not_compared for some in found),
        }
        pairs = np.frombuffer(b"".join(some.pairs for some in found), PAIR)
        names = [name for some in found for name in some.names]
        lines = [json.dumps(counts)]
        if len(pairs):
            lines += self._lines(pairs, names, plan)
        self.output.write(findings_path(number), "".join(f"{line}\n" for line in lines).encode())

    def _lines(self, pairs: Pairs, names: list[tuple[int, _Name]], plan: Plan) -> Iterator[str]:
        numbers, columns = _numbers(plan), file_columns(plan.schema)
        features = np.array([feature for feature, _ in names])
        order = np.lexsort((pairs["record"], features, pairs["twin"]))
        # A feature's names are read at once; then all go back to their places.
        twins = [_Name()] * len(pairs)
        for feature in np.unique(features).tolist():
            places = np.flatnonzero(features == feature)
            found = self._names(pairs["twin"][places], feature, plan)
            for place, name in zip(places.tolist(), found, strict=True):
                twins[place] = name
        for place in order.tolist():
            feature, name = names[place]
            pair = pairs[place]
            line: dict[str, Any] = {"feature": columns[feature].feature}
            line["kind"] = Kind(int(pair["kind"])).name.lower()
            line["distance"] = int(pair["distance"])
            line["record"] = _describe(pair["record"], name, numbers)
            line["twin"] = _describe(pair["twin"], twins[place], numbers)
            yield json.dumps(line)

    def _names(self, records: Any, feature: int, plan: Plan) -> list[_Name]:
        """What records are called, from the index of their shards."""
        numbers = _numbers(plan)
        source = file_columns(plan.schema)[feature].source
        shards, indices = numbers.shards_of(records), numbers.indices_of(records)
        names = [_Name()] * len(records)
        labels = _label_columns(plan.schema)
        for shard in np.unique(shards).tolist():
            places = np.flatnonzero(shards == shard)
            path = index_file(str(numbers.shard(shard)))
            data = self.output.read(path)
            if data is None:
                raise FileNotFoundError(f"{path}: gone since it was written")
            table = read_index(data, ["key", *([source] if source else []), *labels])
            taken = table.take(indices[places]).to_pylist()
            for place, row in zip(places.tolist(), taken, strict=True):
                said = {label: _plain(row[label]) for label in labels}
                names[place] = _Name(row["key"], row[source] if source else None, said)
        return names

    @property
    def _bands(self) -> HashBands | None:
        return None if self.distance is None else HashBands(self.distance)


def _plain(label: Any) -> Any:
    """A label as JSON can hold it, and as it equals itself: neither is true of NaN."""
    return str(label) if isinstance(label, float) and not math.isfinite(label) else label


def _label_columns(schema: Schema) -> list[str]:
    """The columns of the index that have what records are labelled with."""
    columns = IndexLayout(schema).columns
    return [c.name for c in columns if not c.says and schema.features[c.feature].is_target]


def _numbers(plan: Plan) -> RecordNumbers:
    return RecordNumbers({name: split.num_shards for name, split in plan.splits.items()})


def _by_file(pairs: Pairs, records: Any, plan: Plan) -> Iterator[tuple[int, Pairs]]:
    for file, part, _ in _by_file_with_places(pairs, records, plan):
        yield file, part


def _by_file_with_places(
    pairs: Pairs, records: Any, plan: Plan
) -> Iterator[tuple[int, Pairs, list[int]]]:
    """The pairs by the file of one of their records: neighbouring shards share one."""
    numbers = _numbers(plan)
    files = numbers.shards_of(records) * num_findings_files(plan) // max(1, numbers.num_shards)
    for file in np.unique(files).tolist():
        places = np.flatnonzero(files == file)
        yield file, pairs[places], places.tolist()


def _describe(record: Any, name: _Name, numbers: RecordNumbers) -> dict[str, Any]:
    shard = numbers.shard(int(numbers.shards_of(record)))
    where = {"split": shard.split, "shard": str(shard), "index": int(numbers.indices_of(record))}
    said: dict[str, Any] = {"source": name.source} if name.source is not None else {}
    return {**where, "key": name.key} | said | ({"labels": name.labels} if name.labels else {})


class FindDuplicates(beam.PTransform):
    """Finds the twins of a dataset, and writes them to the state folder for publishing.

    Takes the ``ShardResult`` of each shard, those with an index.

    Args:
        plan: the one ``Plan``.
        search: finds them.
    """

    def __init__(self, plan: beam.PCollection[Plan], search: DuplicateSearch):
        super().__init__()
        self._plan, self._search = plan, search

    def expand(self, results: beam.PCollection[ShardResult]) -> beam.PCollection[None]:
        """Wires ``DuplicateSearch``."""
        plan = beam.pvalue.AsSingleton(self._plan)
        divided = results | "ReadHashes" >> beam.ParDo(
            _DivideFn(self._search), plan
        ).with_output_types(tuple[Bucket, bytes]).with_outputs("counts", main="blocks")
        searched = (
            divided.blocks
            | "GroupByBucket" >> beam.GroupByKey()
            | "SearchBucket"
            >> beam.ParDo(_SearchFn(self._search), plan)
            .with_output_types(tuple[int, tuple[int, bytes]])
            .with_outputs("counts", main="pairs")
        )
        named = (
            searched.pairs
            | "GroupByRecord" >> beam.GroupByKey()
            | "NameRecords" >> beam.ParDo(_NameFn(self._search), plan)
        )
        # Every file is written, an empty one too, so that none of an earlier attempt is taken for this one's.
        every = self._plan | "EveryFile" >> beam.FlatMap(_every_file).with_output_types(
            tuple[int, Findings]
        )
        return (
            (named, divided.counts, searched.counts, every)
            | "AllFindings" >> beam.Flatten()
            | "GroupByTwin" >> beam.GroupByKey()
            | "WriteFile" >> beam.ParDo(_WriteFn(self._search), plan).with_output_types(None)
        )


def _every_file(plan: Plan) -> Iterator[tuple[int, Findings]]:
    for number in range(num_findings_files(plan)):
        yield number, Findings()


class _DivideFn(beam.DoFn):
    def __init__(self, search: DuplicateSearch):
        self._search = search

    def process(self, result: ShardResult, plan: Plan) -> Iterator[Any]:
        for found in self._search.divide(result, plan):
            yield _tag_counts(found)


class _SearchFn(beam.DoFn):
    def __init__(self, search: DuplicateSearch):
        self._search = search

    def process(self, element: tuple[Bucket, Iterable[bytes]], plan: Plan) -> Iterator[Any]:
        for found in self._search.search(*element, plan):
            yield _tag_counts(found)


def _tag_counts(found: Any) -> Any:
    """Counts on their way to the first of the files; anything else as it is."""
    if isinstance(found, Findings):
        return beam.pvalue.TaggedOutput("counts", (0, found))
    return found


class _NameFn(beam.DoFn):
    def __init__(self, search: DuplicateSearch):
        self._search = search

    def process(
        self, element: tuple[int, Iterable[tuple[int, bytes]]], plan: Plan
    ) -> Iterator[tuple[int, Findings]]:
        yield from self._search.name(element[1], plan)


class _WriteFn(beam.DoFn):
    def __init__(self, search: DuplicateSearch):
        self._search = search

    def process(self, element: tuple[int, Iterable[Findings]], plan: Plan) -> None:
        self._search.write(*element, plan)
