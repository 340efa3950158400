"""What README and docs/ show is run, and what they print is compared.

In each file, in order and in one temporary directory:

- ```python blocks run in one namespace. `print(…)  # text` claims what is printed; so does a
  ```text block that comes next. One that begins with `# name.py` is that file.
- in ```console blocks, `$ backprop …` runs `python -m backprop …`; the lines below it are what it
  prints. `$ mpiexec …` is run as it stands. Other commands are left to .ci/run.

Numbers are compared to the digits shown; by 2 % on processors without multiply-add, which round
differently. `…` stands for anything, on a line of its own for any lines; times, speeds and
file sizes are not compared.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import backprop as bp
from backprop._core import kernels

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTS = re.compile(r"^ *print\(.*\) +# (.*)$")
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
SPEED = re.compile(r"in [\d.]+ s, [\d,]+ samples per second|\([\d.]+ [kM]B\)")
FILE = re.compile(r"# (\w+\.py)\n")
LINK = re.compile(r"\]\(([^)#:]*)(#[^)]*)?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


ROUNDS_AS_SHOWN = kernels.best_instruction_set() != "baseline"


def page_id(path):
    return str(path.relative_to(ROOT))


def blocks(path):
    """(language, text, number of the line it starts on) of each fenced block."""
    text = path.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        yield match[1], match[2], text.count("\n", 0, match.start()) + 2


def same(shown, found):
    """Equal but for rounding, and for what a `…` stands for."""
    if "…" in shown:
        return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), found) is not None
    lines = [SPEED.sub("", line) for line in (shown, found)]
    if NUMBER.split(lines[0]) != NUMBER.split(lines[1]):
        return False
    return all(map(rounded_alike, *(NUMBER.findall(line) for line in lines)))


def rounded_alike(shown, found):
    """Whether a number is the one shown, to the digits shown."""
    one, other = (float(text.replace(",", "")) for text in (shown, found))
    if not ROUNDS_AS_SHOWN:
        return one == pytest.approx(other, rel=0.02)
    mantissa, _, exponent = shown.partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return abs(one - other) <= 0.5000001 * 10.0**-decimals


def agrees(shown, found):
    """Whether lines are as shown, where a shown line `…` stands for any number of them."""
    if not shown:
        return not found
    if shown[0] == "…":
        return any(agrees(shown[1:], found[i:]) for i in range(len(found) + 1))
    return bool(found) and same(shown[0], found[0]) and agrees(shown[1:], found[1:])


def compare(shown, found, where):
    shown, found = [[line.rstrip() for line in text.splitlines()] for text in (shown, found)]
    listed = "\n".join(["shown:", *shown, "printed:", *found])
    assert agrees(shown, found), f"{where}\n{listed}"


def run_python(text, line, path, namespace):
    """Run a block; returns what it printed."""
    printed = io.StringIO()
    code = compile("\n" * (line - 1) + text, str(path), "exec")
    with contextlib.redirect_stdout(printed):
        exec(code, namespace)
    return printed.getvalue()


def run_command(command):
    """Run a `backprop` command; returns what it printed: of `train`, without the progress bar."""
    words = shlex.split(command)
    known = {"python": [sys.executable, "-u"], "backprop": [sys.executable, "-u", "-m", "backprop"]}
    known["mpiexec"] = [shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.defpath}")]
    result = subprocess.run(
        [part for word in words for part in known.get(word, [word])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if "train" in words else subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"},
        timeout=300,
    )
    return result.stdout or result.stderr or ""


def run_console(text, where):
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        if command.startswith(("backprop ", "mpiexec ")):
            compare(shown, run_command(command), f"{where}: {command}")


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_what_a_page_shows_is_what_happens(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace, printed = {"__name__": "__main__"}, ""
    for language, text, line in blocks(path):
        where = f"{page_id(path)}:{line}"
        if language == "python" and (name := FILE.match(text)):
            Path(name[1]).write_text(text, encoding="utf-8")
        elif language == "python":
            printed = run_python(text, line, path, namespace)
            claims = [match[1] for match in map(PRINTS.match, text.splitlines()) if match]
            if claims:
                compare("\n".join(claims), printed, where)
        elif language == "text":
            compare(text, printed, where)
        elif language == "console":
            run_console(text, where)


def anchors(path):
    """GitHub's names of the headings of a page."""
    headings = HEADING.findall(FENCE.sub("", path.read_text(encoding="utf-8")))
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {"#" + heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize(
    "path", [*PAGES, *ROOT.glob("C*.md"), ROOT / "csrc" / "README.md"], ids=page_id
)
def test_links_lead_somewhere(path):
    for target, anchor in LINK.findall(path.read_text(encoding="utf-8")):
        there = (path.parent / target) if target else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target + anchor


def test_every_promise_has_tests():
    """The files that the commands name are there, and `-k` finds some test in them."""
    text = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    commands = re.findall(r"`pytest ([^`]+)`", text)
    assert len(commands) > 12
    for command in commands:
        words = shlex.split(command)
        files = [path for word in words if "/" in word for path in ROOT.glob(word)]
        assert len(files) >= sum("/" in word for word in words), command
        if "-k" in words:
            names = words[words.index("-k") + 1].split(" or ")
            found = "".join(path.read_text(encoding="utf-8") for path in files)
            assert all(re.search(rf"def test\w*{name}", found) for name in names), command
    scripts = re.findall(r"`python (\S+\.py)", text)
    assert len(scripts) > 4
    assert [name for name in scripts if not (ROOT / name).is_file()] == []


def test_every_public_name_is_in_the_reference():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    names = [name for name in bp.__all__ if not name.startswith("_")]
    for owner in (bp.Network, bp.History):
        names += [name for name in vars(owner) if not name.startswith("_")]
    network = bp.Network(1, [bp.Dense(1)])
    names += [name for name in vars(network) if not name.startswith("_")]
    assert [name for name in names if f"{name}" not in page] == []


def test_readme_says_how_to_install_and_test_once():
    """.ci/run takes these two lines out of README.md and runs them."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^python3 -m venv \.venv && .*backprop train digits$", text, re.M)) == 1
    assert len(re.findall(r"^python3 -m venv \.venv-test && .*pytest$", text, re.M)) == 1
