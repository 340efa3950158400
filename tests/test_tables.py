"""Reading files: what is read is what was written, and whatever is wrong is one clear line."""

import csv
import io
import math
from datetime import datetime

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backprop.tabular.tables import Arrays, Table, TableError, label, read
from backprop.tabular.written import MISSING


@pytest.fixture
def write(tmp_path):
    """Write text or bytes to a file and return its path."""

    def to(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return to


@pytest.fixture
def savez(tmp_path):
    """Save arrays to an .npz file and return its path."""

    def to(**arrays):
        path = tmp_path / "arrays.npz"
        np.savez(path, **arrays)
        return path

    return to


def complaint(path, **options):
    """The message of the TableError, which is one line."""
    with pytest.raises(TableError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def columns(path, **options):
    """The columns of a table as lists, NaN as None."""
    table = read(path, **options)
    assert isinstance(table, Table)
    return {
        name: [None if value != value else value for value in table.column(name).tolist()]
        for name in table.names
    }


# ---- CSV -------------------------------------------------------------------------------------


def test_numbers_and_text(write):
    path = write('size,colour\n1.5,red\n-2e3,"dark, blue"\n')
    assert columns(path) == {"size": [1.5, -2000.0], "colour": ["red", "dark, blue"]}


@pytest.mark.parametrize("delimiter", list(",;\t|"))
def test_delimiters(write, delimiter):
    path = write(f"a{delimiter}b{delimiter}c\n1{delimiter}x y{delimiter}\n".encode())
    assert columns(path) == {"a": [1.0], "b": ["x y"], "c": [None]}


def test_byte_order_mark_blank_lines_spaces_and_carriage_returns(write):
    path = write(b'\xef\xbb\xbf"a", b\r\n\r\n1, x \r\n  2,"y"\r\n\r\n')
    assert columns(path) == {"a": [1.0, 2.0], "b": ["x", "y"]}


def test_decimal_commas_between_semicolons(write):
    assert columns(write("a;b;c\n1,5;2.5;x,y\n-2,25;3;z\n")) == {
        "a": [1.5, -2.25],
        "b": [2.5, 3.0],
        "c": ["x,y", "z"],
    }


@pytest.mark.parametrize("word", [*sorted(MISSING), "NA", "NaN", " Null ", "None", "-"])
def test_missing_numbers(write, word):
    assert columns(write(f"a,b\n1,2\n{word},3\n"))["a"] == [1.0, None]


@pytest.mark.parametrize("word", [*sorted(MISSING), "NA", "NaN", "Null"])
def test_missing_text(write, word):
    assert columns(write(f"a,b\nx,2\n{word},3\n"))["a"] == ["x", None]


def test_none_is_a_word_among_words(write):
    assert columns(write("defect,b\nscratch,2\nNone,3\n"))["defect"] == ["scratch", "None"]


def test_underscores_make_text(write):
    assert columns(write("a\n1_000\n2\n"))["a"] == ["1_000", "2"]


def test_quoted_line_breaks_and_quotation_marks(write):
    assert columns(write('a,b\n"x\ny",1\n"say ""hi""",2\n'))["a"] == ["x\ny", 'say "hi"']


def test_unnamed_columns_get_names(write):
    assert list(columns(write('"",b,\n1,2,3\n'))) == ["Unnamed: 0", "b", "Unnamed: 2"]


def test_a_file_without_header(write):
    path = write("1,2\n3,4\n")
    assert columns(path) == {"column1": [1.0, 3.0], "column2": [2.0, 4.0]}
    assert "no header line" in read(path).notes[0]


def test_a_first_line_that_may_be_data_is_pointed_out(write):
    assert (
        "is the first line of the file a header?" in read(write("39,State\n50,Private\n")).notes[0]
    )
    assert read(write("a,b\n50,Private\n")).notes == ()


def test_text_that_begins_after_a_million_numbers_keeps_its_first_values(write, monkeypatch):
    monkeypatch.setattr("backprop.tabular.reading.delimited._CELLS_PER_PIECE", 4)
    rows = "".join(f"0{i},{i}\n" for i in range(9))
    assert columns(write(f"code,n\n{rows}A9,9\n")) == {
        "code": [*(f"0{i}" for i in range(9)), "A9"],
        "n": [float(i) for i in range(10)],
    }


def test_columns_asked_for_as_text(write):
    assert columns(write("a,b\n01,1\n,2\n"), text=["a"]) == {"a": ["01", None], "b": [1.0, 2.0]}


cells = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text(st.characters(exclude_categories=["C"]), max_size=8).map(str.strip),
)


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1)
    ),
    st.sampled_from(",;\t|"),
)
@example([["1,5"], ["2"]], ",")
def test_any_table_comes_back_as_it_was_written(tmp_path_factory, rows, delimiter):
    names = [f"name {i}" for i in range(len(rows[0]))]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([names, *rows])
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    found = read(path, text=names)
    for i, name in enumerate(names):
        wanted = [None if row[i].lower() in MISSING else row[i] for row in rows]
        assert found.column(name).tolist() == wanted


@given(st.lists(st.floats(allow_infinity=False), min_size=1))
def test_floats_come_back_to_the_last_bit(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("csv") / "numbers.csv"
    path.write_text("".join(f"{value!r},x\n" for value in ["n", *values]).replace("'", ""))
    np.testing.assert_array_equal(read(path).column("n"), np.array(values))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["is empty"]),
        ("\n\n \n", ["is empty"]),
        ("a,b\n", ["header line and no rows"]),
        ("a,b\n1,2\n3\n", ["line 3", "1 value", "header has 2"]),
        ("a,b\n1,2\n\n3,4,5\n", ["line 4", "3 values", "header has 2"]),
        ("a,b,a\n1,2,3\n", ["columns 1 and 3", "'a'"]),
        ('a,b\n"1,2\n3,4\n', ["quotation mark", "never closed"]),
        ('a,b\n"1"x,2\n', ["line 2"]),
        ("a,b\n1,2\n".encode("utf-16"), ["UTF-16"]),
    ],
)
def test_a_csv_that_cannot_be_used(write, content, words):
    path = write(content)
    message = complaint(path)
    assert str(path) in message
    for word in words:
        assert word in message


# ---- numbers as people write them ----


@pytest.mark.parametrize(
    ("values", "numbers", "how"),
    [
        (["$1,234.50", "$0.99", "-$3", "n/a"], [1234.5, 0.99, -3, None], "."),
        (["45.3 %", "7%", "-0.5 %"], [45.3, 7, -0.5], "."),
        (["1 234", "12", "1 234 567"], [1234, 12, 1234567], "."),
        (["1\u202f234,5", "12"], [1234.5, 12], ","),
        (["1.234,50 €", "3 €"], [1234.5, 3], ","),
        (["0,5", "1,25"], [0.5, 1.25], ","),
        (["1,234", "2,500"], [1234, 2500], "."),
        (["1'234.5", "(12)", "−3"], [1234.5, -12, -3], "."),
        (["$1e3", "none", "2"], [1000, None, 2], "."),
    ],
)
def test_numbers_as_people_write_them(write, values, numbers, how):
    path = write("a,b\n" + "".join(f'"{value}",x{i}\n' for i, value in enumerate(values)))
    table = read(path)
    assert columns(path)["a"] == numbers
    assert table.written == {"a": how}
    assert table.notes[0].startswith("a: read as numbers, which are written like ")
    assert ("with a decimal comma" in table.notes[0]) == (how == ",")
    assert columns(path, text=["a"])["a"] == [None if v == "n/a" else v for v in values]


@pytest.mark.parametrize(
    "values",
    [
        ["$5", "€5"],
        ["5 %", "0.05"],
        ["1,23,456", "2"],
        ["01 234", "02 345"],
        ["$", "5"],
        ["0,5", "1.5"],
        ["$5", "about 6"],
    ],
)
def test_what_only_looks_like_numbers(write, values):
    path = write("a,b\n" + "".join(f'"{value}",x\n' for value in values))
    assert columns(path)["a"] == values
    assert read(path).notes == ()


def test_the_whole_column_is_looked_at(write, monkeypatch):
    """Two pieces that are plain by themselves; a sign that only the last value has."""
    monkeypatch.setattr("backprop.tabular.reading.delimited._CELLS_PER_PIECE", 2)
    assert columns(write("a;b\n0,5;x\n1.5;y\n"))["a"] == ["0,5", "1.5"]
    assert columns(write("a,b\n" + "7,x\n" * 9 + '"$1,000",y\n'))["a"] == [7.0] * 9 + [1000.0]
    assert columns(write("a,b\n" + "$7,x\n" * 9 + "dear,y\n"))["a"] == ["$7"] * 9 + ["dear"]


def test_a_semicolon_suggests_a_decimal_comma(write):
    assert columns(write("a;b\n1,234 €;x\n"))["a"] == [1.234]
    assert columns(write('a\tb\n"1,234 €"\tx\n'))["a"] == [1234.0]


# ---- comments, other encodings ----


def test_comment_lines(write):
    path = write('# made by "hand", in 2020\n\n# twice\na,b\n1,x\n# a break\n2,y\n#3,z\n')
    assert columns(path) == {"a": ["1", "2", "#3"], "b": ["x", "y", "z"]}
    assert read(path).notes == ("3 comment lines (#) skipped",)


def test_a_header_that_is_marked_as_a_comment(write):
    assert columns(write("# by hand\n# a,b\n1,2\n")) == {"a": [1.0], "b": [2.0]}
    assert columns(write("#,name\n1,x\n2,y\n")) == {"#": [1.0, 2.0], "name": ["x", "y"]}


def test_latin_1_is_read_and_said(write):
    path = write("a,b\n1,caf\xe9\n".encode("latin-1"))
    assert columns(path) == {"a": [1.0], "b": ["café"]}
    assert read(path).notes == ("not UTF-8 (byte 0xe9 in line 2): read as Latin-1",)


def test_zero_bytes_are_no_text(write):
    assert "line 2 has a zero byte" in complaint(write(b"a,b\n1,\xe9\0\n"))


# ---- what is no file at all --------------------------------------------------------------------


def test_a_missing_file_names_the_nearest(write):
    path = write("a\n1\n", "diamonds.csv")
    assert "did you mean" in complaint(path.with_name("diamond.csv"))
    assert "did you mean" not in complaint(path.with_name("zzz.csv"))
    assert "no such file" in complaint(path.parent / "nowhere" / "diamonds.csv")


def test_a_directory(tmp_path):
    assert "is a directory" in complaint(tmp_path)


@pytest.mark.parametrize("name", ["table.xls", "table", "table.csv.rar", "table.npz.gz"])
def test_an_unknown_extension(write, name):
    assert "expected .csv" in complaint(write("a\n1\n", name))


def test_a_column_that_is_not_there_names_the_nearest(write):
    table = read(write("carat,price\n1,2\n"))
    with pytest.raises(TableError, match="no column 'prize'; did you mean 'price'"):
        table.column("prize")
    with pytest.raises(TableError, match="did you mean 'price'"):
        table.column("PRICE")
    with pytest.raises(TableError, match="its columns are: carat, price"):
        table.column("zzz")


# ---- npz ---------------------------------------------------------------------------------------


def test_images_and_their_test_part(savez):
    x = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    found = read(savez(x_train=x, y_train=[0, 1, 0, 1], x_test=x[:1], y_test=[1]))
    assert isinstance(found, Arrays)
    assert found.X.dtype == np.uint8
    assert found.sample_shape == (2, 3)
    np.testing.assert_array_equal(found.X, x.reshape(4, 6))
    np.testing.assert_array_equal(found.y, [0, 1, 0, 1])
    np.testing.assert_array_equal(found.X_test, x[:1].reshape(1, 6))
    np.testing.assert_array_equal(found.y_test, [1])


@pytest.mark.parametrize("names", [("X", "y"), ("x", "y"), ("X_train", "Y_train")])
def test_names_of_arrays(savez, names):
    found = read(savez(**{names[0]: np.eye(3), names[1]: [1, 2, 3]}))
    assert found.X.shape == (3, 3)
    assert found.X_test is None


@pytest.mark.parametrize(
    ("dtype", "found"),
    [(bool, "uint8"), (np.float16, "float32"), (np.longdouble, "float64"), (np.int16, "int16")],
)
def test_dtypes_that_networks_take(savez, dtype, found):
    assert read(savez(x=np.ones((2, 2), dtype), y=[0, 1])).X.dtype == found


@pytest.mark.parametrize(
    "y",
    [
        ["no", "yes", "yes"],
        np.array([b"no", b"yes", b"yes"]),
        np.array([["no"], ["yes"], ["yes"]]),
    ],
)
def test_targets_of_text(savez, y):
    assert read(savez(x=np.eye(3), y=y)).y.tolist() == ["no", "yes", "yes"]


def test_targets_of_booleans_and_one_hot_rows(savez):
    assert read(savez(x=np.eye(2), y=[True, False])).y.tolist() == ["True", "False"]
    assert read(savez(x=np.eye(3), y=np.eye(3)[[2, 0, 1]])).y.tolist() == [2, 0, 1]


def test_an_npz_without_targets_is_for_prediction(savez):
    assert read(savez(x=np.eye(2))).y is None


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": np.eye(2)}, ["images", "expected x_train"]),
        ({"x": np.eye(2), "y": [1, 2, 3]}, ["'y'", "3 values for 2 samples"]),
        ({"x": np.eye(2), "y": np.ones((2, 2))}, ["'y'", "one-hot"]),
        ({"x": np.eye(2), "y": np.float64(1)}, ["'y'", "one value for each sample"]),
        ({"x": np.eye(2), "y": [1j, 2]}, ["'y'", "complex"]),
        ({"x": np.array(["a", "b"]), "y": [1, 2]}, ["'x'", "expected numbers"]),
        ({"x": np.empty((0, 3)), "y": []}, ["'x'", "(0, 3)"]),
        ({"x": np.array([{}, []], object), "y": [1, 2]}, ["'x'", "Python objects"]),
        (
            {"x_train": np.eye(2), "y_train": [0, 1], "x_test": np.eye(3), "y_test": [0, 1, 0]},
            ["x_test has 3 columns", "x_train has 2"],
        ),
    ],
)
def test_an_npz_that_cannot_be_used(savez, arrays, words):
    message = complaint(savez(**arrays))
    for word in words:
        assert word in message


@pytest.mark.parametrize("content", [b"junk", b"PK\x03\x04junk", b"\x93NUMPY\x01\x00"])
def test_a_file_that_only_claims_to_be_an_npz(write, content):
    assert "not an .npz file" in complaint(write(content, "x.npz"))


def test_a_single_array_that_claims_to_be_an_npz(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(2))
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    assert "single array" in complaint(tmp_path / "x.npz")


def test_an_npz_of_the_other_byte_order(savez):
    data = read(savez(X=np.arange(6, dtype=">f4").reshape(3, 2), y=np.arange(3, dtype=">i4")))
    assert data.X.dtype.isnative
    assert data.X.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert data.y.tolist() == [0, 1, 2]


def test_a_damaged_npz(savez):
    path = savez(x=np.arange(1000.0).reshape(500, 2), y=np.zeros(500))
    whole = path.read_bytes()
    for cut in range(0, len(whole), 531):
        path.write_bytes(whole[:cut])
        assert str(path) in complaint(path)
    for place in range(0, len(whole) - 300, 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read(path)  # what is not checked by a sum, such as a date, may change
        except TableError as error:
            assert "\n" not in str(error)  # noqa: PT017


# ---- Parquet -----------------------------------------------------------------------------------


@pytest.fixture
def arrow():
    pytest.importorskip("pyarrow.parquet", reason="reading Parquet needs pyarrow")
    import pyarrow

    return pyarrow


def test_parquet(arrow, tmp_path):
    import pyarrow.parquet

    table = arrow.table(
        {
            "whole": arrow.array([1, 2, None]),
            "real": arrow.array([0.5, math.nan, 2.0], arrow.float32()),
            "word": ["x", None, "NA"],
            "yes": [True, None, False],
            "kind": arrow.array(["u", "v", "u"]).dictionary_encode(),
            "day": np.array(["2020-01-01", "2020-01-02", "2020-01-03"], "datetime64[D]"),
            "list": [[1], [2], [3]],
        }
    )
    path = tmp_path / "table.parquet"
    pyarrow.parquet.write_table(table, path)
    assert columns(path) == {
        "whole": [1.0, 2.0, None],
        "real": [0.5, None, 2.0],
        "word": ["x", None, None],
        "yes": ["True", None, "False"],
        "kind": ["u", "v", "u"],
        "day": [datetime(2020, 1, 1), datetime(2020, 1, 2), datetime(2020, 1, 3)],
    }
    assert columns(path, text=["day"])["day"] == ["2020-01-01", "2020-01-02", "2020-01-03"]
    assert "'list' left out" in read(path).notes[0]
    assert columns(path, text=["whole"])["whole"] == [1.0, 2.0, None]  # by its type


def test_a_damaged_parquet_file(arrow, write):
    assert "not a Parquet file" in complaint(write(b"PAR1 junk", "x.parquet"))


def test_parquet_without_pyarrow(write, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert "pip install pyarrow" in complaint(write(b"PAR1", "x.parquet"))


# ---- labels ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (-0.5, "-0.5"), ("3.0", "3.0"), (1e20, "100000000000000000000")]
)
def test_labels(value, text):
    assert label(value) == text


# ---- real files --------------------------------------------------------------------------------


def test_diamonds(diamonds_csv):
    table = read(diamonds_csv)
    assert table.n_rows == 53_940
    assert table.names[0] == "Unnamed: 0"
    assert table.column("price").sum() == 212_135_217
    assert set(table.column("cut")) == {"Fair", "Good", "Very Good", "Premium", "Ideal"}


def test_mnist(mnist_npz, mnist):
    found = read(mnist_npz)
    assert found.X.shape == (60_000, 784)
    assert found.sample_shape == (28, 28)
    np.testing.assert_array_equal(found.X_test, mnist["x_test"].reshape(10_000, 784))
    np.testing.assert_array_equal(found.y_test, mnist["y_test"])
