"""Training by Dask's workers: it holds the data and starts the ranks; gradients go past it.

Each of the ranks of ``backprop.ranks`` is one task on one worker, which is given its partitions and
stays until training is done. The ranks are connected to one another, so that a step waits for no
scheduler.
"""

from __future__ import annotations

import copy
import secrets
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np

from backprop.sharding import MOST_SHARDS
from backprop.validation import check_integer

if TYPE_CHECKING:
    from typing import Any

    from backprop.history import History
    from backprop.network import Network

KEY_BYTES = 32
SECONDS_FOR_ERRORS = 2  # of other ranks, once one has failed
_LISTENERS: dict[tuple[str, str], Any] = {}  # of this worker, by run and worker
_CONNECTED: dict[tuple[str, str], Any] = {}


def fit(
    net: Network,
    X: Any,
    y: Any,
    *,
    shards: int,
    client: Any = None,
    sample_weight: Any = None,
    timeout: float = 600.0,
    **options: Any,
) -> History:
    """Train a network with Dask's workers, to the bits of ``net.fit`` with as many shards.

    Parameters
    ----------
    net : Network
        Trained as by its own ``fit``. Each rank uses as many threads as it says.
    X : dask array (n, n_inputs), or dask DataFrame
        Rows in the order of its partitions, which the ranks are given in pieces.
    y : dask array, Series or DataFrame
        As ``net.fit`` takes it, in as many partitions.
    shards : int
        Parts of each batch. There are as many ranks as workers can be used: shards, or a half, a
        quarter of them and so on.
    client : distributed.Client, optional
        By default the one that is in use.
    sample_weight : dask array or Series, optional
        In as many partitions.
    timeout : float
        Seconds after which a worker that does not come is an error.
    **options
        Of ``net.fit``. ``validation_data`` are numpy arrays; files are written by the first rank,
        where it runs.

    Returns
    -------
    History

    Raises
    ------
    ImportError
        Without dask and distributed.
    backprop.ranks.RankStopped, TimeoutError
        When a worker dies, or does not come. A `backprop.Checkpoint` among the callbacks lets the
        run go on: ``Network.resume``, and ``fit`` with the same data and shards.
    ValueError, TypeError
        As of ``net.fit``.
    """
    client = client_of(client)
    check_integer("shards", shards, 1, MOST_SHARDS)
    pieces = [blocks_of(name, one) for name, one in (("X", X), ("y", y), ("w", sample_weight))]
    if len({len(one) for one in pieces if one is not None}) > 1:
        raise ValueError(
            f"X has {len(pieces[0])} partitions, y {len(pieces[1])}: expected as many of each"
        )
    return fit_blocks(net, pieces, shards=shards, client=client, timeout=timeout, **options)


def fit_blocks(net, pieces, *, shards, client, timeout=600.0, **options):
    """`fit` of [X, y, sample_weight] in lists of blocks of rows, delayed or futures."""
    workers = workers_for(client, shards)
    run, key = secrets.token_hex(8), secrets.token_bytes(KEY_BYTES)
    addresses = client.run(_listen, run, workers=workers)
    addresses = [addresses[worker] for worker in workers]
    connection = {"addresses": addresses, "key": key, "timeout": timeout}
    given = run, net._run, {"shards": shards, **options}
    futures = []
    try:
        scattered = client.scatter(net, broadcast=True, hash=False)  # held while the ranks need it
        futures = _started(client, workers, scattered, pieces, connection, given)
        state, history = _first_result(futures)
    except BaseException:
        client.cancel(futures, force=True)
        _stop_ranks(client, run)
        raise
    _take_over(net, state, history)
    return history


def _started(client, workers, scattered, pieces, connection, given):
    """Futures of the ranks, which alone hold the rows from then on."""
    from distributed import wait

    pieces = [None if one is None else _enough(one, len(workers)) for one in pieces]
    cuts = cuts_of(len(pieces[0]), len(workers))
    rows = [
        [_on_worker(client, one, cuts[rank : rank + 2], worker) for one in pieces]
        for rank, worker in enumerate(workers)
    ]
    # all of them first: a rank that waits for another keeps its worker from working rows out
    wait([block for of_rank in rows for one in of_rank for block in one or ()])
    return [
        client.submit(
            _train,
            scattered,
            *rows[rank],
            {**connection, "rank": rank},
            *given,
            key=f"backprop-rank-{rank}-{given[0]}",
            workers=[worker],
            allow_other_workers=False,
            pure=False,
        )
        for rank, worker in enumerate(workers)
    ]


def client_of(client):
    """It, or the one that is in use."""
    try:
        import distributed
    except ImportError as error:
        raise ImportError(
            "bp.dask needs dask and distributed: pip install backprop-mlp[dask]"
        ) from error
    return distributed.get_client() if client is None else client


def blocks_of(name, collection):
    """The blocks of rows of a dask collection, in their order, as what can be computed."""
    if collection is None:
        return None
    if not hasattr(collection, "to_delayed"):
        raise TypeError(
            f"{name}: expected a dask array, DataFrame or Series, got {type(collection).__name__}"
        )
    if hasattr(collection, "chunks") and getattr(collection, "ndim", 1) == 2:
        collection = collection.rechunk({1: -1})  # whole rows
    return np.ravel(collection.to_delayed()).tolist()


def _on_worker(client, blocks, cut, worker):
    """Some of the blocks of rows, worked out where their rank is."""
    return None if blocks is None else client.compute(blocks[slice(*cut)], workers=worker)


def _enough(blocks, count):
    """At least one for each rank: of fewer blocks, pieces."""
    from dask import delayed

    each = -(-count // len(blocks))
    if each == 1:
        return blocks
    return [delayed(_piece)(block, i, each) for block in blocks for i in range(each)]


def _piece(block, i, count):
    rows = np.asarray(block)
    return rows[len(rows) * i // count : len(rows) * (i + 1) // count]


def cuts_of(n_blocks, n_workers):
    """Where the blocks of each worker begin and end."""
    return [n_blocks * i // n_workers for i in range(n_workers + 1)]


def workers_for(client, shards):
    """As many as can be ranks of so many shards."""
    workers = sorted(client.scheduler_info(n_workers=-1)["workers"])
    count = shards
    while count > len(workers) and count % 2 == 0:
        count //= 2
    if count > len(workers):
        raise ValueError(
            f"shards={shards} need {count} workers, or that times 2, 4 and so on: there are "
            f"{len(workers)}"
        )
    return workers[:count]


def _first_result(futures):
    """Of rank 0, when all are done; else the error that the others follow from."""
    from distributed import CancelledError, wait

    from backprop.ranks import RankStopped

    waiting, failed = set(futures), []
    while waiting and not failed:
        try:
            done, waiting = wait(waiting, return_when="FIRST_COMPLETED")
        except CancelledError as error:
            raise RankStopped(
                f"ranks were cancelled: a worker is gone, or does not know a class that fit was "
                f"given, such as a callback's: {error}"
            ) from error
        failed = [one for one in done if one.status != "finished"]
    if failed:
        errors = _errors(futures, failed)
        raise errors[0]
    return futures[0].result()


def _stop_ranks(client, run):
    """Ask all workers, one of which may be stopped itself: then nobody waits for its answer."""
    there = list(client.scheduler_info(n_workers=-1)["workers"])
    how = {"args": (_stop, run), "kwargs": {"workers": there}, "daemon": True}
    asking = threading.Thread(target=client.run, **how)
    asking.start()
    asking.join(SECONDS_FOR_ERRORS)


def _errors(futures, failed):
    """Those first that do not come from what happened to another rank."""
    from distributed import wait

    from backprop.ranks import RankStopped

    with suppress(TimeoutError):  # the cause may be the last to arrive
        wait(futures, timeout=SECONDS_FOR_ERRORS)
    found = [one.exception() for one in futures if one.status == "error"]
    found += [RankStopped(f"{one.key} is {one.status}") for one in failed if one.status != "error"]
    return sorted(found, key=lambda error: isinstance(error, RankStopped | TimeoutError))


def _take_over(net, state, history):
    """What rank 0 has trained."""
    from backprop import storage

    net._core.check_idle()
    storage.set_state(net, state)
    vars(net).update(history=history, _run=None)


# ---- on a worker --------------------------------------------------------------------------------


def _listen(run, dask_worker=None):
    """Open this worker's listener; its address."""
    from backprop.ranks.sockets import Sockets

    host = urlsplit(dask_worker.address).hostname
    is_here = dask_worker.address.startswith("inproc")
    listener = Sockets.listen("127.0.0.1" if is_here else host)
    _LISTENERS[run, dask_worker.address] = listener
    return listener.getsockname()[:2]


def _train(net, X, y, sample_weight, connection, run, resumed, options):
    """One rank: (the network's state, its history) of the first, nothing of the others."""
    from distributed import get_worker

    from backprop import storage
    from backprop.ranks.sockets import Sockets

    place = run, get_worker().address
    listener, ranks = _LISTENERS[place], None
    try:
        ranks = _CONNECTED[place] = Sockets(listener, rows="own", **connection)
        own = copy.deepcopy(net)
        vars(own)["_run"] = resumed  # which is no part of the network
        X, y, sample_weight = (None if one is None else _rows(one) for one in (X, y, sample_weight))
        history = own.fit(X, y, sample_weight=sample_weight, ranks=ranks, **options)
        return (storage.state(own), history) if ranks.rank == 0 else None
    finally:
        _LISTENERS.pop(place, None)
        _CONNECTED.pop(place, None)
        if ranks is not None:
            ranks.close()
        listener.close()


def _rows(blocks):
    """One array of blocks of rows."""
    arrays = [np.asarray(block) for block in blocks]
    return np.concatenate(arrays) if len(arrays) != 1 else arrays[0]


def _stop(run, dask_worker=None):
    """Let a rank of this worker, should there be one, meet closed connections."""
    from backprop.ranks.sockets import end

    ranks = _CONNECTED.pop((run, dask_worker.address), None)
    if ranks is not None:
        ranks.close()
    listener = _LISTENERS.pop((run, dask_worker.address), None)
    if listener is not None:
        end(listener)
