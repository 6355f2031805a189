import pytest
from pixelbeam.schemas.columns import check_column
from pixelbeam.schemas.errors import ManifestError


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
    with pytest.raises(ManifestError) as caught:
        check_column("path", columns, "m.csv")
    assert str(caught.value) == f"m.csv: no column 'path'; its columns are: {listed}{hint}"


def test_what_a_column_is_for_is_said():
    check_column("path", ("label", "path"), "m.csv", "for --group_by")
    with pytest.raises(ManifestError) as caught:
        check_column("who", ("label", "path"), "m.csv", "for --group_by")
    assert (
        str(caught.value)
        == "m.csv: no column 'who' for --group_by; its columns are: 'label', 'path'"
    )
