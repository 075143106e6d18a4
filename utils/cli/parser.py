"""The command line: which commands there are, and what each takes."""

import argparse
import sys

from utils import config, what_to_install
from utils.cli import adopting, commands, personal, predicting
from utils.vision.yunet_file import SOURCE


class DefaultsFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Adds each option's default to its line; where that is "nothing", the line itself tells."""

    def _get_help_string(self, action):
        if action.default is None or action.default is False or action.default == []:
            return action.help
        return super()._get_help_string(action)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the process's exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a console may not know every letter of a name
            stream.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if "--range" in arguments[:-1]:  # whose -1-1 argparse would take for an option
        place = arguments.index("--range")
        arguments[place : place + 2] = ["=".join(arguments[place : place + 2])]
    options = _parser().parse_args(arguments)
    try:
        return options.command(options) or 0
    except ModuleNotFoundError as error:
        print(what_to_install(error), file=sys.stderr)
        return 1
    except (ImportError, OSError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. What was complete is kept.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m utils", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name, function):
        command = subparsers.add_parser(
            name,
            help=function.__doc__,
            description=function.__doc__,
            formatter_class=DefaultsFormatter,
        )
        command.set_defaults(command=function)
        return command

    command = add("import", commands.import_images)
    command.add_argument("source", help="zip, tar, csv or folder, as downloaded")
    command.add_argument("destination", help="new folder, such as data/fer2013")
    _add_classes(command)
    command.add_argument(
        "--validation-share",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="cut from train where the source has no validation part",
    )
    _add_seed(command, "of that cut")
    command.add_argument(
        "--format",
        metavar="NAME",
        help="ck+, ck48, ckextended, jaffe, ferg, impa, fer2013 or folders (default: recognised "
        "by the file names)",
    )
    command.add_argument(
        "--domain",
        choices=("people", "animated"),
        default="people",
        help="what class folders of your own show; the face databases say it themselves",
    )
    command.add_argument(
        "--peak-frames",
        type=int,
        choices=(1, 2, 3),
        default=3,
        help="so many last frames of each CK+ sequence show its expression",
    )
    command.add_argument(
        "--faces",
        type=int,
        nargs="?",
        const=350,
        metavar="SIZE",
        help="crop people to the face found, drawings to the centre, all to SIZE pixels (350 "
        "where none is named; default: images stay whole)",
    )
    command.add_argument(
        "--without-face",
        choices=("centre", "omit"),
        default="centre",
        help="what to do, with --faces, where no face is found",
    )
    predicting.add_detector(command)
    command.add_argument(
        "--votes",
        metavar="FILE",
        help="FER+'s fer2013new.csv, kept beside the images of FER-2013 (default: none)",
    )

    command.add_argument(
        "--password", metavar="TEXT", help="of an encrypted zip, such as FERG-DB's (default: none)"
    )

    command = add("audit", commands.audit)
    command.add_argument("folder", help="folder per class, with or without split folders")
    command.add_argument(
        "--save", metavar="FOLDER", help="write the tables there as CSV (default: print only)"
    )

    command = add("draw", commands.draw)
    command.add_argument("destination", help="new folder, such as data/animated")
    command.add_argument("--size", type=int, default=48, help="side of the images in pixels")
    _add_seed(command, "of the characters; the same one draws the same")

    command = add("train", commands.train)
    command.add_argument(
        "data",
        help="folder with train/ and validation/, a folder per class in each; or with all/, which "
        "is parted by subject",
    )
    _add_classes(command)
    command.add_argument(
        "--network", choices=("residual", "six-layer"), default="residual", help="what is trained"
    )
    command.add_argument(
        "--augmentation",
        choices=("usual", "strong"),
        default="usual",
        help="how much each image is changed at random",
    )
    command.add_argument(
        "--zoom",
        type=float,
        metavar="SHARE",
        help="enlarge or reduce by up to this share; a Haar box needs about 0.2 (default: the "
        "augmentation's own)",
    )
    command.add_argument("--epochs", type=int, default=20, help="how often each image is learned")
    command.add_argument("--batch-size", type=int, default=128, help="images a step")
    command.add_argument(
        "--learning-rate", type=float, default=1e-2, help="of the optimizer, at its highest"
    )
    command.add_argument(
        "--weight-decay", type=float, default=5e-2, help="of the optimizer, against large weights"
    )
    command.add_argument(
        "--patience", type=int, default=15, help="stop so many epochs after the best one"
    )
    command.add_argument(
        "--start",
        metavar="MODEL",
        help="begin with the weights of a model of the same trunk (default: at random)",
    )
    command.add_argument(
        "--save", metavar="FILE", help="the model goes there too (default: only to RUNS)"
    )
    command.add_argument("--size", type=int, default=48, help="side of the input in pixels")
    command.add_argument(
        "--colour", choices=("grey", "rgb"), default="grey", help="what the network is shown"
    )
    command.add_argument(
        "--margin",
        type=float,
        metavar="SHARE",
        help="shown around a found face (default: what the data set was cut with)",
    )
    command.add_argument(
        "--balance-classes", action="store_true", help="weight rare classes up (default: no)"
    )
    command.add_argument(
        "--per-class",
        type=int,
        metavar="N",
        help="train on so many images of each class (default: all)",
    )
    command.add_argument(
        "--targets",
        default="labels",
        help="learn the labels, people's votes, or a mixture: the weight of the votes, such as 0.5",
    )
    command.add_argument(
        "--corrections",
        metavar="FILE",
        help="CSV of file and class, for wrong labels (default: none)",
    )
    command.add_argument(
        "--distributed",
        action="store_true",
        help="on all devices of one machine or several, with JAX: docs/scale.md (default: one)",
    )
    command.add_argument(
        "--packed",
        action="store_true",
        help="decode all images once, into one file of .cache, and read from it (default: no)",
    )
    _add_seed(command, "of weights, order and split")
    command.add_argument("--runs", default=config.RUNS, help="folder that runs are kept in")

    adopting.add_options(add("adopt", adopting.adopt))

    command = add("evaluate", commands.evaluate)
    command.add_argument("model", help=".keras file saved by this project")
    command.add_argument("folder", help="folder per class")
    command.add_argument(
        "--votes",
        metavar="FILE",
        help="FER+'s fer2013new.csv (default: votes.csv of the data set, where it has one)",
    )
    command.add_argument(
        "--json", metavar="FILE", help="write every number there (default: print only)"
    )

    predicting.add_options(add("predict", predicting.predict))

    command = add("yunet", commands.yunet)
    command.add_argument(
        "source", nargs="?", default=SOURCE, help="address, or a file brought by hand"
    )

    personal.add_commands(add)
    add("demo", commands.demo)
    add("doctor", commands.doctor)
    return parser


def _add_classes(command) -> None:
    command.add_argument(
        "--classes",
        type=lambda text: tuple(config.class_name(name) for name in text.split(",")),
        metavar="A,B,…",
        help="take only these classes, in this order (default: all)",
    )


def _add_seed(command, what: str) -> None:
    command.add_argument("--seed", type=int, default=0, help=what)
