"""The processes that read many sources: Dask's own here, or those of a cluster that runs Dask.

Dask (Rocklin, "Dask: Parallel Computation with Blocked Algorithms and Task Scheduling", SciPy
2015) deals the work out; here it is told how a reader wants its processes to be.
"""

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import psutil

from utils.files import digest
from utils.models.predictor import Predictor, load
from utils.vision.detectors import make_detector
from utils.vision.opencv import cores, cv2

try:
    import dask
    from dask.distributed import Client, LocalCluster, WorkerPlugin
    from distributed.comm import connect
    from distributed.security import Security
except ImportError as error:
    raise ImportError(
        "Reading many sources needs Dask: python -m pip install -r requirements-scale.txt "
        f"-c constraints.txt ({error})"
    ) from error

WORKER_MEMORY = 2 * 2**30  # bytes; 0.5 GB are used, and 1.1 GB for an image of 64 megapixels
_PATIENCE = 10.0  # seconds in which a scheduler answers, or is none
_JOINING = 60.0  # seconds until the first worker of a cluster must be there


class Reader(WorkerPlugin):
    """Brings a model to each worker once, those that join later too, and keeps it ready.

    A worker's core is its own: OpenCV, FFmpeg and LiteRT take one thread for each task.

    Args:
        content: of the model file.
        name: tells models apart, such as by their digest.
    """

    idempotent = True

    def __init__(self, content: bytes, name: str):
        self._content, self.name = content, name

    def setup(self, worker) -> None:
        cv2.setNumThreads(1)
        with NamedTemporaryFile(suffix=".keras", delete=False) as file:
            file.write(self._content)
        try:
            self.predictor: Predictor = load(file.name)
        finally:
            os.unlink(file.name)
        self._own = threading.local()

    def detector(self, name: str):
        """A detector of this thread's own, so that no task waits for another."""
        made = vars(self._own).setdefault("detectors", {})
        if name not in made:
            made[name] = make_detector(name)
        return made[name]


@contextmanager
def cluster(workers: int | None = None, address: str | None = None) -> Iterator[Client]:
    """A client of Dask's processes on this machine, or of a scheduler that runs already.

    Args:
        workers: processes to start here, which listen on this machine's own address only; by
            default a core each, as far as `WORKER_MEMORY` goes.
        address: of the scheduler of a cluster, such as ``tcp://127.0.0.1:8786``.

    Raises:
        ConnectionError: no scheduler of Dask answers there, or it has no workers.
    """
    # What happens to workers and to the connection is told by whoever uses the client.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if address is not None:
        _check_scheduler(address)
        with Client(address, timeout=_PATIENCE, set_as_default=False) as client:
            _await_worker(client, address)
            yield client
        return
    here = "127.0.0.1"
    fitting = psutil.virtual_memory().available // WORKER_MEMORY
    # A task whose worker died twice is looked at alone; its neighbours may be innocent.
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(
            n_workers=workers or max(1, min(cores(), fitting)),
            threads_per_worker=1,
            memory_limit=WORKER_MEMORY,
            host=here,
            dashboard_address=f"{here}:{_free_or_any(8787)}",
            worker_dashboard_address=f"{here}:0",
            silence_logs=logging.CRITICAL,
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield client


def bring_model(client: Client, model: str | Path) -> str:
    """Send a model to all workers; returns the name that `Reader` has there.

    Raises:
        ImportError: the workers do not have this project's package.
    """
    reader = Reader(Path(model).read_bytes(), f"faces-{digest(Path(model))}")
    try:
        client.register_plugin(reader)
    except ImportError as error:
        raise ImportError(
            f"The workers cannot import this project ({error}). Start them in an environment in "
            "which requirements-live.txt and requirements-scale.txt are installed, as is here."
        ) from error
    return reader.name


def _free_or_any(port: int) -> int:
    """The port, or 0 where another program has it."""
    with socket.socket() as probe:
        return port if probe.connect_ex(("127.0.0.1", port)) else 0


def _check_scheduler(address: str) -> None:
    """See that Dask's scheduler answers: its own client waits for ever on what stays silent."""

    async def ask() -> dict:
        security = Security().get_connection_args("client")
        comm = await connect(address, timeout=_PATIENCE / 2, **security)
        try:
            await comm.write({"op": "identity", "reply": True})
            return await comm.read()
        finally:
            comm.abort()

    try:
        with ThreadPoolExecutor(1) as aside:  # a notebook's own thread runs a loop already
            found = aside.submit(asyncio.run, asyncio.wait_for(ask(), _PATIENCE)).result()
        kind = found.get("type")
    except Exception as error:  # what other programs answer is almost anything
        reason = str(error) or "it stays silent"
    else:
        if kind == "Scheduler":
            return
        reason = f"that is a {kind}"
    raise ConnectionError(
        f"No scheduler of Dask answers at {address}: {reason}. Expected an address such as "
        "tcp://127.0.0.1:8786, as `dask scheduler` prints it."
    )


def _await_worker(client: Client, address: str) -> None:
    with suppress(TimeoutError):
        client.wait_for_workers(1, timeout=_JOINING)
    if not client.nthreads():
        raise ConnectionError(
            f"The scheduler at {address} has had no worker for {_JOINING:g} seconds. Start some: "
            f"dask worker {address} --nthreads 1"
        )
