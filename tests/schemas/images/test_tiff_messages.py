"""What libtiff says of damaged files goes with the file, not to the terminal."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image as Pillow
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.image import Image

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
