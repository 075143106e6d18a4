"""The same work without a notebook: ``python -m utils COMMAND --help``."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from utils import config


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the process's exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options) or 0
    except (ImportError, OSError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. What was complete is kept.", file=sys.stderr)
        return 130


def import_pictures(options) -> None:
    """sort a download into a folder per class"""
    from utils.importing.importer import import_dataset

    print(
        import_dataset(
            options.source,
            options.destination,
            class_names=options.classes,
            validation_share=options.validation_share,
            seed=options.seed,
            form=options.format,
            peak_frames=options.peak_frames,
            face_size=options.faces,
            without_face=options.without_face,
        )
    )


def audit_pictures(options) -> None:
    """look for copies, leaks between splits, conflicting labels and blank pictures"""
    from utils.datasets.audit import audit
    from utils.datasets.table import find_pictures

    report = audit(find_pictures(options.folder))
    print(report)
    if options.save:
        report.save(options.save)


def draw(options) -> None:
    """draw the embedded data set of cartoon faces"""
    from utils.datasets.table import count_classes, find_pictures
    from utils.drawn.dataset import draw_dataset

    draw_dataset(options.destination, size=options.size, seed=options.seed)
    print(count_classes(find_pictures(options.destination)))


def train(options) -> None:
    """train a network; run it again to go on after an interruption"""
    from utils import datasets, training
    from utils.datasets import splits
    from utils.files import check_outputs, check_writable, copy_file
    from utils.models import networks
    from utils.models.model_file import save_model
    from utils.training import calibration, distillation
    from utils.training.augmentation import STRONG, Augmentation
    from utils.training.batches import Pictures
    from utils.vision.preprocessing import Preprocessing

    if options.save:
        check_outputs([*options.teachers, *filter(None, [options.start])], [options.save])
        check_writable(options.save)
        if Path(options.save).suffix != ".keras":
            raise ValueError(f"--save names a file that ends in .keras. Received: {options.save}")
    if options.zoom is not None and not 0 <= options.zoom < 1:
        raise ValueError(f"--zoom is a share from 0 to below 1. Received: {options.zoom}")
    if not options.teachers and (options.variants or options.share is not None):
        raise ValueError("--share and --variants say how models teach. Name these with --teachers.")
    table = datasets.find_pictures(options.data, options.classes)
    table = splits.split_table(table, "grouped", options.seed)
    classes = options.classes or datasets.class_order(table)
    preprocessing = Preprocessing(
        classes, size=options.size, colour=options.colour, margin=options.margin
    )
    learn = datasets.split_of(table, "train")
    if options.per_class is not None:
        learn = datasets.balanced_subset(learn, options.per_class, options.seed)
    settings = training.Settings(
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        label_smoothing=0.0 if options.teachers else 0.1,  # a teacher smooths better
        patience=options.patience,
        balance_classes=options.balance_classes,
        seed=options.seed,
    )
    makers = {
        "residual": networks.residual_network,
        "wide": networks.wide_residual_network,
        "six-layer": networks.six_layer_network,
    }
    network = makers[options.network](preprocessing)
    augmentation = STRONG if options.augmentation == "strong" else Augmentation()
    if options.zoom is not None:
        augmentation = replace(augmentation, zoom=options.zoom)
    stream = (
        *(learn, preprocessing, options.batch_size, True, augmentation),
        *(options.seed, options.mixing),
    )
    pictures = (
        distillation.TaughtPictures(
            *stream,
            teachers=options.teachers,
            share=0.5 if options.share is None else options.share,
            variants=options.variants,
        )
        if options.teachers
        else Pictures(*stream)
    )
    held_out = Pictures(datasets.split_of(table, "validation"), preprocessing)
    run = training.train(
        network,
        pictures,
        held_out,
        settings,
        runs=options.runs,
        name=Path(options.data).resolve().name,
        start=options.start,
    )
    best = run.log.iloc[run.best_epoch - 1]
    print(f"Best epoch {run.best_epoch}: validation accuracy {best['val_accuracy']:.2%}")
    views = calibration.views_of(network, held_out)
    temperature = calibration.calibrate(network, held_out.labels, views)
    print(f"Temperature {temperature:.3f}, fitted on the validation part")
    # As in the notebook, what is kept answers with the mean over a face and its mirror image.
    saved = save_model(networks.mirrored(network), preprocessing, run.folder / "model.keras")
    print(saved)
    if options.save:
        copy_file(saved, options.save)


def evaluate(options) -> None:
    """measure a saved model on a folder per class"""
    from utils.datasets.table import find_pictures
    from utils.files import check_outputs, check_writable, file_digest, write_json
    from utils.models.predictor import load
    from utils.training import evaluation
    from utils.training.batches import Pictures

    predictor = load(options.model)
    table = find_pictures(options.folder)
    if options.json:
        check_outputs([options.model, *table["file"]], [options.json])
        check_writable(options.json)
    splits = sorted(set(table["split"]))
    if len(splits) > 1:
        raise ValueError(
            f"{options.folder} holds several splits ({', '.join(splits)}). "
            f"Name one of them, such as {Path(options.folder) / splits[-1]}."
        )
    known = table["class"].isin(predictor.class_names)
    if not known.all():
        others = ", ".join(sorted(set(table.loc[~known, "class"])))
        print(f"Left out {(~known).sum()} pictures of classes the model does not know: {others}.")
    pictures = Pictures(table[known], predictor.preprocessing)
    probabilities = predictor.predict_pictures(pictures)
    metrics = evaluation.evaluate(pictures.labels, probabilities, predictor.class_names)
    print(evaluation.per_class_table(metrics).round(3).to_string())
    print(evaluation.bootstrap_intervals(pictures.labels, probabilities).round(4).to_string())
    if options.json:
        write_json(Path(options.json), {"model_digest": file_digest(options.model), **metrics})


def predict(options) -> int:
    """read the faces of pictures, videos, cameras or streams, without a screen"""
    from utils.live.predict import read_sources
    from utils.models.predictor import load

    if not 0 <= options.threshold <= 1:
        raise ValueError(f"--threshold is a share from 0 to 1. Received: {options.threshold}")
    if not 0 <= options.smoothing < float("inf"):
        raise ValueError(f"--smoothing is a time of 0 s or more. Received: {options.smoothing}")
    table, failures = read_sources(
        options.sources,
        load(options.model),
        csv=options.csv,
        json_file=options.json,
        video=options.video,
        threshold=options.threshold,
        smoothing=options.smoothing,
    )
    for source, labels in table.groupby("source", sort=False)["label"]:
        counts = ", ".join(f"{label} {count}" for label, count in labels.value_counts().items())
        print(f"{source}: {len(labels)} readings of a face: {counts}")
    if table.empty:
        print("No face was found.")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def demo(options) -> None:
    """run both notebooks on the embedded data set and say where everything is"""
    from utils.cli.notebooks import run_demo

    run_demo(config.RESULTS / "demo")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m utils", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name, function):
        command = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.set_defaults(command=function)
        return command

    command = add("import", import_pictures)
    command.add_argument("source", help="zip, tar, csv or folder, as downloaded")
    command.add_argument("destination", help="new folder, such as data/fer2013")
    _add_classes(command)
    command.add_argument("--validation-share", type=float, default=0.1)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--format",
        metavar="NAME",
        help="ck+, ck48, ckextended, jaffe, ferg, impa, fer2013 or folders; else recognised",
    )
    command.add_argument(
        "--peak-frames", type=int, choices=(1, 2, 3), default=3, help="of each CK+ sequence"
    )
    command.add_argument(
        "--faces",
        type=int,
        nargs="?",
        const=350,
        metavar="SIZE",
        help="crop people to the face found, drawings to the centre, all to SIZE pixels (350)",
    )
    command.add_argument(
        "--without-face",
        choices=("centre", "omit"),
        default="centre",
        help="what to do, with --faces, where no face is found",
    )

    command = add("audit", audit_pictures)
    command.add_argument("folder", help="folder per class, with or without split folders")
    command.add_argument("--save", metavar="FOLDER", help="write the tables there as CSV")

    command = add("draw", draw)
    command.add_argument("destination", help="new folder, such as data/animated")
    command.add_argument("--size", type=int, default=48)
    command.add_argument("--seed", type=int, default=0)

    command = add("train", train)
    command.add_argument(
        "data",
        help="folder with train/ and validation/, a folder per class in each; or with all/, which "
        "is parted by subject",
    )
    _add_classes(command)
    command.add_argument("--network", choices=("residual", "wide", "six-layer"), default="residual")
    command.add_argument("--augmentation", choices=("usual", "strong"), default="usual")
    command.add_argument(
        "--zoom", type=float, help="the augmentation's, else its own; a Haar box needs about 0.2"
    )
    command.add_argument(
        "--mixing", type=float, default=0.0, help="mixup: beta distribution's parameter (0: none)"
    )
    command.add_argument("--epochs", type=int, default=20)
    command.add_argument("--batch-size", type=int, default=128)
    command.add_argument("--learning-rate", type=float, default=1e-2)
    command.add_argument("--weight-decay", type=float, default=5e-2)
    command.add_argument(
        "--patience", type=int, default=15, help="stop so many epochs after the best one (15)"
    )
    command.add_argument(
        "--teachers",
        nargs="+",
        default=(),
        metavar="MODEL",
        help="learn from these models' mean answer as well as from the labels",
    )
    command.add_argument("--share", type=float, help="of the teachers' answer in the target (0.5)")
    command.add_argument(
        "--variants",
        type=int,
        default=0,
        help="after so many epochs their changes come again, which spares the teachers (0: never)",
    )
    command.add_argument(
        "--start", metavar="MODEL", help="begin with the weights of a model of the same trunk"
    )
    command.add_argument(
        "--save", metavar="FILE", help="the model goes there too, not only to RUNS"
    )
    command.add_argument("--size", type=int, default=48, help="side of the input in pixels")
    command.add_argument("--colour", choices=("grey", "rgb"), default="grey")
    command.add_argument(
        "--margin", type=float, default=0.0, help="around a found face; 0.125 for drawn faces"
    )
    command.add_argument("--balance-classes", action="store_true", help="weight rare classes up")
    command.add_argument("--per-class", type=int, help="train on so many pictures of each class")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--runs", default=config.RUNS, help="folder that runs are kept in")

    command = add("evaluate", evaluate)
    command.add_argument("model", help=".keras file saved by this project")
    command.add_argument("folder", help="folder per class")
    command.add_argument("--json", metavar="FILE", help="write every number there")

    command = add("predict", predict)
    command.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="picture, video, folder of pictures (read as the frames of a film; name the files "
        "to read each as a still), camera's index (0; Ctrl-C ends it) or stream's URL",
    )
    command.add_argument("--model", default=config.MODELS / "fer2013.keras")
    command.add_argument("--csv", metavar="FILE", help="one row a face, kept as it is read")
    command.add_argument("--json", metavar="FILE", help="the same rows as a list of objects")
    command.add_argument("--video", metavar="FILE", help="annotated mp4 of a single video")
    command.add_argument(
        "--threshold", type=float, default=0.4, help="less confidence than this is unsure (0.4)"
    )
    command.add_argument(
        "--smoothing", type=float, default=0.3, help="seconds that answers are averaged over (0.3)"
    )

    add("demo", demo)
    return parser


def _add_classes(command) -> None:
    command.add_argument(
        "--classes",
        type=lambda text: tuple(config.class_name(name) for name in text.split(",")),
        metavar="A,B,…",
        help="take only these classes, in this order",
    )
