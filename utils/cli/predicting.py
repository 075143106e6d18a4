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
    command.add_argument(
        "--model", default=config.DEFAULT_MODEL, help=".keras file of this project"
    )
    command.add_argument(
        "--csv", metavar="FILE", help="one row a face, kept as it is read (default: none)"
    )
    command.add_argument(
        "--json", metavar="FILE", help="the same rows as a list of objects (default: none)"
    )
    command.add_argument(
        "--video", metavar="FILE", help="annotated mp4 of a single video (default: none)"
    )
    command.add_argument(
        "--threshold", type=float, default=0.4, help="less confidence than this is unsure"
    )
    command.add_argument(
        "--smoothing", type=float, default=0.3, help="seconds that answers are averaged over"
    )

    add_detector(command)
    command.add_argument(
        "--whole",
        action="store_true",
        help="take each image, or each in a folder, as one face, as FER-2013's are (default: no)",
    )
    command.add_argument(
        "--sequence",
        action="store_true",
        help="read a folder of numbered images, or an animated image, as a film (default: no)",
    )
    command.add_argument(
        "--from", dest="start", type=float, default=0.0, metavar="SECONDS", help="begin of videos"
    )
    command.add_argument(
        "--to", dest="end", type=float, metavar="SECONDS", help="end of videos (default: theirs)"
    )
    command.add_argument(
        "--every",
        type=float,
        metavar="SECONDS",
        help="time between two frames that are read of videos (default: every frame)",
    )
    command.add_argument(
        "--patience",
        type=float,
        default=config.CAMERA_PATIENCE,
        metavar="SECONDS",
        help="without an image, after which a camera or stream is given up",
    )
    command.add_argument(
        "--out",
        metavar="FOLDER",
        help="read many images and videos with many processes into a folder of tables; run again, "
        "it goes on (default: none)",
    )
    command.add_argument(
        "--format", choices=("parquet", "csv"), default="parquet", help="of the tables in --out"
    )
    command.add_argument(
        "--workers", type=int, metavar="N", help="processes for --out (default: one a core)"
    )
    command.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="of a cluster's scheduler, whose workers read for --out (default: processes here)",
    )


def add_detector(command) -> None:
    """What finds faces; `import` asks it too."""
    command.add_argument(
        "--detector",
        choices=("haar", "yunet"),
        default="haar",
        help="what finds faces; `python -m utils yunet` brings the file of the second",
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
    from utils.live.predict import read_into
    from utils.live.shared_sinks import Tally
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
