"""Every format and packing, what they declare, and pyarrow's CSV reader against ours."""

import bz2
import datetime
import gzip
import io
import json
import lzma
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backprop.tabular.preprocessing import Preprocessing
from backprop.tabular.reading import fast, sources
from backprop.tabular.tables import Arrays, TableError, Words, read

CSV = b"size,colour\n1.5,red\n-2e3,\n4,blue\n"
TABLE = {"size": [1.5, -2000.0, 4.0], "colour": ["red", None, "blue"]}


@pytest.fixture
def write(tmp_path):
    def to(content, name):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return to


def columns(path, **options):
    table = read(path, **options)
    return {
        name: [None if value != value else value for value in table.column(name).tolist()]
        for name in table.names
    }


def complaint(path):
    with pytest.raises(TableError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return file.getvalue()


PACKINGS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": lambda data: zipped(table_csv=data),
}


# ---- packed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", PACKINGS)
def test_packed_files(write, ending):
    packed = PACKINGS[ending](CSV)
    assert columns(write(packed, f"t.csv{ending}")) == TABLE
    for cut in range(1, len(packed) - 8, 7):
        assert f"t.csv{ending}" in complaint(write(packed[:cut], f"t.csv{ending}"))
    assert complaint(write(b"junk" * 9, f"t.csv{ending}"))


def test_packed_lines(write):
    assert columns(write(gzip.compress(b'{"a": 1}\n{"a": 2}\n'), "t.jsonl.gz")) == {"a": [1, 2]}


def test_a_zip_of_one_file(write):
    assert columns(write(zipped(t_csv=CSV), "anything.zip")) == TABLE
    macos = {"t_csv": CSV, "__MACOSX/t_csv": b"x"}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in macos.items():
            archive.writestr(name.replace("t_", "t."), content)
    assert columns(write(file.getvalue(), "m.zip")) == TABLE
    assert "holds 2 files, expected one" in complaint(write(zipped(a_csv=CSV, b_csv=CSV), "t.zip"))
    assert "holds 0 files" in complaint(write(zipped(), "t.zip"))


def test_every_bit_of_a_zip(write):
    """Wrong once each: there is a table, or one line says what is the matter."""
    packed = bytearray(zipped(t_csv=CSV))
    for place in range(8 * len(packed)):
        packed[place // 8] ^= 1 << place % 8
        path = write(packed, "t.csv.zip")
        packed[place // 8] ^= 1 << place % 8
        try:
            read(path)
        except TableError as error:
            assert "\n" not in str(error)  # noqa: PT017  (some of these load)


def test_archives_that_need_a_newer_zip(write):
    """The version that is needed to unpack stands six bytes into the directory's entry."""
    for name, archive in (("t.csv.zip", zipped(t_csv=CSV)), ("t.npz", zipped(X=b""))):
        damaged = bytearray(archive)
        damaged[damaged.index(b"PK\x01\x02") + 6] = 99
        assert "or a damaged one" in complaint(write(damaged, name))
    stdin = SimpleNamespace(buffer=io.BytesIO(damaged))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", stdin)
        assert complaint("-") == "standard input is a damaged .zip file"


def test_what_a_file_declares_is_compared_with_memory(write, monkeypatch):
    rows = b"a,b\n" + b"1,2\n" * 100_000
    paths = [write(pack(rows), f"t.csv{ending}") for ending, pack in PACKINGS.items()]
    monkeypatch.setattr(sources, "free_memory", lambda: 200_000)
    monkeypatch.setattr(sources, "BOMB_BYTES", 1 << 20)
    for path in paths:
        assert "expected at most the 200 kB of memory that are free" in complaint(path)
    monkeypatch.setattr(sources, "free_memory", lambda: None)
    monkeypatch.setattr(sources, "BOMB_BYTES", 1 << 10)
    for path in paths:
        assert "over 200 times its size" in complaint(path)


def test_a_bomb_is_refused_before_it_is_unpacked(write, monkeypatch):
    path = write(zipped(t_csv=b"a,b\n" + b"1,2\n" * 100_000), "t.zip")
    monkeypatch.setattr(sources, "free_memory", lambda: 200_000)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    assert "expected at most" in complaint(path)


def test_an_npz_that_declares_too_much(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "t.npz", X=np.zeros((1000, 100)), y=np.zeros(1000))
    monkeypatch.setattr(sources, "free_memory", lambda: 200_000)
    assert "unpacks to 808 kB" in complaint(tmp_path / "t.npz")


def test_a_packed_file_that_may_not_be_read(write, monkeypatch):
    path = write(gzip.compress(CSV), "t.csv.gz")

    def refused(*given, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refused)
    with pytest.raises(TableError, match=r"t\.csv\.gz cannot be read: Permission denied"):
        read(path)


# ---- standard input, progress ------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [CSV, *(pack(CSV) for pack in PACKINGS.values()), b'{"size": 1.5, "colour": "red"}\n'],
)
def test_standard_input(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    found = columns("-")
    assert {name: values[:1] for name, values in found.items()} == {
        "size": [1.5],
        "colour": ["red"],
    }


def test_standard_input_of_arrays_and_of_nothing(monkeypatch):
    file = io.BytesIO()
    np.savez(file, X=np.eye(3), y=[1, 2, 3])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(file.getvalue())))
    assert isinstance(read("-"), Arrays)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
    assert complaint("-") == "standard input is empty"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a,b\n1\n")))
    assert complaint("-").startswith("standard input, line 2: 1 value")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.xz"])
def test_progress_ends_at_the_whole(write, name):
    rows = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(200_000))
    ending = name.removeprefix("t.csv")
    path, calls = write(PACKINGS[ending](rows) if ending else rows, name), []
    read(path, progress=lambda done, total: calls.append((done, total)))
    assert {total for _, total in calls} == {path.stat().st_size}
    assert calls[-1][0] == path.stat().st_size
    assert len(calls) > 1


# ---- numpy's, JSON's, spreadsheets, Arrow's -----------------------------------------------------


def test_npy(tmp_path):
    def saved(values):
        np.save(tmp_path / "t.npy", values)
        return tmp_path / "t.npy"

    assert columns(saved(np.arange(6).reshape(3, 2))) == {
        "column1": [0, 2, 4],
        "column2": [1, 3, 5],
    }
    assert columns(saved(np.arange(3.0))) == {"column1": [0, 1, 2]}
    records = np.array([(1, "x"), (2, "y")], [("n", "i4"), ("word", "U1")])
    assert columns(saved(records)) == {"n": [1, 2], "word": ["x", "y"]}
    images = read(saved(np.zeros((3, 4, 5), np.uint8)))
    assert images.sample_shape == (4, 5)
    assert images.X.dtype == np.uint8
    assert "has no rows" in complaint(saved(np.empty((0, 2))))
    assert "complex" in complaint(saved(np.ones((2, 2), complex)))
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{}, 1], object), allow_pickle=True)
    assert "Python objects" in complaint(path)
    path.write_bytes(saved(np.arange(100.0)).read_bytes()[:-8])
    assert "792 bytes where its header says 800" in complaint(path)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (True, 3), }",
        "{'descr': ('a',), 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (10**15,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-3,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
        "junk",
    ],
)
def test_a_header_that_lies(write, header):
    content = (
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + b"\0" * 24
    )
    for name, data in (("t.npy", content), ("t.npz", zipped(X_npy=content))):
        message = complaint(write(data, name))
        assert "damaged" in message or "objects" in message
    assert "'X' is damaged" in complaint(write(zipped(X=b"no array"), "t.npz"))


def test_lines_of_json(write):
    rows = [
        {"n": 1, "word": "00007", "yes": True, "price": "$1,234.50"},
        {"word": "x", "yes": None, "mixed": 3, "price": "$7", "list": [1]},
        {"n": None, "word": None, "mixed": "3a", "n2": 10**400},
    ]
    path = write("\n\n".join(map(json.dumps, rows)).encode(), "t.jsonl")
    assert columns(path) == {
        "n": [1, None, None],
        "word": ["00007", "x", None],
        "yes": ["True", None, None],
        "price": [1234.5, 7, None],
        "mixed": [None, "3", "3a"],
        "n2": [None, None, np.inf],
    }
    table = read(path)
    assert table.notes[1] == "column 'list' left out: list is neither numbers nor text"
    assert table.written == {"price": "."}
    assert columns(path, text=["price"])["price"] == ["$1,234.50", "$7", None]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": 1}\n{"a": }\n', "line 2 is not JSON"),
        (b"[1]\n", "line 1: expected an object"),
        (b'{"a": 1, "a": 2}\n', "line 1 is not JSON: a key occurs twice"),
        (b"\n\n", "has no rows"),
        (b'{"a": [1]}\n', "no column of numbers or text"),
        (b'{"a": "\xff"}\n', "line 1 is not JSON"),
    ],
)
def test_lines_that_are_no_table(write, content, words):
    assert words in complaint(write(content, "t.jsonl"))


@pytest.mark.parametrize(("ending", "package"), [(".xlsx", "openpyxl"), (".ods", "odf")])
def test_spreadsheets(tmp_path, monkeypatch, ending, package):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    pytest.importorskip(package, reason=f"{package} is not installed")
    frame = pandas.DataFrame(
        {
            "n": [1, None, 2.5],
            "word": ["00007", "x", None],
            "when": [datetime.datetime(2020, 1, 2), datetime.datetime(2021, 3, 4, 5), None],
            "price": ["$1,234", "$7", "$8"],
        }
    )
    path = tmp_path / f"t{ending}"
    with pandas.ExcelWriter(str(path)) as book:
        frame.to_excel(book, sheet_name="one", index=False)
        frame.to_excel(book, sheet_name="two", index=False)
    found = columns(path)
    assert found.pop("when")[:2] == frame["when"].tolist()[:2]
    assert found == {"n": [1, None, 2.5], "word": ["00007", "x", None], "price": [1234, 7, 8]}
    assert read(path).notes[0] == "the first of 2 sheets"
    path.write_bytes(path.read_bytes()[:1000])
    assert f"not an {ending} file, or a damaged one" in complaint(path)
    pandas.DataFrame({"n": []}).to_excel(str(tmp_path / f"none{ending}"), index=False)
    assert "no rows under a row of names" in complaint(tmp_path / f"none{ending}")
    frame.to_excel(str(path), index=False)
    monkeypatch.setitem(sys.modules, package, None)
    assert f"needs pandas and {'odfpy' if package == 'odf' else package}" in complaint(path)


def test_columns_that_are_neither_numbers_nor_text(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path, lists = tmp_path / "t.parquet", pyarrow.array([[1], [2, 3]])
    parquet.write_table(pyarrow.table({"a": [1, 2], "b": lists}), path)
    table = read(path)
    assert table.names == ("a",)
    assert table.notes == ("column 'b' left out: list<element: int64> is neither numbers nor text",)
    parquet.write_table(pyarrow.table({"b": lists}), path)
    assert "t.parquet has no column of numbers or text" in complaint(path)
    parquet.write_table(pyarrow.table({"a": pyarrow.array([], "int64")}), path)
    assert "t.parquet has no rows" in complaint(path)


def test_numbers_in_a_dictionary(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    feather = pytest.importorskip("pyarrow.feather")
    numbers = pyarrow.array([1.5, None, 1.5]).dictionary_encode()
    feather.write_feather(pyarrow.table({"a": numbers}), tmp_path / "t.feather")
    assert columns(tmp_path / "t.feather") == {"a": [1.5, None, 1.5]}


@pytest.mark.parametrize("ending", ["arrow", "parquet"])
def test_text_that_is_none(tmp_path, ending):
    """Neither pyarrow's reader nor its columns look whether strings are UTF-8."""
    pyarrow = pytest.importorskip("pyarrow")
    feather, parquet = (pytest.importorskip(f"pyarrow.{name}") for name in ("feather", "parquet"))
    table, path = pyarrow.table({"a": ["hello", "there"]}), tmp_path / f"t.{ending}"
    if ending == "arrow":
        feather.write_feather(table, path, "uncompressed")
    else:
        parquet.write_table(table, path, compression="none", use_dictionary=False)
    path.write_bytes(path.read_bytes().replace(b"hello", b"\xc0ello"))
    assert "or a damaged one: " in complaint(path)


@pytest.mark.parametrize("ending", ["arrow", "parquet"])
def test_a_column_whose_name_is_no_text(tmp_path, ending):
    pyarrow = pytest.importorskip("pyarrow")
    feather, parquet = (pytest.importorskip(f"pyarrow.{name}") for name in ("feather", "parquet"))
    table, path = pyarrow.table({"hello": [1, 2]}), tmp_path / f"t.{ending}"
    if ending == "arrow":
        feather.write_feather(table, path, "uncompressed")
    else:
        parquet.write_table(table, path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"hello", b"hell\xe1"))
    assert "or a damaged one: " in complaint(path)


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_feather_and_arrow(tmp_path, monkeypatch, compression):
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.feather

    table = arrow.table(TABLE)
    for name in ("t.feather", "t.arrow"):
        pyarrow.feather.write_feather(table, tmp_path / name, compression)
        assert columns(tmp_path / name) == TABLE
    large = arrow.table({"a": np.zeros(100_000)})
    pyarrow.feather.write_feather(large, tmp_path / "large.feather", compression)
    monkeypatch.setattr(sources, "free_memory", lambda: 200_000)
    assert "of memory that are free" in complaint(tmp_path / "large.feather")
    (tmp_path / "junk.arrow").write_bytes(b"junk")
    assert "not an Arrow or Feather file" in complaint(tmp_path / "junk.arrow")


# ---- pyarrow's CSV reader against ours ----------------------------------------------------------

pyarrow = pytest.importorskip("pyarrow.csv", reason="pyarrow is not installed")


def outcome(path, fewest_bytes, text=()):
    """All that a reading gives, or the message of its error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "FEWEST_BYTES", fewest_bytes)
        patch.setattr(fast, "_BYTES_PER_PIECE", 16)
        try:
            table = read(path, text)
        except TableError as error:
            return str(error)
    kinds = [type(column) is Words for column in table.columns]
    values = [[None if v != v else v for v in table.column(n).tolist()] for n in table.names]
    return table.names, kinds, values, table.notes, table.written


plain_cells = st.one_of(
    st.floats(-1e6, 1e6).map(repr),
    st.integers(-99, 99).map(str),
    st.sampled_from(["", "NA", "nan", "None", "-", "inf", "1e5", "+3", "007", " 4", "5 ", "1_0"]),
)
QUOTED = ['"1,234"', '"x, y"', '"say ""hi"""', 'a"b', '"a"b', '""', '"""', '"\n"', '""x', ' "q"']
WORDS = [
    "$5",
    "1,5",
    "2.5",
    " x",
    "#",
    "#1",
    "red",
    "2020-01-02",
    "ü",
    "a\tb",
    "1;2",
    "\r",
    "1.234,5",
]
any_cells = st.one_of(plain_cells, st.sampled_from(QUOTED), st.sampled_from(WORDS))
STRANGE_LINES = ["", "  ", "# so", "#1,2", "1,2,3,4,5"]


@st.composite
def files(draw):
    width = draw(st.integers(1, 4))
    delimiter = draw(st.sampled_from(",;\t|"))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    kinds = draw(
        st.lists(st.sampled_from([plain_cells, any_cells]), min_size=width, max_size=width)
    )
    rows = draw(st.lists(st.tuples(*kinds), max_size=12))
    lines = [delimiter.join(f"n{i}" for i in range(width)), *map(delimiter.join, rows)]
    for line in draw(
        st.lists(st.sampled_from(["", "  ", "# so", "#1,2", "1,2,3,4,5"]), max_size=1)
    ):
        lines.insert(draw(st.integers(0, len(lines))), line)
    return end.join(lines) + draw(st.sampled_from(["", end]))


@given(files(), st.booleans())
@example('a,b\n1,"x\ny"\n2,z\n', False)
@example('a,b\n1,""x\n2,z\n', False)
@example('a,b\n1,"a"""x\n2,z\n', False)
@example("\ufeff1,2\n3,4\n", False)
@example("a;b\n1,5;x\n1.234;y\n", False)
def test_pyarrow_reads_what_we_read(tmp_path_factory, content, as_text):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_text(content, encoding="utf-8", newline="")
    text = ["n0"] if as_text else []
    assert outcome(path, 0, text) == outcome(path, sys.maxsize, text)


def test_pyarrow_reads_it_at_all(write, monkeypatch):
    """Of each of these files, so that the comparison above compares something."""
    monkeypatch.setattr(fast, "FEWEST_BYTES", 0)
    for content in (
        CSV,
        b'a,b\r\n1,"x, ""y"""\r\n',
        b'a,b\n1,"x\ny"\n',
        b"a,b\n1,x\n# so\n$2,y\n",
        b"a,b\n" + b"1,2\n" * 300 + b"x,2\n",
    ):
        found = fast.read_fast(sources.Source(write(content, "t.csv")), frozenset())
        assert found is not None
    latin = "a,b\n1,é\n".encode("latin-1")
    assert columns(write(latin, "t.csv")) == {"a": [1], "b": ["é"]}


def test_without_pyarrow_and_for_small_files(write, monkeypatch):
    path = write(CSV, "t.csv")
    assert fast.read_fast(sources.Source(path), frozenset()) is None
    monkeypatch.setattr(fast, "FEWEST_BYTES", 0)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert columns(path) == TABLE


def test_a_large_file_is_prepared_alike(write, monkeypatch):
    rng = np.random.default_rng(0)
    rows = zip(rng.normal(size=30_000), rng.integers(0, 600, 30_000), strict=True)
    content = "x,shop,y\n" + "".join(f"{x:.17g},shop {i},{x * i:.6f}\n" for x, i in rows)
    path = write(content.encode(), "t.csv")
    inputs = []
    for fewest in (0, sys.maxsize):
        monkeypatch.setattr(fast, "FEWEST_BYTES", fewest)
        inputs.append(Preprocessing().fit_transform(read(path), "y"))
    np.testing.assert_array_equal(*inputs)
