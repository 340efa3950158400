"""How a formula is written: for a terminal, in LaTeX and in JavaScript.

A tree is a number, a symbol (a str) or a list [operation, operand, …], whose operation is a sign of
Python's or the name of a function. Numbers in a tree are never negative: ["-", 1] is −1.
"""

import ast
from typing import NamedTuple

# How tightly a part of a formula holds together: brackets go around one that holds less tightly
# than its place asks for. "tanh z" stands in a sum, and becomes "tanh(z)" in a product.
CASES, COMPARISON, SUM, APPLICATION, PRODUCT, POWER, ATOM = range(7)
# {operation: (its own level, what it asks of its left operand, of its right one)}
LEVELS = {
    "+": (SUM, SUM, APPLICATION),
    "-": (SUM, SUM, APPLICATION),
    "*": (PRODUCT, PRODUCT, POWER),
    "/": (PRODUCT, PRODUCT, POWER),
    **dict.fromkeys((">", "<", ">=", "<=", "==", "!="), (COMPARISON, SUM, SUM)),
}
SIGNS = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
    ast.Gt: ">",
    ast.Lt: "<",
    ast.GtE: ">=",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}

RAISED = str.maketrans(
    "0123456789−+()abcdefghijklmnoprstuvwxyz", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"
)
LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
TEXT_SIGNS = {"-": "−", "*": "·", ">=": "≥", "<=": "≤", "==": "=", "!=": "≠"}
LATEX_SIGNS = {"*": r"\cdot", ">=": r"\ge", "<=": r"\le", "==": "=", "!=": r"\ne"}
LATEX_FUNCTIONS = {"sign": r"\operatorname{sign}", "erf": r"\operatorname{erf}"}

# {how a symbol's name begins: (letter, LaTeX)}; any other letter or word stands for itself
LETTERS = {
    "alpha": ("α", r"\alpha"),
    "beta": ("β", r"\beta"),
    "gamma": ("γ", r"\gamma"),
    "delta": ("δ", r"\delta"),
    "epsilon": ("ε", r"\varepsilon"),
    "eta": ("η", r"\eta"),
    "theta": ("θ", r"\theta"),
    "kappa": ("κ", r"\kappa"),
    "lambda": ("λ", r"\lambda"),
    "mu": ("μ", r"\mu"),
    "nu": ("ν", r"\nu"),
    "pi": ("π", r"\pi"),
    "rho": ("ρ", r"\rho"),
    "sigma": ("σ", r"\sigma"),
    "tau": ("τ", r"\tau"),
    "phi": ("φ", r"\varphi"),
    "psi": ("ψ", r"\psi"),
    "omega": ("ω", r"\omega"),
    "sums": ("Σs", r"\textstyle\sum s"),  # of the sample weights
}


class Spelling(NamedTuple):
    """A symbol's letter and its LaTeX, what stands below it, and whether it wears a hat."""

    letter: str
    latex: str
    index: str
    has_hat: bool


def spelling(symbol):
    """How a symbol is written: β₁ for ``beta_1``, m̂ for ``m_hat``, λ for ``lambda_``."""
    first, *rest = [part for part in symbol.split("_") if part]
    word = first if len(first) == 1 else rf"\mathit{{{first}}}"
    letter, latex = LETTERS.get(first, (first, word))
    index = ",".join(part for part in rest if part != "hat")
    return Spelling(letter, latex, index, "hat" in rest)


def tree_of(expression):
    """The tree of an expression in Python's notation."""
    return _tree(ast.parse(expression, mode="eval").body)


def _tree(node):
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id=name):
            return name
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return ["-", _tree(operand)]
        case ast.BinOp(op=operation, left=left, right=right) if type(operation) in SIGNS:
            return _operation(SIGNS[type(operation)], _tree(left), _tree(right))
        case ast.Compare(ops=[operation], left=left, comparators=[right]):
            return [SIGNS[type(operation)], _tree(left), _tree(right)]
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return [name, *map(_tree, arguments)]
    raise ValueError(f"a formula cannot hold {ast.unparse(node)!r}")


def _operation(sign, left, right):
    """A minus before a product is the whole product's: −a · b instead of (−a) · b."""
    if sign in ("*", "/") and is_negative(left):
        return ["-", [sign, left[1], right]]
    return [sign, left, right]


def is_negative(tree):
    """Whether a minus stands before all of it."""
    return isinstance(tree, list) and tree[0] == "-" and len(tree) == 2


def symbols_of(tree):
    """The symbols in a tree, in the order in which they are read."""
    if isinstance(tree, str):
        return [tree]
    parts = tree[1:] if isinstance(tree, list) else []
    return list(dict.fromkeys(symbol for part in parts for symbol in symbols_of(part)))


class Writer:
    """Writes a tree; `symbols`: {symbol: what stands in its place}, such as its number."""

    signs: dict[str, str]

    def __init__(self, symbols):
        self.symbols = symbols or {}

    def write(self, tree, level=CASES):
        """As a str, in brackets where its place asks for a higher level than its own."""
        if isinstance(tree, str):
            return self.symbols[tree] if tree in self.symbols else self.symbol(spelling(tree))
        if not isinstance(tree, list):
            return self.number(f"{tree:.6g}")
        operation, *operands = tree
        own, text = self.operation(operation, operands, level)
        return text if own >= level else self.bracketed(text)

    def operation(self, operation, operands, level):
        """Its own level, and how it is written."""
        if operation in LEVELS:
            return self.infix(operation, operands)
        if operation == "log1p":
            return self.operation("log", [["+", 1, *operands]], level)
        if operation == "expm1":
            return self.operation("-", [["exp", *operands], 1], level)
        own_form = {
            "**": self.power,
            "sqrt": self.root,
            "exp": self.exponential,
            "abs": self.absolute,
            "where": self.cases,
        }
        if operation in own_form:
            return own_form[operation](*operands)
        is_plain = len(operands) == 1 and not isinstance(operands[0], list)
        written = ", ".join(map(self.write, operands))
        if is_plain and level <= APPLICATION:
            return APPLICATION, f"{self.function(operation)} {written}"
        return ATOM, f"{self.function(operation)}{self.bracketed(written)}"

    def infix(self, operation, operands):
        """A sign between two operands, or a minus before one."""
        own, left, right = LEVELS[operation]
        sign = self.signs.get(operation, operation)
        if len(operands) == 1:
            return own, f"{sign}{self.write(operands[0], right)}"
        return own, f"{self.write(operands[0], left)} {sign} {self.write(operands[1], right)}"


class Text(Writer):
    """For a terminal: ``w − lr · m̂ / (√v̂ + ε)``."""

    signs = TEXT_SIGNS

    def symbol(self, spelled):
        """A letter, with its hat and its index."""
        index = spelled.index.translate(LOWERED)
        if index and not spelled.index.isdigit():
            index = f"_{index}"
        return spelled.letter + "\u0302" * spelled.has_hat + index

    def number(self, digits):
        """With a real minus in a power of ten."""
        return f"({digits.replace('-', '−')})" if "e" in digits else digits

    def bracketed(self, text):
        """In round brackets."""
        return f"({text})"

    def function(self, name):
        """As it is called."""
        return name

    def power(self, base, exponent):
        """Raised digits and letters, where there are such."""
        written = self.write(exponent)
        base = self.write(base, ATOM)
        if raised := _raised(written):
            return POWER, f"{base}{raised}"
        return POWER, f"{base}^{self.write(exponent, ATOM)}"

    def exponential(self, exponent):
        """e⁻ᶻ, or exp(…)."""
        written = self.write(exponent)
        if raised := _raised(written):
            return POWER, f"e{raised}"
        return ATOM, f"exp({written})"

    def root(self, operand):
        """√v or √(1 − v)."""
        return POWER, f"√{self.write(operand, ATOM)}"

    def absolute(self, operand):
        """Between bars."""
        return ATOM, f"|{self.write(operand)}|"

    def cases(self, condition, one, other):
        """In words."""
        one = self.write(one, COMPARISON)
        return CASES, f"{one} where {self.write(condition)}, else {self.write(other)}"


def _raised(text):
    """The same above the line; None where a character has no such form."""
    return text.translate(RAISED) if all(ord(sign) in RAISED for sign in text) else None


class Latex(Writer):
    r"""For a document: ``w - \mathit{lr} \cdot \frac{\hat m}{\sqrt{\hat v} + \varepsilon}``."""

    signs = LATEX_SIGNS

    def symbol(self, spelled):
        """A letter, with its hat and its index."""
        letter = rf"\hat {spelled.latex}" if spelled.has_hat else spelled.latex
        index = spelled.index if spelled.index.isdigit() else rf"\mathrm{{{spelled.index}}}"
        if not spelled.index:
            return letter
        return f"{letter}_{index}" if len(index) == 1 else f"{letter}_{{{index}}}"

    def number(self, digits):
        """With a power of ten as such."""
        digits, _, power = digits.partition("e")
        return rf"({digits} \cdot 10^{{{int(power)}}})" if power else digits

    def bracketed(self, text):
        """In brackets as high as what they hold."""
        return rf"\left({text}\right)" if r"\frac" in text else f"({text})"

    def function(self, name):
        """Upright."""
        return LATEX_FUNCTIONS.get(name, f"\\{name}")

    def infix(self, operation, operands):
        """A fraction for a division; of a product only its last factor is in it."""
        if operation == "/":
            top, bottom = operands
            if isinstance(top, list) and top[0] == "*":
                return self.infix("*", [top[1], ["/", top[2], bottom]])
            return POWER, rf"\frac{{{self.write(top)}}}{{{self.write(bottom)}}}"
        return super().infix(operation, operands)

    def power(self, base, exponent):
        """Of anything but a symbol or a number in brackets."""
        written = self.write(base, ATOM)
        if "^" in written and written[0] != "(":  # two powers would be an error
            written = f"({written})"
        return POWER, f"{written}^{{{self.write(exponent)}}}"

    def exponential(self, exponent):
        """A power of e."""
        return POWER, f"e^{{{self.write(exponent)}}}"

    def root(self, operand):
        """Its bar is as long as the operand."""
        return ATOM, rf"\sqrt{{{self.write(operand)}}}"

    def absolute(self, operand):
        """Between bars."""
        return ATOM, rf"\left|{self.write(operand)}\right|"

    def cases(self, condition, one, other):
        """A line for each, after a brace."""
        rows = rf"{self.write(one)} & {self.write(condition)} \\ {self.write(other)}"
        return ATOM, rf"\begin{{cases}} {rows} & \text{{otherwise}} \end{{cases}}"


def described(tree):
    """The tree for JSON: a symbol is {"symbol", "letter", "index", "hat"} there."""
    if isinstance(tree, str):
        spelled = spelling(tree)
        return {
            "symbol": tree,
            "letter": spelled.letter,
            "index": spelled.index,
            "hat": spelled.has_hat,
        }
    if isinstance(tree, list):
        return [tree[0], *map(described, tree[1:])]
    return tree
