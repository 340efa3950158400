"""Everything that is decided before the first batch. Python sees a plan, and cannot make one."""

from typing import final

@final
class Plan:
    @property
    def capacity(self) -> int: ...
    @property
    def n_threads(self) -> int: ...
    @property
    def training(self) -> bool: ...
