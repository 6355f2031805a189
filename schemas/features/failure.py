"""What breaks in a feature kind, of this package or of another one, with the feature's name."""

from __future__ import annotations

from ..plugins import FEATURES, installed_versions
from .base import Feature

__all__ = ["FeatureFailure"]


class FeatureFailure(RuntimeError):
    """A kind has raised what is no ``Reject``: a bug, or a failing machine."""

    @classmethod
    def of(cls, name: str, feature: Feature, error: Exception) -> FeatureFailure:
        """The failure that names the feature, its kind, the package that it is from, and the error."""
        packages = installed_versions(FEATURES, (feature.type,))
        kind = " of ".join(
            [feature.type, *(f"{name} {version}" for name, version in packages.items())]
        )
        return cls(f"feature {name!r} ({kind}): {type(error).__name__}: {error}")
