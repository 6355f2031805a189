"""What libtiff says of damaged files goes with the file, not to the terminal."""

import ctypes
import io
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as Pillow
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.image import Image
from pixelbeam.schemas.images import tiff_messages
from pixelbeam.schemas.images.tiff_messages import collect_messages, join_messages

FEATURE = Image(source="s", resize="none", encoding="raw")


def damaged(compression: str, mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).convert(mode).save(buffer, "TIFF", compression=compression)
    data = bytearray(buffer.getvalue())
    for at in range(300, 500):
        data[at] ^= 0x5A
    return bytes(data)


def outcome(data: bytes) -> str:
    try:
        return str(FEATURE.encode("x", data).summary.get("decoder_warnings"))
    except Reject as reject:
        return str(reject)


LZW, FAX = damaged("tiff_lzw"), damaged("group4", "1")


def test_messages_go_with_the_reject_and_not_to_the_terminal(capfd):
    assert outcome(LZW) == (
        f"decode: corrupt_image: got {len(LZW)} bytes that cannot be decoded, expected a valid image "
        "(OSError: decoder error -2; tempfile.tif: Using code not yet in table)"
    )
    assert capfd.readouterr().err == ""


def test_damage_that_libtiff_decodes_is_counted_and_rejected_on_request(capfd):
    text = "Fax4Decode: Bad code word at line N of strip N (x N)"
    assert outcome(FAX) == str({text: 1})
    with pytest.raises(Reject) as caught:
        FEATURE.model_copy(update={"strict": True}).encode("x", FAX)
    assert (caught.value.reason, text in caught.value.message) == ("corrupt_image", True)
    assert capfd.readouterr().err == ""


def test_each_thread_has_the_messages_of_its_own_file(capfd):
    files = [LZW, FAX] * 20
    alone = [outcome(LZW), outcome(FAX)] * 20
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(outcome, files)) == alone
    assert capfd.readouterr().err == ""


def test_images_of_others_are_told_of_where_they_ever_were(capfd):
    outcome(LZW)
    with pytest.raises(OSError, match="decoder error"):
        Pillow.open(io.BytesIO(LZW)).load()
    assert "Using code not yet in table" in capfd.readouterr().err


def tell(module: bytes | None, text: bytes) -> None:
    """Tells of an error as libtiff does."""
    no_values = ctypes.create_string_buffer(64)  # a va_list with nothing in it
    tiff_messages._kept[0](module, text, ctypes.addressof(no_values))


def test_the_first_few_messages_are_kept_and_long_ones_cut():
    with collect_messages() as said:
        tell(b"Fax", b"one")
        tell(None, b"two")
        tell(b"", b"x" * 400)
        tell(b"Fax", b"four")
    assert said == ["Fax: one", "two", "x" * 299]
    with collect_messages() as again:
        tell(b"LZW", b"\xff")
    assert (again, len(said)) == (["LZW: \ufffd"], 3)
    assert len(tiff_messages._kept) == 1


def test_messages_are_joined_each_once_and_with_numbers_as_n():
    assert join_messages(["line 1 of 0xff", "line 2 of 0x10", "b2b", "c"]) == "line N of N; b2b"
    assert join_messages(["a", "b", "c", "d"]) == "a; b; c"
    assert join_messages([]) == ""


def test_elsewhere_messages_go_their_own_way(monkeypatch):
    monkeypatch.setattr(tiff_messages, "os", SimpleNamespace(name="nt"))
    assert tiff_messages._set_handler() is None
