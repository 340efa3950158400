"""Functions that run at the same time, for the tests beside."""

import threading

TIMEOUT = 120  # seconds, after which a test hangs


def run_together(*targets):
    """Each in a thread of its own, all at the same moment; raises what one of them raises."""
    together, raised = threading.Barrier(len(targets)), []

    def caught(target):
        try:
            together.wait(TIMEOUT)
            target()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=caught, args=(target,), daemon=True) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive(), "hangs"
    if raised:
        raise raised[0]
