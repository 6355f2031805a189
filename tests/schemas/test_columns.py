import pytest
from pixelbeam.schemas.columns import list_columns


@pytest.mark.parametrize(
    ("columns", "hint"),
    [
        (("label", "Path"), "; did you mean 'Path'?"),
        ((" path ", "label"), "; did you mean ' path '?"),
        (
            ("path;label",),
            "; it seems to be separated by ';', expected commas in .csv, tabs in .tsv",
        ),
        (
            ("path\tlabel",),
            "; it seems to be separated by tabs, expected commas in .csv, tabs in .tsv",
        ),
        (
            ("path,label",),
            "; it seems to be separated by commas, expected commas in .csv, tabs in .tsv",
        ),
        (("a;b", "label"), ""),
        (("file", "label"), ""),
    ],
)
def test_columns_that_may_be_meant(columns, hint):
    listed = ", ".join(map(repr, columns))
    assert list_columns("path", columns) == f"its columns are: {listed}{hint}"
