import hashlib

import pytest
from pixelbeam.schemas.dataset.checksum import BLANK, fill_checksum, has_right_checksum

TEXT = f'{{"rows": 3, "checksum": "{"0" * 64}"}}\n'.encode()
SEALED = fill_checksum(TEXT)


def test_the_checksum_is_that_of_the_text_with_a_blank():
    assert f'"{BLANK}"'.encode() in TEXT
    digest = hashlib.sha256(TEXT).hexdigest()
    assert f'{{"rows": 3, "checksum": "{digest}"}}\n'.encode() == SEALED
    assert has_right_checksum(SEALED)


def test_only_the_first_blank_is_filled():
    twice = TEXT + TEXT
    filled = fill_checksum(twice)
    digest = hashlib.sha256(twice).hexdigest().encode()
    assert filled == TEXT.replace(b"0" * 64, digest) + TEXT


@pytest.mark.parametrize("at", range(len(SEALED)))
def test_any_flipped_bit_is_found(at):
    flipped = bytearray(SEALED)
    flipped[at] ^= 1
    assert not has_right_checksum(bytes(flipped))


@pytest.mark.parametrize("text", [b"", TEXT, SEALED + SEALED, SEALED[:-1], b'{"checksum": "f00"}'])
def test_a_text_without_one_right_checksum(text):
    assert not has_right_checksum(text)
