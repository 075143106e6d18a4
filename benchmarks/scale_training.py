"""Training at scale on JAX: two processes against one, and whether the input keeps up.

    python -m benchmarks.scale_training [--images 55767] [--steps 6]

All on drawn faces and this machine's CPU. "equality" trains the same network for two epochs in
one process and in two on loopback, with the same batches of all, and compares weights and logs.
"speed" trains the released kind of network, the fastest of eight epochs counting; what two
processes fall short of twice what one does with half the batch is the share of time that they
wait for each other and exchange gradients. "input" is what a core decodes, augments and reads
from a packed file, beside what it trains. "memory" packs as many images of 350 × 350 pixels as
FERG-DB has (210 drawn ones, again and again) and trains one epoch of a small network on them.
"""

import argparse
import json
import os
import socket
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.measuring import in_a_process, peak_megabytes, save
from utils.config import RESULTS

BATCH = 64
FILE = RESULTS / "scale_training.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=55_767, help="how many are packed")
    parser.add_argument("--steps", type=int, default=6, help="how many an epoch has that is timed")
    parser.add_argument("--only", help="measure this part of the file again, and keep the others")
    parser.add_argument("--batch", type=int, default=BATCH, help="of all processes, for speed")
    parser.add_argument("--contender", choices=CONTENDERS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--cores", help="such as 0 or 0,1")
    parser.add_argument("--process", type=int, help="of two, with --port")
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    if options.contender:
        os.sched_setaffinity(0, map(int, options.cores.split(",")))
        os.environ |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
        if options.process is not None:
            os.environ["KERAS_DISTRIBUTION_JOB_ADDRESSES"] = f"127.0.0.1:{options.port}"
            os.environ["KERAS_DISTRIBUTION_NUM_PROCESSES"] = "2"
            os.environ["KERAS_DISTRIBUTION_PROCESS_ID"] = str(options.process)
        print("\n" + json.dumps(CONTENDERS[options.contender](options)))
        return

    from utils.drawn.dataset import draw_dataset

    with tempfile.TemporaryDirectory() as folder:
        for size in (48, 350):
            draw_dataset(
                Path(folder, f"faces-{size}"),
                size=size,
                characters={"train": 30, "validation": 5},
                images_per_expression=1,
            )

        def run(contender, cores, *others):
            return in_a_process(
                "benchmarks.scale_training",
                *("--contender", contender, "--cores", cores, "--folder", folder),
                *("--images", str(options.images), "--steps", str(options.steps), *others),
            )

        def run_two(contender):
            port = str(_free_port())
            with ThreadPoolExecutor(2) as pool:
                both = [
                    pool.submit(run, contender, core, "--process", core, "--port", port)
                    for core in ("0", "1")
                ]
                return both[0].result()

        def speeds():
            half = run("speed", "0", "--batch", str(BATCH // 2))
            both, whole = run_two("speed"), run("speed", "0,1")
            spent = both["images_per_second"] / half["images_per_second"] / 2
            return {
                "one process on one core, half the batch": half,
                "two processes on a core each, half the batch each": both,
                "one process on two cores, the whole batch": whole,
                "share_of_time_for_the_other": 1 - spent,
            }

        parts = {
            "equality": lambda: _compared(run("equality", "0"), run_two("equality")),
            "speed": speeds,
            "input_on_one_core": lambda: run("input", "0"),
            "memory": lambda: run("memory", "0,1"),
        }
        kept = json.loads(FILE.read_text(encoding="utf-8")) if options.only else {}
        save(
            "scale_training",
            {
                name: kept[name] if options.only and name != options.only else measure()
                for name, measure in parts.items()
            },
        )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _compared(one: dict, two: dict) -> dict:
    """How far two runs are apart."""
    import numpy as np
    import pandas as pd

    from utils.models.model_file import load_model

    runs = [Path(run["run"]) for run in (one, two)]
    logs = [pd.read_csv(run / "log.csv").drop(columns="seconds") for run in runs]
    weights = [load_model(run / "epoch-002.keras")[0].get_weights() for run in runs]
    apart = [np.abs(ours - theirs).max() for ours, theirs in zip(*weights, strict=True)]
    return {
        "steps": one["steps"],
        "greatest_difference_of_a_weight": float(max(apart)),
        "greatest_weight": float(max(np.abs(values).max() for values in weights[0])),
        "greatest_difference_in_the_log": float(np.abs(logs[0] - logs[1]).to_numpy().max()),
    }


def equality(options) -> dict:
    """Two epochs as `python -m utils train` trains them; dropout and augmentation included."""
    from utils import training
    from utils.models import networks
    from utils.training.batches import Batches

    with training.joined(BATCH // 2) as team:
        train, validation, preprocessing = _task(options, 48)
        images = Batches(
            *(train, preprocessing, BATCH // 2),
            shuffle=True,
            augmentation=training.Augmentation(),
            team=team,
        )
        held_out = Batches(validation, preprocessing, BATCH // 2, team=team)
        network = networks.join(
            networks.convolutional_trunk(preprocessing, widths=(8, 16, 16, 16)),
            networks.mlp_head(len(preprocessing.class_names), units=(16,)),
        )
        settings = training.Settings(epochs=2, precision="float32")
        runs = options.folder / f"runs-of-{team.processes}"
        run = training.train(network, images, held_out, settings, runs)
        team.disband()
        return {"run": str(run.folder), "steps": 2 * len(images)}


def speed(options) -> dict:
    """Images a second of all processes together."""
    from utils import training
    from utils.models import networks
    from utils.models.backend import keras
    from utils.training.batches import Batches

    class Watch(keras.callbacks.Callback):
        rates = ()  # images a second of each epoch

        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.rates += (len(images.table) / (time.perf_counter() - self.started),)

    with training.joined(options.batch) as team:
        train, _, preprocessing = _task(options, 48, count=options.steps * options.batch)
        images = Batches(
            *(train, preprocessing, options.batch),
            shuffle=True,
            augmentation=training.Augmentation(),
            team=team,
        )
        keras.utils.set_random_seed(0)  # the same weights in all
        with team.scope():
            worker = _compiled(networks.residual_network(preprocessing))
            watch = Watch()
            worker.fit(images, epochs=9, verbose=0, callbacks=[watch])
        team.disband()
    # The first epoch compiles; whatever else the machine does disturbs the fastest least.
    rates = watch.rates[1:]
    return {"images_per_second": max(rates), "slowest_images_per_second": min(rates)}


def input_(options) -> dict:
    """What one core does in a second, at FER-2013's size and at 350 pixels."""
    from utils import training
    from utils.models import networks
    from utils.training.batches import Batches

    found = {}
    for size, batch, steps in ((48, BATCH, options.steps), (350, 8, 4)):
        train, _, preprocessing = _task(options, size)
        packed = training.pack(train, preprocessing, options.folder)
        settings = {"shuffle": True, "augmentation": training.Augmentation()}
        rates = {
            "decoded_images_per_second": _rate(Batches(train, preprocessing, batch, **settings)),
            "packed_images_per_second": _rate(Batches(packed, preprocessing, batch, **settings)),
            "packed_and_not_augmented": _rate(Batches(packed, preprocessing, batch)),
        }
        head = networks.mlp_head(len(preprocessing.class_names), (128,), pool=True)
        worker = _compiled(networks.join(networks.residual_trunk(preprocessing), head))
        images, wanted = Batches(packed, preprocessing, batch)[0]
        worker.train_on_batch(images, wanted)
        start = time.perf_counter()
        for _ in range(steps):
            worker.train_on_batch(images, wanted)
        rates["trained_images_per_second"] = steps * batch / (time.perf_counter() - start)
        found[f"at {size} pixels"] = rates
    return found


def memory(options) -> dict:
    """One epoch on as many images as FERG-DB has, from a packed file."""
    from utils import training
    from utils.models import networks
    from utils.models.backend import keras
    from utils.training.batches import Batches

    train, _, preprocessing = _task(options, 350, count=options.images)
    start = time.perf_counter()
    packed = training.pack(train, preprocessing, options.folder)
    pack_seconds = time.perf_counter() - start
    images = Batches(packed, preprocessing, shuffle=True, augmentation=training.Augmentation())
    trunk = keras.Sequential(
        [keras.Input(preprocessing.input_shape), keras.layers.Conv2D(4, 8, strides=8)],
        name="trunk",
    )
    head = networks.mlp_head(len(preprocessing.class_names), units=(), pool=True)
    worker = _compiled(networks.join(trunk, head))
    start = time.perf_counter()
    worker.fit(images, verbose=0)
    return {
        "images": len(train),
        "pack_seconds": pack_seconds,
        "pack_mb": Path(packed["pack"].iat[0]).stat().st_size / 1e6,
        "epoch_images_per_second": len(train) / (time.perf_counter() - start),
        "peak_mb": peak_megabytes(),
    }


CONTENDERS = {"equality": equality, "speed": speed, "input": input_, "memory": memory}


def _task(options, size: int, count: int | None = None):
    """Training and validation images, the former so often that they are so many."""
    import numpy as np

    from utils import datasets
    from utils.config import CLASS_NAMES
    from utils.vision.preprocessing import Preprocessing

    table = datasets.find_images(options.folder / f"faces-{size}")
    train, validation = (datasets.split_of(table, split) for split in ("train", "validation"))
    train = train.iloc[np.arange(count or len(train)) % len(train)].reset_index(drop=True)
    return train, validation, Preprocessing(CLASS_NAMES, size)


def _compiled(network):
    from utils.models.backend import fastest_precision
    from utils.models.rebuilding import rebuild
    from utils.training.optimizer import Muon

    worker = rebuild(network, fastest_precision())
    worker.compile(Muon(), "categorical_crossentropy")
    return worker


def _rate(images) -> float:
    """Images a second of a whole pass, the faster of two."""
    best = 0.0
    for _ in range(2):
        start = time.perf_counter()
        count = sum(len(images[index][0]) for index in range(len(images)))
        best = max(best, count / (time.perf_counter() - start))
    return best


if __name__ == "__main__":
    main()
