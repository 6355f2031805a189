"""How a training job wants its clips: the arguments of ``load`` for them, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from ..schemas import Schema

__all__ = ["MASK", "SAMPLINGS", "ClipOptions", "check_examples", "even_steps"]

SAMPLINGS = ("random", "uniform", "head", "window")
MASK = "mask"
"""What the mask is called among the inputs."""


@dataclass(frozen=True)
class ClipOptions:
    """The arguments of ``load`` that are for clips alone, where they are explained.

    Raises:
        ValueError: one of them has a value that it cannot have, or two do not go together.
    """

    frames: int | None = None
    sampling: str | None = None
    pad_to: int | str | None = None
    buckets: Sequence[int] | None = None
    mask: bool = False

    def __post_init__(self) -> None:
        _check_count("frames", self.frames)
        if self.pad_to != "longest":
            _check_count("pad_to", self.pad_to, " or 'longest'")
        if self.sampling is not None and self.sampling not in SAMPLINGS:
            expected = ", ".join(map(repr, SAMPLINGS))
            raise ValueError(f"sampling: got {self.sampling!r}, expected one of {expected}")
        if self.frames is None and self.sampling is not None:
            raise ValueError(f"sampling: got {self.sampling!r} without frames, expected both")
        if self.frames is not None and self.pad_to is not None:
            raise ValueError(f"pad_to: got {self.pad_to!r} beside frames, expected one of the two")
        if self.mask and self.frames is None and self.pad_to is None:
            raise ValueError(
                "mask: got True for ragged batches, expected frames or pad_to beside it"
            )
        self._check_buckets()

    def check(self, schema: Schema, batch_size: int | None) -> None:
        """Checks that the options fit a dataset of clips.

        Raises:
            ValueError: they do not.
        """
        if self == ClipOptions():
            return
        if (self.frames or self.mask or self.buckets) and not even_steps(schema):
            raise ValueError(
                "frames: every step feature of the dataset is ragged, expected one that is not"
            )
        if self.mask and MASK in schema.features:
            raise ValueError(f"mask: the dataset has a feature {MASK!r} already")
        if self.buckets and batch_size is None:
            raise ValueError("buckets: got them without a batch_size, expected both")

    @property
    def is_dense(self) -> bool:
        """Whether steps come as dense tensors rather than ragged ones."""
        return self.frames is not None or self.pad_to is not None

    @property
    def length(self) -> int | None:
        """The steps of a dense batch, where it is known."""
        return self.frames or (self.pad_to if isinstance(self.pad_to, int) else None)

    def _check_buckets(self) -> None:
        if self.buckets is None:
            return
        bounds = list(self.buckets)
        if not bounds or sorted(set(bounds)) != bounds or bounds[0] < 1:
            raise ValueError(
                f"buckets: got {bounds}, expected rising numbers of steps, such as [16, 64]"
            )


def check_examples(schema: Schema, options: object) -> None:
    """Checks that no option for clips is given for a dataset of examples.

    To be called before they are looked at more closely: what is said then is of use for clips alone.

    Args:
        schema: the dataset's.
        options: has the attributes of ``ClipOptions``.

    Raises:
        ValueError: one is given.
    """
    if schema.record == "sequence_example":
        return
    for field in fields(ClipOptions):
        if getattr(options, field.name) != field.default:
            raise ValueError(
                f"{field.name}: got it for a dataset of examples, expected one of clips"
            )


def even_steps(schema: Schema) -> list[str]:
    """The step features of which every clip has as many values as of the others."""
    return [name for name, feature in schema.steps.items() if not feature.ragged]


def _check_count(name: str, value: object, also: str = "") -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(f"{name}: got {value!r}, expected an integer of at least 1{also}")
