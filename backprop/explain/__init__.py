"""See the chain rule on your own numbers: what `Network.explain` returns.

`trace` takes one batch's way through the network and back out of the core, `layer` has one layer of
it, `norm` a layer's norm; `factors` names the kinds of factors, and `paths` multiplies those on
each path from a weight to the loss; `update` has the optimizer's step, assignment by
assignment; `trial` tries what a small change of a weight does; `diagnostics` looks for units and
layers that do not learn; `text`, `latex` and `html` are the forms.
"""

from backprop.catalogue.optimizers import Rule
from backprop.explain.factors import LayerFactor, LayerTerm, LearnedTrace
from backprop.explain.forms.html import write_page
from backprop.explain.layer import LayerTrace
from backprop.explain.norm import NormTrace
from backprop.explain.paths import Factor, Path, WeightGradient
from backprop.explain.trace import Trace
from backprop.explain.update import Assignment

__all__ = [
    "Assignment",
    "Factor",
    "LayerFactor",
    "LayerTerm",
    "LayerTrace",
    "LearnedTrace",
    "NormTrace",
    "Path",
    "Rule",
    "Trace",
    "WeightGradient",
    "write_page",
]
