"""What reading with many processes costs, and where a hundred of them would wait.

python -m benchmarks.scale PHOTOS VIDEO

PHOTOS is a folder of photographs, VIDEO a video; both are read several times over. Writes
results/scale.json and results/scale.png.
"""

import argparse
import json
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import matplotlib.pyplot as plt
import pandas as pd
import psutil
from dask.distributed import Client, LocalCluster

from benchmarks.measuring import in_a_process, save
from utils.config import DEFAULT_MODEL, RESULTS
from utils.live.dask_cluster import cluster
from utils.live.dask_reading import read_many
from utils.live.predict import read_sources
from utils.models.predictor import load
from utils.progress import progress_bar
from utils.vision.yunet_file import find_yunet

DETECTORS = ("haar", "yunet")
WORKERS = (1, 10, 50, 100, 200)
CLIPS = 4  # copies of the video, so that two processes have the same to do


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--alone", choices=DETECTORS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(_alone(options.photos, options.video, options.alone)))
        return
    values = {
        "reading": {
            name: _read(options.photos, options.video, name)
            for name in DETECTORS
            if name == "haar" or _finds_yunet()
        },
        "engine": _engine(),
    }
    terms = _terms(values["reading"]["haar"], values["engine"])
    values |= {"terms": terms, "cost": _cost(terms)}
    piece = 100 * terms["still_s"]
    values["simulation"] = {
        f"tasks_of_{seconds:.1f}_seconds": _simulated(seconds) for seconds in (piece / 10, piece)
    }
    _plot(values["simulation"])
    save("scale", values, model=DEFAULT_MODEL)


def _finds_yunet() -> bool:
    """`python -m utils yunet` brings its file."""
    try:
        return bool(find_yunet())
    except FileNotFoundError:
        return False


def _alone(photos: Path, video: Path, detector: str) -> dict:
    """One process with as many threads as it likes, as `predict` reads without --out."""
    predictor, told = load(), {}
    for name, sources, unit in (
        ("stills", [photos], len(list(photos.iterdir()))),
        ("frames", [video], int(cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT))),
    ):
        began, cpu = time.perf_counter(), time.process_time()
        read_sources(sources, predictor, progress=False, detector=detector, say=lambda text: None)
        told[f"{name}_a_second"] = unit / (time.perf_counter() - began)
        told[f"cpu_ms_a_{name[:-1]}"] = 1000 * (time.process_time() - cpu) / unit
    return told


def _read(photos: Path, video: Path, detector: str) -> dict:
    """Stills and frames a second of one process as before, and of one and two of Dask's."""
    rates = {
        "one_process_all_threads": in_a_process(
            "benchmarks.scale", str(photos), str(video), "--alone", detector
        )
    }
    with TemporaryDirectory() as place:
        clips = Path(place, "clips")
        clips.mkdir()
        for number in range(CLIPS):
            shutil.copy(video, clips / f"{number}{video.suffix}")
        for workers in (1, 2):
            with cluster(workers=workers) as client:
                rates[f"workers_{workers}"] = {
                    **_rate(photos, Path(place, f"stills-{workers}"), client, detector, "stills"),
                    **_rate(clips, Path(place, f"frames-{workers}"), client, detector, "frames"),
                    "megabytes_a_worker": max(client.run(_peak).values()),
                }
        rates["bytes_read_a_still"] = _mean(file.stat().st_size for file in photos.iterdir())
        rates["files_equal"] = all(
            file.read_bytes() == Path(place, "stills-2", file.name).read_bytes()
            for file in Path(place, "stills-1").glob("*.parquet")
        )
    return rates | _ratios(rates)


def _ratios(rates: dict) -> dict:
    """How many times as fast two workers are, and could be: the cores slow each other down."""
    alone, one, two = (rates[who] for who in ("one_process_all_threads", "workers_1", "workers_2"))
    ratios = {}
    for unit in ("stills", "frames"):
        rate, busy = f"{unit}_a_second", f"busy_ms_a_{unit[:-1]}"
        ratios |= {
            f"{unit}_two_workers_to_one": two[rate] / one[rate],
            f"{unit}_two_workers_to_one_at_most": 2 * one[busy] / two[busy],
            f"{unit}_two_workers_to_one_process": two[rate] / alone[rate],
        }
    return ratios


def _rate(source: Path, folder: Path, client: Client, detector: str, unit: str) -> dict:
    settings = {"detector": detector, "threshold": 0.4}
    address = client.scheduler.address
    # A first reading brings the model and loads what the second one uses.
    first = next(source.iterdir())
    read_many(
        [first], folder.with_name(f"first-{folder.name}"), dask=address, progress=False, **settings
    )
    began = time.perf_counter()
    read_many([source], folder, dask=address, progress=False, say=lambda text: None, **settings)
    wall = time.perf_counter() - began
    told = pd.concat(map(pd.read_csv, folder.glob("_sources/*.csv")))
    return {
        f"{unit}_a_second": told["frames"].sum() / wall,
        f"busy_ms_a_{unit[:-1]}": 1000 * told["seconds"].sum() / told["frames"].sum(),
    }


def _peak() -> float:
    return psutil.Process().memory_info().rss / 1e6


def _mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def _engine() -> dict:
    """What Dask spends: on starting, on a task, and how many it deals out at most."""
    began = time.perf_counter()
    with cluster(workers=2) as client:
        told = {"start_s": time.perf_counter() - began}
        for seconds, count in ((0.1, 200), (10.0, 4)):
            wall = _sleep(client, seconds, count)
            told[f"overhead_ms_a_task_of_{seconds:g}_s"] = 1000 * (2 * wall / count - seconds)
        told["empty_tasks_a_second"] = 2000 / _sleep(client, 0, 2000)
    return told


def _sleep(client: Client, seconds: float, count: int) -> float:
    """Wall seconds of so many tasks that sleep."""
    began = time.perf_counter()
    client.gather(client.map(lambda _: time.sleep(seconds), range(count), pure=False))
    return time.perf_counter() - began


def _terms(reading: dict, engine: dict) -> dict:
    return {
        "still_s": reading["workers_2"]["busy_ms_a_still"] / 1000,
        "frame_s": reading["workers_2"]["busy_ms_a_frame"] / 1000,
        "task_s": engine["overhead_ms_a_task_of_0.1_s"] / 1000,
        "bytes_a_still": reading["bytes_read_a_still"],
    }


def _cost(terms: dict) -> dict:
    """Hours of one core; workers divide them as far as the simulation goes."""
    stills = 1e6 * terms["still_s"] + 1e6 / 100 * terms["task_s"]
    return {
        "formula_stills": "million stills = (1e6 × still_s + 1e4 × task_s) / 3600 core hours",
        "formula_video": "thousand hours = 3.6e6 × frames a second × frame_s / 3600 core hours",
        "core_hours_a_million_stills": stills / 3600,
        "core_hours_a_thousand_hours_of_video_at_25_frames": 3.6e6 * 25 * terms["frame_s"] / 3600,
        "core_hours_a_thousand_hours_of_video_at_1_frame": 3.6e6 * terms["frame_s"] / 3600,
        "megabytes_a_second_that_100_workers_read_of_stills": (
            100 * terms["bytes_a_still"] / terms["still_s"] / 1e6
        ),
    }


def _simulated(seconds: float) -> dict:
    """Workers that sleep as long as a piece takes, in one process with their scheduler."""
    shares = {}
    for count in progress_bar(WORKERS, desc="simulation"):
        with (
            LocalCluster(
                n_workers=count, threads_per_worker=1, processes=False, dashboard_address=None,
                memory_limit=0, silence_logs=50,
            ) as local,
            Client(local) as client,
        ):  # fmt: skip
            _sleep(client, 0, 2 * count)
            wall = _sleep(client, seconds, 4 * count)
        shares[f"busy_share_of_{count}_workers"] = 4 * seconds / wall
    return shares


def _plot(simulation: dict) -> None:
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for name, shares in simulation.items():
        axes.plot(
            WORKERS, [100 * share for share in shares.values()], "o-", label=name.replace("_", " ")
        )
    axes.set(xlabel="workers", ylabel="time spent reading (%)", ylim=(0, 105), xscale="log")
    axes.set_xticks(WORKERS, WORKERS)
    axes.legend(title="simulated with", frameon=False)
    axes.grid(alpha=0.3)
    figure.savefig(RESULTS / "scale.png", dpi=150)


if __name__ == "__main__":
    main()
