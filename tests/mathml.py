"""How tests read the MathML of a page: as one line."""

# A formula on one line: a fraction is (a)/(b), an index a_b, a power a^b.
LINEAR = """
const linear = (node) => {
  const parts = [...node.children].map(linear);
  const [a, b, c] = parts;
  switch (node.localName) {
    case "mi": case "mn": case "mo": case "mtext": return node.textContent;
    case "mfrac": return `(${a})/(${b})`;
    case "msub": case "munder": return `${a}_${b}`;
    case "msup": return `${a}^${b}`;
    case "msubsup": return `${a}_${b}^${c}`;
    case "mover": return `${a}${b}`;
    case "msqrt": return `√(${parts.join("")})`;
    default: return parts.join("");
  }
};
"""
