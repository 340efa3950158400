"""L-BFGS: scipy's, on all rows at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, ClassVar

from backprop.catalogue.optimizers.base import Common, Optimizer
from backprop.catalogue.records import says_how_to_change
from backprop.validation import check_integer, check_real

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from scipy.optimize import OptimizeResult

MOST_EVALUATIONS = 2**31 - 1  # which are for `fit` to limit, by its epochs


@says_how_to_change
@dataclass(frozen=True, repr=False)
class LBFGS(Optimizer):
    """Quasi-Newton steps with a line search, on the cost of all rows at once: scipy's L-BFGS-B.

    For small data sets and networks, in float64, whose line search ends nearer to the minimum. An
    epoch of ``fit`` is an iteration; it ends sooner where the cost has converged. Each fit begins
    without memory of the one before. Needs the extra ``lbfgs``.

    Parameters
    ----------
    memory : int, default 10
        Pairs of steps and differences of gradients that are kept, at least 1.
    tolerance : float, default 1e-5
        It ends where no part of the gradient is larger, at least 0.
    change : float, default 2.220446049250313e-09
        It ends where an iteration lowers the cost by no larger a share, at least 0.
    l2 : float, default 0.0
        λ, at least 0: ½ λ Σ W² / Σ w is added to the cost, W all weights that are trained but no
        biases, w the sample weights or 1.

    References
    ----------
    Byrd, Lu, Nocedal and Zhu, "A limited memory algorithm for bound constrained optimization", SIAM
    Journal on Scientific Computing, 1995.
    """

    memory: int = 10
    tolerance: float = 1e-5
    change: float = 2.220446049250313e-09
    l2: float = 0.0

    minimizes: ClassVar[bool] = True
    is_elementwise: ClassVar[bool] = False
    kind: ClassVar[str] = "sgd"  # a row of the core without moments, whose steps are not taken
    title: ClassVar[str] = "L-BFGS"
    moments: ClassVar[dict[str, str]] = {}
    rules: ClassVar[tuple] = ()
    settings: ClassVar[tuple] = ()
    learning_rate: ClassVar[float] = 0.0
    l1: ClassVar[float] = 0.0
    weight_decay: ClassVar[float] = 0.0
    schedule: ClassVar[None] = None
    keyword_aliases: ClassVar[dict[str, str]] = {
        "history_size": "memory",
        "maxcor": "memory",
        "m": "memory",
        "gtol": "tolerance",
        "tol": "tolerance",
        "tolerance_grad": "tolerance",
        "ftol": "change",
        "tolerance_change": "change",
        "alpha": "l2",
        "weight_decay": "l2",
        "lambda_": "l2",
    }

    def __post_init__(self) -> None:
        own = {
            "memory": check_integer("memory", self.memory, 1),
            "tolerance": check_real("tolerance", self.tolerance, 0),
            "change": check_real("change", self.change, 0),
            "l2": check_real("l2", self.l2, 0),
        }
        for name, value in own.items():
            object.__setattr__(self, name, value)
        for one in fields(Common):
            if getattr(self, one.name) != one.default:
                raise ValueError(
                    f"LBFGS({one.name}={getattr(self, one.name)!r}): expected {one.default!r}, for "
                    "it minimises the cost of all rows and makes no steps of batches"
                )

    @property
    def description(self):
        """What JSON can hold of it."""
        return {"name": "LBFGS", **asdict(self)}

    def minimize(
        self,
        cost_and_gradient: Callable[[np.ndarray], tuple[float, np.ndarray]],
        start: np.ndarray,
        n_iterations: int,
        after_iteration: Callable[[np.ndarray, float], bool],
    ) -> OptimizeResult:
        """From `start` on; `after_iteration` is given place and cost, and says True to stop."""
        try:
            from scipy.optimize import minimize
        except ImportError as error:
            raise ImportError("LBFGS needs scipy: pip install 'backprop-mlp[lbfgs]'") from error

        def after(intermediate_result):
            if after_iteration(intermediate_result.x, intermediate_result.fun):
                raise StopIteration

        options = {
            "maxiter": n_iterations,
            "maxfun": MOST_EVALUATIONS,
            "maxcor": self.memory,
            "gtol": self.tolerance,
            "ftol": self.change,
        }
        return minimize(
            cost_and_gradient, start, jac=True, method="L-BFGS-B", callback=after, options=options
        )


KINDS = (LBFGS,)
