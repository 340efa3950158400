"""Dates and times: read from text, and taken apart.

Decisions, and why:

A. A column of text is dates when every value that is not missing is one of the same form.
B. "3/4/2020" is March to some and April to others. Another value mostly tells ("13/4/2020"). Where
   none does, the month is first between slashes, as there people mostly write it so, and the day is
   first between points and dashes. The form is learned, so that new files are read alike.
C. What has a time zone is turned to UTC, as Arrow and pandas hold it; the rest is taken as it is.
"""

import re

import numpy as np

PARTS = ("year", "month", "day", "weekday", "hour", "since")
PERIODS = {"month": 12, "day": 31, "weekday": 7, "hour": 24}
_MICROSECONDS = 1e6
_DAY = 86_400 * 10**6

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = (
    "(?P<word>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    "sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<part>\d{1,9}))?)?"
    r"(?: ?(?P<half>[ap])\.?m\.?)?"
)
_REST = rf"(?:(?:[ t]|, ?){_CLOCK}(?: ?(?P<zone>z|utc|gmt|[+-]\d\d:?\d\d))?)?"
_YEAR = r"(?P<year>[12]\d{3})"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? )?"


def _numeric(first, second, marks):
    """As 3/4/2020; two digits are a year between slashes only, or "1.2.10" would be a date."""
    day_and_month = rf"(?P<{first}>\d{{1,2}})(?P<mark>[{marks}])(?P<{second}>\d{{1,2}})(?P=mark)"
    short = r"|(?P<short>\d\d)" if marks == "/" else ""
    return rf"{day_and_month}(?:{_YEAR}{short}){_REST}"


# In the order in which they are tried.
_PATTERNS = {
    "year-month-day": rf"{_YEAR}(?:-(?P<only>\d\d)|(?P<mark>[-/.])(?P<month>\d{{1,2}})(?P=mark)"
    rf"(?P<day>\d{{1,2}}){_REST})",
    "month/day/year": _numeric("month", "day", "/"),
    "day/month/year": _numeric("day", "month", "/"),
    "day.month.year": _numeric("day", "month", "-."),
    "month.day.year": _numeric("month", "day", "-."),
    "day month year": rf"{_WEEKDAY}(?P<day>\d{{1,2}})[ .-]{{1,2}}{_MONTH}\.?[ ,-]{{1,2}}{_YEAR}"
    rf"{_REST}",
    "month day year": rf"{_WEEKDAY}{_MONTH}\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? {_YEAR}{_REST}",
    "time": _CLOCK,
}
FORMS = {form: re.compile(pattern, re.IGNORECASE) for form, pattern in _PATTERNS.items()}
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?")


def dates_in(words, forms=tuple(FORMS)):
    """Different strings as (datetime64, their form), or None where they are not all of one form."""
    if not words or not any(FORMS[form].fullmatch(words[0]) for form in forms):
        return None
    for form in forms:
        found = _dates(words, form)
        if found is not None:
            return found, form
    return None


def first_not_date(words, form):
    """The first of the words that is no date of that form."""
    return next(word for word in words if _dates([word], form) is None)


def _dates(words, form):
    if form == "year-month-day" and all(map(_ISO.fullmatch, words)):
        return _from_iso(words)
    match, texts, shifts = FORMS[form].fullmatch, [], []
    for word in words:
        found = match(word)
        if found is None:
            return None
        text, shift = _iso(found.groupdict())
        texts.append(text)
        shifts.append(shift)
    found = _from_iso(texts)
    return None if found is None else found - np.array(shifts, "m8[m]")


def _from_iso(texts):
    try:
        return np.array(texts, "M8[us]")
    except ValueError:  # such as the 30th of February
        return None


def _iso(found):
    """The ISO form of a match, and the minutes by which its zone is ahead of UTC."""
    get = found.get
    year = get("year") or _long_year(get("short"))
    month = get("only") or get("month")
    if get("word"):
        month = _MONTHS.index(get("word")[:3].lower()) + 1
    text = f"{year}-{int(month or 1):02d}-{int(get('day') or 1):02d}"
    if not get("hour"):
        return text, 0
    hour = int(get("hour"))
    if get("half"):
        if not 1 <= hour <= 12:
            return "no time", 0  # which is refused
        hour = hour % 12 + 12 * (get("half").lower() == "p")
    part = f"{get('part') or '0':.6}"
    return f"{text}T{hour:02d}:{get('minute')}:{get('second') or '00'}.{part}", _shift(get("zone"))


def _long_year(short):
    """As POSIX has it: 69 to 99 are of the last century."""
    return 1970 if short is None else int(short) + (1900 if int(short) >= 69 else 2000)


def _shift(zone):
    if zone is None or zone[0] not in "+-":
        return 0
    minutes = 60 * int(zone[1:3]) + int(zone[-2:])
    return -minutes if zone[0] == "-" else minutes


def seconds(times):
    """Since 1970, as float64; NaN for NaT."""
    times = times.astype("M8[us]")
    found = times.astype(np.int64) / _MICROSECONDS
    return np.where(np.isnat(times), np.nan, found)


def part(name, times):
    """A part of each date, NaN where it is missing: numbers that start at 0, but for years."""
    times = times.astype("M8[us]")
    missing = np.isnat(times)
    moments = np.where(missing, 0, times.astype(np.int64))
    found = moments % _DAY / (_DAY / 24) if name == "hour" else _of_days(name, moments // _DAY)
    return np.where(missing, np.nan, found)


def _of_days(name, days):
    """A part of days since 1970: the calendar is asked once for each where they are many."""
    if len(days) == 0:
        return days
    first, last = days.min(), days.max()
    if last - first < len(days):
        return _of_calendar(name, np.arange(first, last + 1))[days - first]
    return _of_calendar(name, days)


def _of_calendar(name, days):
    if name == "weekday":
        return (days + 3) % 7  # 1970 began on a Thursday
    dates = days.astype("M8[D]")
    if name == "year":
        return dates.astype("M8[Y]").astype(np.int64) + 1970
    months = dates.astype("M8[M]")
    if name == "month":
        return months.astype(np.int64) % 12
    return (dates - months.astype("M8[D]")).astype(np.int64)


def cycle(name, times):
    """(sine, cosine) of a part that comes around again; 0 where it is missing."""
    found, period = part(name, times), PERIODS[name]
    missing = np.isnan(found)
    if name == "hour":
        turns = 2 * np.pi * found / period
        return np.where(missing, 0, np.sin(turns)), np.where(missing, 0, np.cos(turns))
    turns = 2 * np.pi * np.arange(period) / period
    places = np.where(missing, period, found).astype(np.intp)
    return tuple(np.append(wave(turns), 0)[places] for wave in (np.sin, np.cos))
