import pytest
from pixelbeam.transforms.manifests.formats.annotations import voc_xml
from pixelbeam.transforms.manifests.formats.annotations.voc_xml import XmlError, parse_voc

# As 2007_000027.xml of VOC2012, with a second object that has a part less and other numbers.
PERSON = """<annotation>
	<folder>VOC2012</folder>
	<filename>2007_000027.jpg</filename>
	<source><database>The VOC2007 Database</database><image>flickr</image></source>
	<size><width>486</width><height>500</height><depth>3</depth></size>
	<segmented>0</segmented>
	<object>
		<part><name>head</name>
			<bndbox><xmin>209</xmin><ymin>105</ymin><xmax>285</xmax><ymax>196</ymax></bndbox></part>
		<part><name>hand</name>
			<bndbox><xmin>226.5</xmin><ymin>282</ymin><xmax>243</xmax><ymax>299</ymax></bndbox></part>
		<name>person</name>
		<pose>Unspecified</pose>
		<truncated>0</truncated>
		<difficult>1</difficult>
		<bndbox><ymax>351</ymax><xmax>349</xmax><ymin>101</ymin><xmin>174</xmin></bndbox>
	</object>
	<object>
		<name> dog </name>
		<truncated>Unspecified</truncated>
		<bndbox><xmin>1</xmin><ymin>1.5</ymin><xmax>486.0</xmax><ymax>500.25</ymax></bndbox>
	</object>
</annotation>
"""


def test_an_annotation():
    assert parse_voc(PERSON.encode()) == {
        "file_name": "2007_000027.jpg",
        "width": 486,
        "height": 500,
        "depth": 3,
        "segmented": 0,
        # 1 is taken from the left and the top alone.
        "bbox": {
            "boxes": [[173, 100, 349, 351], [0, 0.5, 486, 500.25]],
            "format": "xyxy",
            "normalized": False,
            "size": [486, 500],
        },
        "category": ["person", "dog"],
        "pose": ["Unspecified", None],
        "difficult": [1, None],
        "truncated": [0, None],
        "occluded": [None, None],
        "parts": [
            [
                {"name": "head", "box": [208, 104, 285, 196]},
                {"name": "hand", "box": [225.5, 281, 243, 299]},
            ],
            [],
        ],
    }


@pytest.mark.parametrize(
    "size",
    [
        "",
        "<size/>",
        "<size><width>0</width><height>0</height></size>",
        "<size><width>7</width></size>",
        "<size><width>x</width><height>-3</height></size>",
    ],
)
def test_an_image_whose_size_is_not_known(size):
    found = parse_voc(f"<annotation><filename>a.jpg</filename>{size}</annotation>".encode())
    assert found["bbox"] == {"boxes": [], "format": "xyxy", "normalized": False, "size": None}
    assert found["category"] == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_the_encoding_is_the_files(encoding):
    text = f"<?xml version='1.0' encoding='{encoding}'?><annotation><filename>ä.jpg</filename></annotation>"
    assert parse_voc(text.encode(encoding))["file_name"] == "ä.jpg"


BOX = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>x</xmax><ymax>1</ymax></bndbox>"
BOMB = """<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<annotation><filename>&b;</filename></annotation>"""
OUTSIDE = """<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<annotation><filename>&x;</filename></annotation>"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not readable as XML: no element found: line 1, column 0"),
        (PERSON[:-20], "not readable as XML: unclosed token: line 22, column 1"),
        ("<a>&x;</a>", "not readable as XML: undefined entity: line 1, column 3"),
        ("<?xml version='1.0' encoding='none'?><a/>", "not readable as XML: unknown encoding"),
        ("<svg/>", "got <svg>, expected <annotation>"),
        ("<annotation/>", "has no <filename>"),
        ("<annotation><filename> </filename></annotation>", "has no <filename>"),
        (BOMB, "got a document type (<!DOCTYPE …>), expected none"),
        (OUTSIDE, "got a document type (<!DOCTYPE …>), expected none"),
    ],
)
def test_what_is_no_annotation(text, message):
    with pytest.raises(XmlError) as caught:
        parse_voc(text.encode())
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<name>cat</name>", "object 2: has no <bndbox>"),
        (f"<name>cat</name>{BOX}", "object 2: <xmax>: got 'x', expected a number"),
        ("<name>cat</name><bndbox/>", "object 2: <xmin>: got None, expected a number"),
        (BOX.replace("x<", "1e999<"), "object 2: <xmax>: got '1e999', expected a number"),
        (BOX.replace("x<", "3<"), "object 2: has no <name>"),
        (f"<name>cat</name><part><name>tail</name>{BOX}</part>", "object 2: has no <bndbox>"),
    ],
)
def test_objects_that_are_none(text, message):
    whole = PERSON.replace("<object>\n\t\t<name> dog", f"<object>{text}</object><object><name> dog")
    with pytest.raises(XmlError) as caught:
        parse_voc(whole.encode())
    assert str(caught.value) == message


def test_a_file_that_is_too_large(monkeypatch):
    monkeypatch.setattr(voc_xml, "FILE_BYTES", 10)
    with pytest.raises(XmlError, match="got more than 10 bytes, expected fewer"):
        parse_voc(PERSON.encode())
