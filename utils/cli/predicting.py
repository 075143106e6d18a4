"""The command that reads faces: of a photograph, of a camera, of ten thousand videos."""

import sys
from pathlib import Path

from utils import config


def add_options(command) -> None:
    """What `predict` takes."""
    command.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="image, folder of images, video, camera's index (0; Ctrl-C ends it) or stream's URL; "
        "with --out also patterns, and .txt files with one of these a line",
    )
    command.option("--model", ".keras file of this project", config.DEFAULT_MODEL)
    command.option("--csv FILE", "one row a face, kept as it is read (default: none)")
    command.option("--json FILE", "the same rows as a list of objects (default: none)")
    command.option("--video FILE", "annotated mp4 of a single video (default: none)")
    command.option("--threshold", "less confidence than this is unsure", 0.4)
    command.option("--smoothing", "seconds that answers are averaged over", 0.3)
    add_detector(command)
    command.option(
        "--whole", "take each image, or each in a folder, as one face, as FER-2013's are", False
    )
    command.option(
        "--sequence", "read a folder of numbered images, or an animated image, as a film", False
    )
    command.option("--from SECONDS", "begin of videos", 0.0, dest="start")
    command.option("--to SECONDS", "end of videos (default: theirs)", dest="end", type=float)
    command.option(
        "--every SECONDS",
        "time between two frames that are read of videos (default: every frame)",
        type=float,
    )
    command.option(
        "--patience SECONDS",
        "without an image, after which a camera or stream is given up",
        config.CAMERA_PATIENCE,
    )
    command.option(
        "--out FOLDER",
        "read many images and videos with many processes into a folder of tables; run again, it "
        "goes on (default: none)",
    )
    command.option("--format", "of the tables in --out", ("parquet", "csv"))
    command.option("--workers N", "processes for --out (default: one a core)", type=int)
    command.option(
        "--dask ADDRESS",
        "of a cluster's scheduler, whose workers read for --out (default: processes here)",
    )


def add_detector(command) -> None:
    """What finds faces; `import` asks it too."""
    command.option(
        "--detector",
        "what finds faces; `python -m utils yunet` brings the file of the second",
        ("haar", "yunet"),
    )


def predict(options) -> int:
    """read the faces of images, videos, cameras or streams, without a screen"""
    if not 0 <= options.threshold <= 1:
        raise ValueError(f"--threshold is a share from 0 to 1. Received: {options.threshold}")
    if not 0 <= options.smoothing < float("inf"):
        raise ValueError(f"--smoothing is a time of 0 s or more. Received: {options.smoothing}")
    if not 0 < options.patience < float("inf"):
        raise ValueError(f"--patience is a time above 0 s. Received: {options.patience}")
    names = ("threshold", "smoothing", "detector", "whole", "sequence", "start", "end", "every")
    settings = {name: getattr(options, name) for name in names}
    return (_read_many if options.out else _read)(options, settings)


def _read(options, settings: dict) -> int:
    from utils.live.predict import Tally, read_into
    from utils.models.predictor import load

    if options.workers is not None or options.dask:
        raise ValueError("--workers and --dask read into a folder. Name it with --out.")
    tally = Tally()
    failures = read_into(
        [tally],
        options.sources,
        load(options.model),
        csv=options.csv,
        json_file=options.json,
        video=options.video,
        patience=options.patience,
        **settings,
    )
    tally.close(complete=not failures)
    if tally.frames and not tally.faces:
        print("No face was found.")
    return _told(failures)


def _read_many(options, settings: dict) -> int:
    from utils.live.dask_reading import read_many

    if options.csv or options.json or options.video:
        raise ValueError("--out is a folder of tables; leave out --csv, --json and --video.")
    if options.workers and options.dask:
        raise ValueError("--workers are processes of this machine, --dask another's. Name one.")
    if options.workers is not None and options.workers < 1:
        raise ValueError(f"--workers is a number of at least 1. Received: {options.workers}")
    failed = read_many(
        options.sources,
        options.out,
        options.model,
        workers=options.workers,
        dask=options.dask,
        form=options.format,
        say=lambda text: print(text, file=sys.stderr),
        **settings,
    )
    print(f"{Path(options.out)} holds what was read: pandas.read_{options.format}, for one.")
    return _told([f"{source}: {reason}" for source, reason in failed.items()])


def _told(failures: list[str], most: int = 20) -> int:
    for failure in failures[:most]:
        print(failure, file=sys.stderr)
    if len(failures) > most:
        print(f"… and {len(failures) - most} more, not read either.", file=sys.stderr)
    return 1 if failures else 0
