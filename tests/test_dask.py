"""Networks that Dask's workers train: the bits of one process."""

import os
import signal

import numpy as np
import pytest
from ranked import WEIGHT, X, Y, digest, network, trained

import backprop as bp

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")

from backprop import dask as on_dask  # noqa: E402 - when dask is there


@pytest.fixture(scope="module")
def client():
    """Two workers that are threads of this process."""
    how = {"n_workers": 2, "threads_per_worker": 1, "processes": False}
    with (
        distributed.LocalCluster(**how, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def fit(client, x, y, weight=None, **options):
    net = network(n_threads=1)
    how = {"epochs": 3, "batch_size": 30, "shards": 4, **options}
    history = on_dask.fit(net, x, y, sample_weight=weight, client=client, **how)
    return net, history


def test_arrays_train_to_the_bits_of_one_process(client):
    x, y = da.from_array(X, chunks=(30, 4)), da.from_array(Y, chunks=30)
    net, history = fit(client, x, y, da.from_array(WEIGHT, chunks=30))
    assert (digest(net), tuple(history.loss)) == trained(None)
    assert (net.steps, net.epochs_trained, net.history) == (15, 3, history)


def test_data_that_lie_on_the_workers_already(client):
    x, y, weight = (
        client.persist(da.from_array(one, chunks=(50, *one.shape[1:]))) for one in (X, Y, WEIGHT)
    )
    net, _ = fit(client, x, y, weight)
    assert digest(net) == trained(None)[0]


def test_frames(client):
    frame = pd.DataFrame(X, columns=list("abcdefghi")).assign(y=Y, weight=WEIGHT)
    frame = dd.from_pandas(frame, npartitions=5)
    net, _ = fit(client, frame[list("abcdefghi")], frame["y"], frame["weight"])
    assert digest(net) == trained(None)[0]


def test_a_second_fit_goes_on(client):
    x, y = da.from_array(X, chunks=(60, 9)), da.from_array(Y, chunks=60)
    net, alone = network(n_threads=1), network(n_threads=1)
    for _ in range(2):
        on_dask.fit(net, x, y, shards=2, epochs=1, client=client)
        alone.fit(X, Y, shards=2, epochs=1)
    assert digest(net) == digest(alone)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs=0: expected an integer, from 1"),
        ({"shards": 3}, ValueError, "shards=3 need 3 workers, or that times 2, 4 and so on: there"),
        ({"shards": 0}, ValueError, "shards=0: expected an integer, from 1 to 256"),
        ({"y": Y}, TypeError, "y: expected a dask array, DataFrame or Series, got ndarray"),
        ({"y": da.from_array(Y + 9, chunks=30)}, ValueError, "y"),
        ({"y": da.from_array(Y, chunks=20)}, ValueError, "X has 5 partitions, y 7: expected as"),
        ({"x": da.from_array(X[:, :5], chunks=(30, 5))}, ValueError, "X has 5 columns"),
    ],
)
def test_bad_input_says_what_is_wrong(client, change, error, message):
    data = {"x": da.from_array(X, chunks=(30, 9)), "y": da.from_array(Y, chunks=30), **change}
    with pytest.raises(error, match=message):
        fit(client, **data)


@pytest.mark.long
def test_a_worker_that_is_killed(tmp_path):
    """Fit ends; the run goes on from its checkpoint with the workers that there are then."""

    class KillsAfter:
        """Ends the process of one worker; defined here, for workers do not have this module."""

        def __init__(self, epochs, worker):
            self.epochs, self.worker = epochs, worker

        def on_epoch_end(self, epoch, logs):
            from distributed import get_worker

            if epoch + 1 == self.epochs and get_worker().address == self.worker:
                os.kill(os.getpid(), signal.SIGKILL)

    path = tmp_path / "run.safetensors"
    x, y = da.from_array(X, chunks=(30, 9)), da.from_array(Y, chunks=30)
    saving = bp.Checkpoint(path)
    whole = network()
    whole.fit(X, Y, epochs=6, batch_size=30, shards=4)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        kills = KillsAfter(3, sorted(client.scheduler_info()["workers"])[1])
        with pytest.raises(Exception, match=r"gone|lost|killed|KilledWorker|closed|cancelled"):
            fit(client, x, y, epochs=6, callbacks=[saving, kills])
        resumed = bp.Network.resume(path)
        assert 0 < resumed.epochs_trained < 6
        how = {"epochs": 6, "batch_size": 30, "shards": 4, "callbacks": [saving]}
        on_dask.fit(resumed, x, y, client=client, **how)
    assert digest(resumed) == digest(whole)


def test_dask_that_is_not_there(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install backprop-mlp\[dask\]"):
        on_dask.fit(network(), np.empty(0), np.empty(0), shards=2)
