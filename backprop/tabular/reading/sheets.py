"""Spreadsheets: the first sheet of an `.xlsx` or `.ods` file, by pandas."""

import zipfile

from backprop.tabular.reading.layout import complete_names
from backprop.tabular.reading.objects import table_of
from backprop.tabular.tables import TableError, one_line

_READERS = {".xlsx": ("openpyxl", "openpyxl"), ".ods": ("odfpy", "odf")}  # package, engine


def read_sheet(source, text):
    """The `Table` of a source, whose first row that is not empty has the names."""
    cells, notes = _cells(source)
    rows = [row for row in cells if any(value is not None for value in row)]
    if len(rows) < 2:
        raise TableError(f"{source} has no rows under a row of names")
    names = complete_names(source, ["" if name is None else str(name) for name in rows[0]])
    columns = dict(zip(names, map(list, zip(*rows[1:], strict=True)), strict=True))
    return table_of(source, columns, text, notes)


def _cells(source):
    """The rows of the first sheet, with None for an empty cell, and notes."""
    package, engine = _READERS[source.suffix]
    with source.open() as file:
        try:
            with zipfile.ZipFile(file) as archive:
                source.check_unpacked(sum(member.file_size for member in archive.infolist()))
            file.seek(0)
            import pandas

            with pandas.ExcelFile(file, engine=engine) as book:
                sheet = pandas.read_excel(book, header=None, dtype=object, keep_default_na=False)
                n_sheets = len(book.sheet_names)
        except ImportError as error:
            raise TableError(
                f"reading {source} needs pandas and {package}; install them with: pip install "
                f"pandas {package}"
            ) from error
        except TableError:
            raise
        except Exception as error:  # a damaged file fails in as many ways as it has parts
            raise TableError(
                f"{source} is not an {source.suffix} file, or a damaged one: {one_line(error)}"
            ) from error
    notes = [f"the first of {n_sheets} sheets"] if n_sheets > 1 else []
    missing = sheet.isna() | (sheet == "")
    return sheet.astype(object).where(~missing, None).to_numpy().tolist(), notes
