"""A trace as lists, numbers and text: what JSON can hold."""

import numpy as np

from backprop.catalogue.formula import Formula
from backprop.explain import diagnostics, update

FORMAT = "backprop trace 4"


def trace_dict(trace):
    """What `Trace.to_dict` returns."""
    untried = [None] * len(trace.layers)
    trials = (trace.differences or untried, trace.unsettled or untried)
    slopes = diagnostics.slope_sizes(trace)
    return plain(
        {
            "format": FORMAT,
            "dtype": trace.dtype,
            "loss_function": trace.loss,
            "loss_entry": _loss_dict(trace.loss_function),
            "derivatives_of": "cost" if trace.mixes_samples else "loss",
            "epoch": trace.epoch,
            "inputs": {
                "names": trace.input_names,
                "factors": _factor_dicts(trace.input_factors),
            },
            "outputs": {
                "names": trace.output_names,
                "label_smoothing": trace.label_smoothing,
                "scale": trace.target_scale,
            },
            "layers": [
                _layer_dict(trace, *parts)
                for parts in zip(trace.layers, *trials, slopes, strict=True)
            ],
            "samples": [
                {
                    "index": trace.indices[i],
                    "x": trace.x[i],
                    "y": trace.y[i],
                    "share": trace.shares[i],
                    "loss": trace.losses[i],
                    "loss_slopes": trace.loss_slopes[i],
                    "output": trace.output[i],
                }
                for i in range(len(trace.x))
            ],
            "cost": trace.cost,
            "cost_after_step": trace.cost_after_step,
            "optimizer": _optimizer_dict(trace),
            "diagnostics": trace.diagnostics,
        }
    )


def _optimizer_dict(trace):
    optimizer = trace.optimizer
    formulas = update.formulas(optimizer)
    return {
        "name": optimizer.title,
        "kind": optimizer.kind,
        "formula": ", ".join(formulas),
        "formulas": formulas,
        "rules": [rule.to_dict() for rule in optimizer.rules],
        "clip_rules": [rule.to_dict() for rule in optimizer.clip_rules],
        "decay_rules": [rule.to_dict() for rule in optimizer.decay_rules],
        "hyper_parameters": optimizer.description,
        "settings": [_setting_dict(setting) for setting in update.settings(trace)],
        "t": trace.steps + 1,
        "decay": optimizer.l2 / trace.weight_sum,
        "weight_sum": trace.weight_sum,
        "moments": {
            name: {
                "symbol": symbol,
                "before": [_parameters_dict(own.moments[name]) for own in trace.layers],
                "after": [_parameters_dict(own.moments_after[name]) for own in trace.layers],
            }
            for name, symbol in optimizer.moments.items()
        },
    }


def _layer_dict(trace, layer, difference, unsettled, slopes):
    parts = {
        "gradient": layer.gradient,
        "finite_difference": difference,
        **(unsettled or {"kink": None, "unresolved": None}),
        "step": layer.step,
    }
    return {
        "name": layer.name,
        "n_in": layer.n_in,
        "n_out": layer.n_out,
        "activation": layer.activation,
        "function": _function_dict(layer.function),
        "weights": layer.weights,
        "bias": layer.bias,
        "remarks": layer.remarks,
        "norm": None if layer.norm is None else _norm_dict(layer.norm),
        "learned": [_learned_dict(layer, one) for one in layer.learned],
        "z": layer.z,
        "a": layer.a,
        "da": layer.da,
        "derivative": layer.derivative,
        "dz": layer.dz,
        "factors": _factor_dicts(layer.factors),
        "gathered": _factor_dicts(layer.gathered),
        "terms": [term._asdict() for term in layer.terms],
        "residual": layer.is_passed_by,
        "out": None if layer.out_quantity == "a" else layer.out,
        "own_rate": _own_rate_dict(trace, layer),
        "frozen": None if layer.trainable else update.FROZEN.to_dict(),
        "dz_rms": slopes.size,
        "dz_ratio": slopes.ratio,
        "limit": None if layer.norms is None else update.limit_dict(layer),
        **{name: None if part is None else _parameters_dict(part) for name, part in parts.items()},
    }


def _factor_dicts(factors):
    return [factor._asdict() for factor in factors]


def _parameters_dict(parameters):
    return {"bias": None, **parameters.parameters}


def _norm_dict(norm):
    entry = norm.entry
    return {
        "name": repr(entry),
        "over": entry.over,
        "is_over_samples": entry.is_over_samples,
        "epsilon": entry.settings["epsilon"],
        "formula": entry.formula.tree(),
        "slope": entry.slope.tree(),
        "mean": norm.mean,
        "deviation": norm.deviation,
        "n": norm.n,
        "y": norm.y,
        "dy": norm.dy,
        "dn": norm.dn,
    }


def _learned_dict(layer, learned):
    symbol = Formula(learned.symbol)
    return {
        **learned._asdict(),
        "symbol": symbol.tree(),
        "sign": symbol.text(),
        "slope": learned.slope.tree(),
        "inputs": learned.inputs,
        "values": layer.beside[learned.name],
    }


def _own_rate_dict(trace, layer):
    """The line of a step that makes the layer's own learning rate; None where it is that of all."""
    rule = update.own_rate_rule(trace, layer)
    return rule and {"rule": rule.to_dict(), "factor": layer.learning_rate_factor}


def _function_dict(function):
    return {
        "formula": function.formula.tree(),
        "slope": function.slope.tree(),
        "settings": function.settings,
        "kinks": function.kinks,
        "is_identity": function.is_identity,
        "learned": function.learned,
    }


def _loss_dict(loss):
    return {
        "formula": loss.formula,
        "derivative_formula": loss.derivative_formula,
        "term": loss.term and loss.term.tree(),
        "members": loss.members,
        "slopes": [slope.tree() for slope in loss.slopes],
        "wherein": [
            {"symbol": symbol, "sign": Formula(symbol).tree(), "formula": formula.tree()}
            for symbol, formula in loss.wherein
        ],
        "of_each": loss.of_each,
        "corner": loss.corner and loss.corner.tree(),
        "settings": loss.settings,
        "note": loss.note,
        "long_way": loss.long_way,
    }


def _setting_dict(setting):
    symbol = Formula(setting.symbol)
    return {**setting._asdict(), "symbol": symbol.tree(), "sign": symbol.text()}


def plain(value):
    """Without numpy, and without the numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        numbers = value.tolist()
        return numbers if np.isfinite(value).all() else plain(numbers)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value
