"""Training on all devices of a machine, or of several: Keras on JAX.

Each process runs the same program, reads its own rows of every batch, and takes the same step
with the same weights. The first one alone writes; what all of them see has to be the same.
"""

import json
import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np

from utils.files import digest
from utils.models.backend import keras

VARIABLES = tuple(
    f"KERAS_DISTRIBUTION_{name}" for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")
)


@dataclass(frozen=True)
class Team:
    """The processes that train one network together.

    Attributes:
        process: which of them this is, from 0.
        processes: how many they are.
        devices: how many all of them have together.
        distribution: Keras's, over all devices; None for a single one.
    """

    process: int = 0
    processes: int = 1
    devices: int = 1
    distribution: keras.distribution.DataParallel | None = None

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.process == 0

    def scope(self):
        """What is made in it lies on all devices; all processes have to do the same in it."""
        return self.distribution.scope() if self.distribution else nullcontext()

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Inside `scope`: what this process does alone, such as writing a file."""
        if not self.distribution:
            yield
            return
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(self.distribution)

    def rows(self, batch: np.ndarray) -> np.ndarray:
        """This process's part of the rows of a batch, whose number the devices divide."""
        return np.split(batch, self.processes)[self.process]

    def evaluate(self, model: keras.Model, images) -> dict[str, float]:
        """A compiled model's loss and metrics on all images, each read by one process.

        Args:
            model: made in `scope`, which this is called in.
            images: a `batches.Batches` of this team, not shuffled; alone, anything Keras takes.
        """
        if self.devices == 1:
            return model.evaluate(images, verbose=0, return_dict=True)
        count = len(images.table)
        whole = count - count % self.devices
        # The few that do not divide count alike when every device has each of them.
        few = np.repeat(np.arange(whole, count), self.devices)
        sums = Counter()
        for rows, number in ((np.arange(whole), whole), (few, count - whole)):
            if number:
                values = model.evaluate(images.part(rows), verbose=0, return_dict=True)
                sums.update({name: number * value for name, value in values.items()})
        return {name: total / count for name, total in sums.items()}

    def check_same(self, parts: dict) -> None:
        """See that all processes are about to do the same; all of them have to call it.

        Args:
            parts: values that JSON can hold, by what they are called in the error.

        Raises:
            ValueError: in each process, if any has something else.
        """
        if self.processes == 1:
            return
        from jax.experimental.multihost_utils import process_allgather

        texts = [json.dumps(value, sort_keys=True, default=str) for value in parts.values()]
        ours = np.array([list(bytes.fromhex(digest(text))) for text in texts], np.uint8)
        differs = (process_allgather(ours) != ours).any(axis=(0, 2))
        if differs.any():
            names = [name for name, other in zip(parts, differs, strict=True) if other]
            raise ValueError(
                f"The processes do not train the same: {' and '.join(names)} differ between them. "
                f"Received in process {self.process}: {texts[int(differs.argmax())][:300]}. Give "
                "all of them the same options, and folders for data and runs that all machines see."
            )

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.processes > 1:
            from jax.experimental.multihost_utils import sync_global_devices

            sync_global_devices("all here")

    def disband(self) -> None:
        """End what is done together; from here on the first process goes on alone."""
        if self.processes > 1:
            import jax

            jax.distributed.shutdown()


ALONE = Team()


@contextmanager
def joined(batch_size: int, patience: float = 120) -> Iterator[Team]:
    """Join all processes that train together, or, with none but this one, all its devices.

    Keras's own environment variables (`VARIABLES`) say which processes there are, or what JAX finds
    out by itself from SLURM, Open MPI or a cloud's TPUs. Nothing may have asked JAX for its devices
    before. An error inside ends this process at once where there are others, for an ordinary end
    would wait for them while they wait for this one.

    Args:
        batch_size: of all devices together.
        patience: seconds until all processes must have come. Where one has not, this process says
            so and ends: JAX offers no other way out of its waiting.

    Raises:
        ValueError: another backend than JAX, environment variables that do not fit together, or a
            batch that the devices do not divide.
        OSError: the first process cannot listen at its address.
    """
    if keras.backend.backend() != "jax":
        raise ValueError(
            "Several devices are trained on with JAX. Received the backend "
            f"{keras.backend.backend()}. Set KERAS_BACKEND=jax, and see docs/scale.md."
        )
    import jax

    # Its notifier keeps SIGTERM, by which schedulers end a job, from ending the process.
    jax.config.update("jax_enable_preemption_service", False)
    connect(patience)
    try:
        yield _team(batch_size)
    except BaseException as error:
        if jax.process_count() == 1:
            raise
        last = jax.process_index() == 0  # without it, JAX ends the others before they have spoken
        _leave(_said(error), 130 if isinstance(error, KeyboardInterrupt) else 1, 3 if last else 0)


def connect(patience: float) -> None:
    """Join the other processes, if there are any; it raises what `joined` does."""
    import jax

    given = [os.environ.get(name) for name in VARIABLES]
    if any(given) and not all(given):
        raise ValueError(
            f"Either all or none of {', '.join(VARIABLES)} are to be set. Received: {given}."
        )
    addresses, count, process = given
    if any(given) and not (count.isdecimal() and process.isdecimal() and ":" in addresses):
        raise ValueError(
            f"{', '.join(VARIABLES)} are a HOST:PORT, a count and a number from 0. "
            f"Received: {given}."
        )
    address = addresses and addresses.split(",")[0]
    text = (
        f"Not all {count or ''} processes came within {patience:g} s; this is number "
        f"{process or 'known to the scheduler only'}. Start every one of them with the same "
        f"count and the same address{f' (here {address})' if address else ''}, which is that of "
        "number 0 and has to be reachable, and each with a number of its own."
    )
    # JAX itself would end the process without a word of Python's when its time is over.
    watch = threading.Timer(patience, _leave, [text, 1])
    watch.daemon = True
    watch.start()
    try:
        jax.distributed.initialize(
            address,
            count and int(count),
            process and int(process),
            initialization_timeout=int(patience) + 60,
            # It would listen on all interfaces otherwise.
            coordinator_bind_address=address
            if address and address.startswith(("127.", "localhost:"))
            else None,
        )
    except ValueError as error:
        if any(given) or "coordinator_address" not in str(error):
            raise
        return  # no cluster that JAX knows: this process is the only one
    except RuntimeError as error:
        raise OSError(f"The processes could not be joined at {address}: {error}") from error
    finally:
        watch.cancel()
    # The first exchange makes the connections, and fails where one is 30 s later than another.
    from jax.experimental.multihost_utils import sync_global_devices

    sync_global_devices("joined")


def _team(batch_size: int) -> Team:
    import jax

    each = Counter(device.process_index for device in jax.devices())
    devices, processes = jax.device_count(), jax.process_count()
    if len(set(each.values())) > 1:
        raise ValueError(
            "Every process has to have as many devices as any other. Received: "
            f"{', '.join(map(str, each.values()))}."
        )
    if batch_size % devices:
        below = batch_size // devices * devices
        raise ValueError(
            f"{devices} devices cannot share a batch of {batch_size} images evenly. Choose a "
            f"--batch-size that they divide, such as {below or devices} or {below + devices}."
        )
    if jax.process_index() == 0:
        kind = jax.devices()[0].device_kind
        print(f"Training on {devices} × {kind} in {processes} process(es)", flush=True)
    if devices == 1:
        return ALONE
    distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
    return Team(jax.process_index(), processes, devices, distribution)


def _said(error: BaseException) -> str:
    """What a person has to know of an error."""
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted. What was complete is kept."
    if "Gloo" in str(error):
        return (
            "Another process of this training has ended, and so does this one. What the other "
            "said tells why. Start all of them again: they go on after the last whole epoch."
        )
    if isinstance(error, ImportError | OSError | ValueError):
        return f"{type(error).__name__}: {error}"
    return "".join(traceback.format_exception(error))


def _leave(text: str, status: int, seconds: float = 0) -> None:
    """End this process, some seconds after its last word, whatever the others do."""
    print(text, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(seconds)
    os._exit(status)
