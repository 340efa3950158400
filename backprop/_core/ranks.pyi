"""What stops a run on several processes; the rest is not for Python."""

from typing import final

class RankStopped(ConnectionError): ...

@final
class Exchange: ...
