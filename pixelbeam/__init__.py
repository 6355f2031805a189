"""Everything that a program uses of pixelbeam, under one name.

::

    import pixelbeam as pb

    pb.build("photos.csv", schema="image_classification", output="out", splits={"train": 0.9, "val": 0.1})
    train = pb.load("out", "train", batch_size=64, shuffle=True)

Reading needs TensorFlow and never Beam, building Beam and never TensorFlow. So each name is imported when it is
first touched; ``import pixelbeam`` itself imports neither. Feature kinds (``pb.Image``, ``pb.ClassLabel``, …) are
found, those of other installed packages too.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # For type checkers, which know a kind that is not named here as Any.
    from .pipeline.calls import build, repair, verify
    from .pipeline.commands.build import Built
    from .pipeline.commands.repair import Repaired
    from .pipeline.commands.verify import Verified
    from .readers import (
        HDF5Dataset,
        HDF5Records,
        Records,
        dataset_info,
        input_fn,
        load,
        steps_per_epoch,
    )
    from .schemas import Boxes as Boxes
    from .schemas import Bytes as Bytes
    from .schemas import ClassLabel as ClassLabel
    from .schemas import ClassLabels as ClassLabels
    from .schemas import DatasetInfo, Feature, Schema, load_schema, preset_names
    from .schemas import Float32 as Float32
    from .schemas import Image as Image
    from .schemas import ImageFact as ImageFact
    from .schemas import Int64 as Int64
    from .schemas import Keypoints as Keypoints
    from .schemas import Mask as Mask
    from .schemas import Masks as Masks
    from .schemas import Polygons as Polygons
    from .schemas import String as String
    from .schemas.errors import (
        BuildError,
        DatasetError,
        ManifestError,
        OptionError,
        OutputError,
        PixelbeamError,
        PluginError,
        SchemaError,
        TooManyRejects,
        UsageError,
    )
    from .transforms.clips.cut_clips import CutClips
    from .transforms.clips.group_clips import GroupClips
    from .transforms.contradictions import FindContradictions
    from .transforms.manifests.join_labels import JoinLabels
    from .transforms.manifests.read_manifest import ReadManifest
    from .transforms.rejects import WriteRejects
    from .transforms.shards.assign_shards import AssignShards
    from .transforms.shards.build_shards import BuildShards
    from .transforms.shards.plan_shards import PlanShards
    from .transforms.splits import AssignSplits

    __version__: str

__all__ = [
    "AssignShards",
    "AssignSplits",
    "BuildError",
    "BuildShards",
    "Built",
    "CutClips",
    "DatasetError",
    "DatasetInfo",
    "Feature",
    "FindContradictions",
    "GroupClips",
    "HDF5Dataset",
    "HDF5Records",
    "JoinLabels",
    "ManifestError",
    "OptionError",
    "OutputError",
    "PixelbeamError",
    "PlanShards",
    "PluginError",
    "ReadManifest",
    "Records",
    "Repaired",
    "Schema",
    "SchemaError",
    "TooManyRejects",
    "UsageError",
    "Verified",
    "WriteRejects",
    "__version__",
    "build",
    "dataset_info",
    "input_fn",
    "load",
    "load_schema",
    "preset_names",
    "repair",
    "steps_per_epoch",
    "verify",
]

# In the root of a checkout this folder hides an installed pixelbeam, whose modules are then found beside it.
__path__ = extend_path(__path__, __name__)

_NAMES_IN = {
    ".pipeline.calls": ("build", "repair", "verify"),
    ".pipeline.commands.build": ("Built",),
    ".pipeline.commands.repair": ("Repaired",),
    ".pipeline.commands.verify": ("Verified",),
    ".readers": (
        "HDF5Dataset",
        "HDF5Records",
        "Records",
        "Records",
        "dataset_info",
        "input_fn",
        "load",
        "steps_per_epoch",
    ),
    ".schemas": ("DatasetInfo", "Feature", "Schema", "load_schema", "preset_names"),
    ".schemas.errors": (
        "BuildError",
        "DatasetError",
        "ManifestError",
        "OptionError",
        "OutputError",
        "PixelbeamError",
        "PluginError",
        "SchemaError",
        "TooManyRejects",
        "UsageError",
    ),
    ".transforms.clips.cut_clips": ("CutClips",),
    ".transforms.clips.group_clips": ("GroupClips",),
    ".transforms.contradictions": ("FindContradictions",),
    ".transforms.manifests.join_labels": ("JoinLabels",),
    ".transforms.manifests.read_manifest": ("ReadManifest",),
    ".transforms.rejects": ("WriteRejects",),
    ".transforms.shards.assign_shards": ("AssignShards",),
    ".transforms.shards.build_shards": ("BuildShards",),
    ".transforms.shards.plan_shards": ("PlanShards",),
    ".transforms.splits": ("AssignSplits",),
}
_MODULES = {name: module for module, names in _NAMES_IN.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("pixelbeam")
    elif name in _MODULES:
        value = getattr(import_module(_MODULES[name], __name__), name)
    elif name[:1].isupper() and name in (kinds := _feature_kinds()):
        value = kinds[name]
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # the next time it is found without this function
    return value


def _feature_kinds() -> dict[str, Any]:
    """The kinds by the names of their classes."""
    features = import_module(".schemas.features", __name__)
    kinds = [*features.feature_kinds().values(), *features.object_kinds().values()]
    return {kind.__name__: kind for kind in kinds}


def __dir__() -> list[str]:
    return sorted({*__all__, *_feature_kinds()})
