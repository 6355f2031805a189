"""Files that are cut off behind the pixels of their first image."""

import io

import pytest
from PIL import Image
from pixelbeam.schemas.images.file_ends import missing_end
from pixelbeam.schemas.images.files import decode, open_frame, open_image

PNG, GIF = "the file ends without IEND", "the file ends without a trailer"


def save(format_, *, frames=1, colours=16, **settings):
    images = []
    for frame in range(frames):
        image = Image.linear_gradient("L").resize((20, 16)).rotate(90 * frame).quantize(colours)
        images.append(image)
    file = io.BytesIO()
    more = {"save_all": True, "append_images": images[1:]} if frames > 1 else {}
    images[0].save(file, format_, **more, **settings)
    return file.getvalue()


@pytest.mark.parametrize("frames", [1, 3])
def test_a_png_ends_with_its_last_chunk(frames):
    data = save("PNG", frames=frames)
    assert missing_end("PNG", data) == ""
    assert missing_end("PNG", data + b"and more") == ""
    for cut in (1, 4, 12):
        assert missing_end("PNG", data[:-cut]) == PNG


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("colours", [2, 16, 256])
def test_a_gif_ends_with_its_trailer(frames, colours):
    data = save("GIF", frames=frames, colours=colours, comment=b"a comment; and , and !")
    assert missing_end("GIF", data) == ""
    assert missing_end("GIF", data + b"and more") == ""
    # Between blocks, some encoders leave bytes that mean nothing.
    assert missing_end("GIF", data[:-1] + b"\0\0;") == ""
    for length in range(len(data)):
        assert missing_end("GIF", data[:length]) == GIF, length


def test_colour_tables_are_passed_over():
    """A trailer's byte in one is none; bits 0 to 2 of the flags say how long it is, bit 7 that it is there."""
    head, size, rest = b"GIF89a", b"\1\0\1\0", b"\0\0"
    image, pixels = b",\0\0\0\0\1\0\1\0", b"\2\2D\1\0"
    whole = head + size + b"\x80" + rest + b";" * 6 + image + b"\x82" + b";" * 24 + pixels
    assert missing_end("GIF", whole) == GIF
    assert missing_end("GIF", whole + b";") == ""
    without = head + size + b"\x07" + rest + image + b"\x07" + pixels
    assert missing_end("GIF", without) == GIF
    assert missing_end("GIF", without + b";") == ""


@pytest.mark.parametrize("format_", ["WEBP", "JPEG", None])
def test_other_formats_are_not_looked_at(format_):
    assert missing_end(format_, b"RIFF") == ""


@pytest.mark.parametrize(("format_", "said"), [("PNG", PNG), ("GIF", GIF)])
def test_an_image_that_is_all_there_is_decoded_with_a_warning(format_, said):
    data = save(format_)
    whole, cut = (open_image(some, 10**6) for some in (data, data[:-1]))
    assert (whole.warning, cut.warning) == ("", said)
    decoded = decode(cut, None, False)
    assert decoded.warning == said
    assert decoded.image.tobytes() == decode(whole, None, False).image.tobytes()


def test_the_first_frame_of_an_animation_tells_of_those_that_may_be_lost():
    data = save("GIF", frames=3)
    second = data.index(b"\x21\xf9", data.index(b"\x21\xf9") + 1)
    cut = open_image(data[:second], 10**6)
    assert open_frame(cut, 0, 10**6).warning == GIF
    assert open_frame(open_image(data[:-1], 10**6), 1, 10**6).warning == ""
    assert open_frame(open_image(data, 10**6), 0, 10**6).warning == ""
