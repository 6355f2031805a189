"""Features that belong to others: in which order they are encoded, and what is wrong with ``of``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .features.base import Feature, SettingError

__all__ = ["encoding_order", "owner_faults", "settle_owned"]


def encoding_order(features: Mapping[str, Feature]) -> tuple[str, ...]:
    """The names of a part's features, each after the one that it is ``of``, else as they are declared."""
    ordered: dict[str, None] = {}
    for name in features:
        for each in reversed(_owners(name, features)):
            ordered.setdefault(each)
    return tuple(ordered)


def settle_owned(
    features: Mapping[str, Feature], places: Mapping[str, str]
) -> tuple[dict[str, Feature], list[str]]:
    """Features of a part, with what follows from those that they are of; and what contradicts it.

    Args:
        features: all of that part, by name.
        places: where each is declared.
    """
    settled, faults = dict(features), []
    for name, feature in features.items():
        root = features[_owners(name, features)[-1]]
        if root is feature or root.owner is not None:
            continue
        try:
            settled[name] = feature.settle(root)
        except SettingError as error:
            faults.append(f"{places[name]}.{error}")
    return settled, faults


def owner_faults(part: str, features: Mapping[str, Feature]) -> Iterable[str]:
    """What is wrong with what features are ``of``, one message a fault, each with its place.

    Args:
        part: ``features``, ``context`` or ``steps``.
        features: all of that part, by name.
    """
    for name, feature in features.items():
        if feature.owner is None:
            continue
        place, got = f"{part}.{name}.of", f"got {feature.owner!r}"
        able = [n for n, other in features.items() if n != name and _can_own(other, feature)]
        owner = features.get(feature.owner)
        if owner is None or feature.owner not in able:
            expected = f"one of {', '.join(able)}" if able else f"another: there is none in {part}"
            yield f"{place}: {got}, expected {expected}"
        elif features[_owners(name, features)[-1]].owner == name:
            yield f"{place}: {got}, which is of {name!r} in turn, expected no circle"
        elif feature.ragged or owner.ragged:
            which = name if feature.ragged else feature.owner
            yield f"{place}: {got}, but {which!r} is ragged, so their steps do not belong together"


def _owners(name: str, features: Mapping[str, Feature]) -> list[str]:
    """A feature, the one that it is of, the one that that is of, and so on; of a circle, each once."""
    chain = [name]
    while (owner := features[chain[-1]].owner) in features and owner not in chain:
        chain.append(str(owner))
    return chain


def _can_own(owner: Feature, feature: Feature) -> bool:
    takes, becomes = feature.takes, owner.becomes
    return takes is not None and becomes is not None and issubclass(becomes, takes)
