"""What each optimizer is.

Hyper-parameters, formula, source. The code is in csrc/kernels/optimizers.h and in reference.py.
"""

from dataclasses import dataclass

from backprop.validation import check_flag, check_real


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent, with momentum v when ``momentum`` > 0.

    Plain: w ← w − lr g. With momentum μ: v ← μ v − lr g, w ← w + v.
    Nesterov: v ← μ v − lr g, w ← w + μ v − lr g.

    Parameters
    ----------
    learning_rate : float, default 0.01
        lr, at least 0.
    momentum : float, default 0.0
        μ, in [0, 1).
    nesterov : bool, default False
        Look ahead along the momentum; needs momentum > 0.
    l2 : float, default 0.0
        λ, at least 0: g is the gradient of the batch's cost with ½ λ Σ W² / Σ w added to it, W all
        weights but no biases, w the sample weights or 1.

    References
    ----------
    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
    learning", ICML 2013.
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    l2: float = 0.0

    def __post_init__(self) -> None:
        _set(
            self,
            learning_rate=check_real("learning_rate", self.learning_rate, 0),
            momentum=check_real("momentum", self.momentum, 0, below=1),
            nesterov=check_flag("nesterov", self.nesterov),
            l2=check_real("l2", self.l2, 0),
        )
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=True needs momentum > 0, for example momentum=0.9")

    @property
    def kind(self) -> str:
        """The core's name of this update."""
        if self.momentum == 0:
            return "sgd"
        return "nesterov" if self.nesterov else "momentum"


@dataclass(frozen=True)
class Adam:
    """Adam: steps scaled by the gradient's two moments.

    m ← β₁ m + (1−β₁) g, v ← β₂ v + (1−β₂) g², w ← w − lr (m / (1−β₁ᵗ)) / (√(v / (1−β₂ᵗ)) + ε).

    Parameters
    ----------
    learning_rate : float, default 0.001
        lr, at least 0.
    beta_1, beta_2 : float, default 0.9 and 0.999
        Decay of the two moments, in [0, 1).
    epsilon : float, default 1e-8
        ε, above 0.
    l2 : float, default 0.0
        λ, at least 0: g is the gradient of the batch's cost with ½ λ Σ W² / Σ w added to it, W all
        weights but no biases, w the sample weights or 1.
    epsilon_hat : bool, default False
        Add ε before the second moment is corrected, as scikit-learn does and the paper's last
        lines of section 2: w ← w − lr √(1−β₂ᵗ) / (1−β₁ᵗ) m / (√v + ε).

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, Algorithm 1.
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    l2: float = 0.0
    epsilon_hat: bool = False

    def __post_init__(self) -> None:
        _set(
            self,
            learning_rate=check_real("learning_rate", self.learning_rate, 0),
            beta_1=check_real("beta_1", self.beta_1, 0, below=1),
            beta_2=check_real("beta_2", self.beta_2, 0, below=1),
            epsilon=check_real("epsilon", self.epsilon, 0, above=True),
            l2=check_real("l2", self.l2, 0),
            epsilon_hat=check_flag("epsilon_hat", self.epsilon_hat),
        )

    @property
    def kind(self) -> str:
        """The core's name of this update."""
        return "adam"


def _set(optimizer, **values):
    """In a frozen dataclass, numbers of Python for what was given: numpy's, or a Fraction."""
    for name, value in values.items():
        object.__setattr__(optimizer, name, value)
