"""The plans of one network. Python sees none of them."""

from typing import final

@final
class Plans: ...
