"""Small faults in a source: a sign the other way, a term less, off by one, a barrier less.

A mutant is a change of one place in one file, found among the words of the code: comments, texts
and lines of the preprocessor are left alone.
"""

import io
import re
import tokenize
from typing import NamedTuple

C_WORD = re.compile(
    r"/\*.*?\*/|//[^\n]*|^[ \t]*#(?:\\\n|[^\n])*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
    r"|(?P<word>\d[\w.]*|\w+|&&|\|\||[-+*/<>=!]=|->|\+\+|--|<<|>>|[-+*/<>])",
    re.DOTALL | re.MULTILINE,
)
BINARY = {
    **{"+": "-", "-": "+", "*": "/", "/": "*", "+=": "-=", "-=": "+="},
    **{"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="},
    **{"&&": "||", "||": "&&", "and": "or", "or": "and"},
}
WORDS = {"True": "False", "False": "True", "min": "max", "max": "min"}
WORDS |= {"v_min": "v_max", "v_max": "v_min", "continue": "break"}
BARRIER = re.compile(r"^( *)(?:meet|barrier|bp_barrier)\([^()]*\);?$", re.MULTILINE)
REFUSAL = re.compile(r"^( *)raise \w+\([^\n]*\)$", re.MULTILINE)
TERM = re.compile(r" [-+] \w+(?:\([^()]*\)|\[[^][]*\])?(?=[;,)\n ])")
LARGEST_COUNT = 64  # numbers up to which are taken for counts


class Mutant(NamedTuple):
    """A place in a file, and what it has instead."""

    path: str
    start: int
    stop: int
    new: str
    kind: str

    def applied(self, text):
        return text[: self.start] + self.new + text[self.stop :]

    def line(self, text):
        """(number, as it was, as it is), for a report."""
        number = text.count("\n", 0, self.start)
        before, after = text.split("\n")[number], self.applied(text).split("\n")[number]
        return number + 1, before.strip(), after.strip()


def mutants_of(path, text):
    """All of a file, in the order of their places."""
    is_c = path.endswith((".c", ".h"))
    words = list(words_of_c(text) if is_c else words_of_python(text))
    inside = set()
    for start, stop in words:
        inside.update(range(start, stop))
        yield from of_word(path, text, start, stop)
    for match in TERM.finditer(text):
        if match.start() + 1 in inside:
            yield Mutant(path, *match.span(), "", "a term less")
    for match in BARRIER.finditer(text):
        instead = "" if is_c else f"{match[1]}pass"
        yield Mutant(path, *match.span(), instead, "a barrier less")
    if path.endswith(".py"):
        for match in REFUSAL.finditer(text):
            yield Mutant(path, *match.span(), f"{match[1]}pass", "a refusal less")


def of_word(path, text, start, stop):
    """Those that change one word."""
    word, is_apart = text[start:stop], text[start - 1 : start] == text[stop : stop + 1] == " "
    if word in BINARY and is_apart:
        yield Mutant(path, start, stop, BINARY[word], f"{word} for {BINARY[word]}")
    elif word == "-" and text[start - 1] in " (,[" and text[stop] not in " >-=":
        yield Mutant(path, start, stop, "", "the other sign")
    elif word in WORDS and text[start - 7 : start] != "strict=":
        yield Mutant(path, start, stop, WORDS[word], f"{word} for {WORDS[word]}")
    elif word == "not" and text[stop] == " " and text[:start].split()[-1] != "is":
        yield Mutant(path, start, stop + 1, "", "the contrary")
    elif word.isdecimal() and int(word) <= LARGEST_COUNT:
        yield Mutant(path, start, stop, str(int(word) + 1), "off by one")


def words_of_c(text):
    for match in C_WORD.finditer(text):
        if match["word"]:
            yield match.span()


def words_of_python(text):
    """Of Cython too, whose words are Python's."""
    begins = [0]
    for line in text.splitlines(keepends=True):
        begins.append(begins[-1] + len(line))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.OP, tokenize.NAME, tokenize.NUMBER):
            (row, column), (last_row, last) = token.start, token.end
            yield begins[row - 1] + column, begins[last_row - 1] + last
