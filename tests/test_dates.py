"""Dates and times: every form that is read, and what becomes of them."""

import json

import numpy as np
import pytest

from backprop.tabular.columns import DateColumn
from backprop.tabular.dates import PERIODS, dates_in, part
from backprop.tabular.preprocessing import Preprocessing
from backprop.tabular.tables import Table, TableError, read


@pytest.mark.parametrize(
    ("words", "form", "found"),
    [
        (["2020-03-04"], "year-month-day", ["2020-03-04"]),
        (["2020/3/4", "2020/12/31"], "year-month-day", ["2020-03-04", "2020-12-31"]),
        (["2020-03"], "year-month-day", ["2020-03-01"]),
        (["2020-03-04T05:06"], "year-month-day", ["2020-03-04T05:06"]),
        (["2020-03-04 05:06:07.5", "2020-03-04"], "year-month-day", ["2020-03-04T05:06:07.5"]),
        (["2020-03-04T05:06:07Z"], "year-month-day", ["2020-03-04T05:06:07"]),
        (["2020-03-04T05:06+02:30"], "year-month-day", ["2020-03-04T02:36"]),
        (["3/4/2020"], "month/day/year", ["2020-03-04"]),
        (["3/4/2020", "13/4/2020"], "day/month/year", ["2020-04-03", "2020-04-13"]),
        (["3/4/20 5:06 PM"], "month/day/year", ["2020-03-04T17:06"]),
        (["12/31/99 12:00 am"], "month/day/year", ["1999-12-31"]),
        (["4.3.2020", "31.12.2020 23:59"], "day.month.year", ["2020-03-04", "2020-12-31T23:59"]),
        (["12-31-2020", "03-04-2020"], "month.day.year", ["2020-12-31", "2020-03-04"]),
        (["4 Mar 2020", "31-december-2020"], "day month year", ["2020-03-04", "2020-12-31"]),
        (["Wed, 04 Mar 2020 05:06:07 GMT"], "day month year", ["2020-03-04T05:06:07"]),
        (["March 4, 2020", "Dec 31st, 2020 5 :06"], None, None),
        (["March 4, 2020", "Dec 31st, 2020"], "month day year", ["2020-03-04", "2020-12-31"]),
        (["Dec 31, 2020 5:06 a.m."], "month day year", ["2020-12-31T05:06"]),
        (["05:06", "5:06:07 PM"], "time", ["1970-01-01T05:06", "1970-01-01T17:06:07"]),
        (["2020-02-30"], None, None),
        (["30/2/2020"], None, None),
        (["13:00 pm"], None, None),
        (["2020-03-04", "soon"], None, None),
        (["2020-03-04", "4.3.2020"], None, None),
        (["1.2.10"], None, None),
        (["4711-12"], None, None),
        (["2020"], None, None),
    ],
)
def test_forms(words, form, found):
    if form is None:
        assert dates_in(words) is None
    else:
        times, how = dates_in(words)
        assert how == form
        assert times.tolist()[: len(found)] == np.array(found, "M8[us]").tolist()


def test_parts_are_those_of_the_calendar():
    times = np.arange("1899-12-25", "2101-01-05", 37, dtype="M8[h]")
    for name, of in {
        "year": lambda t: t.year,
        "month": lambda t: t.month - 1,
        "day": lambda t: t.day - 1,
        "weekday": lambda t: t.weekday(),
        "hour": lambda t: t.hour,
    }.items():
        assert part(name, times).tolist() == [of(t) for t in times.tolist()]
    assert np.isnan(part("day", np.array(["NaT"], "M8[s]"))).all()


def table(**columns):
    return Table(tuple(columns), tuple(np.asarray(column) for column in columns.values()))


def text(*values):
    return np.array(values, object)


def y(n):
    return np.arange(n) % 7.5


DAYS = np.arange("2019-11-03T00", "2021-02-01T00", 31, dtype="M8[h]")


def test_a_column_of_dates():
    data = table(when=DAYS, y=y(len(DAYS)))
    found = Preprocessing().fit(data, "y")
    assert found.input_names() == [
        "when: year",
        *(f"when: {p} ({of})" for p in PERIODS for of in ("sine", "cosine")),
        "when: since",
    ]
    X = found.transform(data, dtype=np.float64)
    for column in (0, 9):
        assert abs(X[:, column].mean()) < 1e-12
        assert X[:, column].std() == pytest.approx(1)
    np.testing.assert_allclose(np.diff(X[:, 9]), np.diff(X[:, 9])[0])
    months = np.array([day.month - 1 for day in DAYS.tolist()])
    np.testing.assert_allclose(X[:, 1], np.sin(2 * np.pi * months / 12), atol=1e-12)
    np.testing.assert_allclose(X[:, 2], np.cos(2 * np.pi * months / 12), atol=1e-12)
    hours = np.array([day.hour for day in DAYS.tolist()])
    np.testing.assert_allclose(X[:, 8], np.cos(2 * np.pi * hours / 24), atol=1e-12)
    assert ("dates", "when (year, month, day, weekday, hour, since)") in found.describe()


def test_text_and_types_give_the_same_inputs(tmp_path):
    times = DAYS.astype("M8[s]")
    data = table(when=times, y=y(len(times)))
    words = table(when=text(*(str(t).replace("T", " ") for t in times)), y=y(len(times)))
    found = Preprocessing().fit(words, "y")
    assert found.columns[0].form == "year-month-day"
    np.testing.assert_array_equal(found.transform(words), found.transform(data))
    (tmp_path / "t.csv").write_text(
        "when,y\n" + "".join(f"{t},{v}\n" for t, v in zip(times, y(len(times)), strict=True))
    )
    again = read(tmp_path / "t.csv", found.text_columns())
    np.testing.assert_array_equal(found.transform(again), found.transform(data))


def test_parquet_and_pandas_have_types_for_them(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet

    stamps = [None if i == 3 else int(t) for i, t in enumerate(DAYS.astype("M8[s]").astype(int))]
    columns = {
        "when": arrow.array(stamps, arrow.timestamp("s", "Europe/Berlin")),
        "day": arrow.array(DAYS.astype("M8[D]")),
        "clock": arrow.array([t.time() for t in DAYS.astype("M8[s]").tolist()]),
        "long": arrow.array(np.arange(len(DAYS)) % 5 * 90, arrow.duration("s")),
        "y": y(len(DAYS)),
    }
    pyarrow.parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet")
    assert np.isnat(data.column("when")).tolist() == [i == 3 for i in range(len(DAYS))]
    assert data.column("when")[5] == DAYS[5]
    assert data.column("clock")[5] - np.datetime64("1970-01-01") == DAYS[5] - DAYS[5].astype(
        "M8[D]"
    )
    assert data.column("long")[:6].tolist() == [0, 90, 180, 270, 360, 0]
    names = Preprocessing().fit(data, "y").input_names()
    assert [name for name in names if name.startswith("clock")] == [
        "clock: hour (sine)",
        "clock: hour (cosine)",
        "clock: since",
    ]
    assert "day: hour (sine)" not in names
    assert "when is missing" in names


def test_missing_dates():
    days = np.array(["2020-01-01", "NaT", "2020-01-03", "2020-01-08"], "M8[D]")
    found = Preprocessing().fit(table(when=days, y=y(4)), "y")
    X = found.transform(table(when=days))
    assert X[1].tolist() == [0] * (found.n_inputs - 1) + [1]
    assert X[[0, 2, 3], -1].tolist() == [0, 0, 0]
    whole, notes = Preprocessing().fit(table(when=days[[0, 2, 3]], y=y(3)), "y"), []
    assert not whole.transform(table(when=days[1:2]), notes=notes).any()
    whole.transform(table(when=np.array([np.nan])), notes=notes)  # as a CSV without one has it
    assert notes == ["when: 1 missing value replaced by the mean of the training"] * 2


def test_a_date_far_outside_is_taken_as_just_outside():
    days = np.arange("2020-01-01", "2020-03-01", dtype="M8[D]")
    found, notes = Preprocessing().fit(table(when=days, y=y(60)), "y"), []
    X = found.transform(table(when=np.array(["2020-02-29", "2999-01-01"], "M8[D]")), notes=notes)
    assert X[1, -1] == pytest.approx(X[0, -1] + 1, abs=1e-6)
    assert notes == [
        "when: 1 value is far outside the training's 2020-01-01 to 2020-02-29, "
        "taken as just outside"
    ]


def test_what_is_no_date_is_named():
    found = Preprocessing().fit(table(when=text("3/4/2020", "13/4/2020"), y=y(2)), "y")
    with pytest.raises(
        TableError, match=r"'when' has to be dates such as day/month/year; row 2 has '4/13/2020'"
    ):
        found.transform(table(when=text("3/4/2020", "4/13/2020")))
    with pytest.raises(TableError, match="'when' has to be dates; it has numbers"):
        found.transform(table(when=np.array([2020.0])))
    with pytest.raises(TableError, match="target 'when' has dates"):
        Preprocessing().fit(table(when=DAYS, x=y(len(DAYS))), "when")
    numbers = Preprocessing().fit(table(when=y(9), y=y(9)), "y")
    with pytest.raises(TableError, match="'when' has to be numbers; it has dates"):
        numbers.transform(table(when=DAYS[:9]))


def test_dates_of_no_use():
    found = Preprocessing().fit(
        table(same=DAYS[[0] * 5], none=np.array(["NaT"] * 5, "M8[s]"), x=y(5), y=y(5)), "y"
    )
    assert found.columns[0].reason == "always 2019-11-03T00"
    assert found.columns[1].reason == "no value in the training rows"


def state_of_dates():
    days = np.array(["2020-01-01", "NaT", "2021-02-03"], "M8[D]")
    return Preprocessing().fit(table(when=days, y=y(3)), "y")


def test_what_was_saved_does_the_same():
    found = state_of_dates()
    again = Preprocessing.from_dict(json.loads(json.dumps(found.to_dict())))
    assert isinstance(again.columns[0], DateColumn)
    assert again.columns == found.columns
    assert again.describe() == found.describe()
    days = table(when=np.array(["2020-06-01", "NaT"], "M8[D]"))
    np.testing.assert_array_equal(again.transform(days), found.transform(days))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"form": "year"}, "form='year'"),
        ({"parts": ["day", "year"]}, "parts=.*in their order"),
        ({"parts": ["century"]}, "parts="),
        ({"parts": "year"}, "parts='year'"),
        ({"first": None}, "first=None"),
        ({"year": 3}, "year=3: expected mean, std"),
        ({"since": {"mean": 0.0, "std": 0.0, "lowest": 0.0, "highest": 1.0}}, "std=0"),
        ({"since": {"mean": 0.0, "std": 1.0, "lowest": 2.0, "highest": 1.0}}, "lowest=2.0"),
        ({"since": {"mean": 0.0, "std": 1.0, "lowest": 0.0, "top": 1.0}}, "since="),
    ],
)
def test_a_damaged_column_of_dates(damage, words):
    state = json.loads(json.dumps(state_of_dates().to_dict()))
    state["columns"][0].update(damage)
    with pytest.raises(ValueError, match=f"preprocessing is damaged: {words}"):
        Preprocessing.from_dict(state)
