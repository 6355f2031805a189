"""What a dataset is: the declared features, what is derived from them, the on-disk contract."""

from .dataset.info import DatasetInfo
from .description.tensorflow_module import write_description
from .errors import PixelbeamError
from .features.base import Feature
from .features.boxes import Boxes
from .features.class_labels import ClassLabel, ClassLabels
from .features.image import Image
from .features.image_fact import ImageFact
from .features.keypoints import Keypoints
from .features.masks import Mask, Masks
from .features.numeric import Float32, Int64
from .features.polygons import Polygons
from .features.text import Bytes, String
from .schema import Schema
from .schema_files import load_schema, preset_names

__all__ = [
    "Boxes",
    "Bytes",
    "ClassLabel",
    "ClassLabels",
    "DatasetInfo",
    "Feature",
    "Float32",
    "Image",
    "ImageFact",
    "Int64",
    "Keypoints",
    "Mask",
    "Masks",
    "PixelbeamError",
    "Polygons",
    "Schema",
    "String",
    "load_schema",
    "preset_names",
    "write_description",
]
