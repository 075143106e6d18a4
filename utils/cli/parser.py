"""The command line: which commands there are, and what each takes."""

import argparse
import sys

from utils import config, what_to_install
from utils.cli import commands, converting, personal, predicting
from utils.vision.yunet_file import SOURCE


class Command(argparse.ArgumentParser):
    """A command, whose options have the type of their default."""

    def option(self, flag: str, line: str, default=None, **settings) -> None:
        """Add an option.

        Args:
            flag: such as "--seed", or "--save FILE" where its value has another name than itself.
            line: of help; of an option without a default it says what happens then.
            default: False makes a switch; a tuple are choices, the first one by default.
            **settings: of `add_argument`.
        """
        if default is False:
            settings["action"] = "store_true"
            line += " (default: no)"
        elif default is not None:
            if isinstance(default, tuple):
                settings["choices"], default = default, default[0]
            if isinstance(default, int | float):
                settings["type"] = type(default)
            line += " (default: %(default)s)"
        flag, _, value = flag.partition(" ")
        if value:
            settings["metavar"] = value
        self.add_argument(flag, help=line, default=default, **settings)


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
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Command)

    def add(name, function) -> Command:
        command = subparsers.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.set_defaults(command=function)
        return command

    command = add("import", commands.import_images)
    command.add_argument("source", help="zip, tar, csv or folder, as downloaded")
    command.add_argument("destination", help="new folder, such as data/fer2013")
    _add_classes(command)
    command.option(
        "--validation-share SHARE", "cut from train where the source has no validation part", 0.1
    )
    command.option("--seed", "of that cut", 0)
    command.option(
        "--format NAME",
        "ck+, ck48, ckextended, jaffe, ferg, impa, fer2013 or folders (default: recognised by the "
        "file names)",
        dest="form",
    )
    command.option(
        "--domain",
        "what class folders of your own show; the face databases say it themselves",
        ("people", "animated"),
    )
    command.option(
        "--peak-frames", "so many last frames of each CK+ sequence show its expression", (3, 2, 1)
    )
    command.option(
        "--faces SIZE",
        "crop people to the face found, drawings to the centre, all to SIZE pixels (350 where none "
        "is named; default: images stay whole)",
        type=int,
        nargs="?",
        const=350,
        dest="face_size",
    )
    command.option(
        "--without-face", "what to do, with --faces, where no face is found", ("centre", "omit")
    )
    predicting.add_detector(command)
    command.option(
        "--votes FILE", "FER+'s fer2013new.csv, kept beside the images of FER-2013 (default: none)"
    )
    command.option("--password TEXT", "of an encrypted zip, such as FERG-DB's (default: none)")

    command = add("audit", commands.audit)
    command.add_argument("folder", help="folder per class, with or without split folders")
    command.option("--save FOLDER", "write the tables there as CSV (default: print only)")

    command = add("draw", commands.draw)
    command.add_argument("destination", help="new folder, such as data/animated")
    command.option("--size", "side of the images in pixels", 48)
    command.option("--seed", "of the characters; the same one draws the same", 0)

    command = add("train", commands.train)
    command.add_argument(
        "data",
        help="folder with train/ and validation/, a folder per class in each; or with all/, which "
        "is parted by subject",
    )
    _add_classes(command)
    command.option("--network", "what is trained", ("residual", "six-layer"))
    command.option(
        "--augmentation", "how much each image is changed at random", ("usual", "strong")
    )
    command.option(
        "--zoom SHARE",
        "enlarge or reduce by up to this share; a Haar box needs about 0.2 (default: the "
        "augmentation's own)",
        type=float,
    )
    command.option("--epochs", "how often each image is learned", 20)
    command.option("--batch-size", "images a step", 128)
    command.option("--learning-rate", "of the optimizer, at its highest", 1e-2)
    command.option("--weight-decay", "of the optimizer, against large weights", 5e-2)
    command.option("--patience", "stop so many epochs after the best one", 15)
    command.option(
        "--start MODEL", "begin with the weights of a model of the same trunk (default: at random)"
    )
    command.option("--save FILE", "the model goes there too (default: only to RUNS)")
    command.option("--size", "side of the input in pixels", 48)
    command.option("--colour", "what the network is shown", ("grey", "rgb"))
    command.option(
        "--margin SHARE",
        "shown around a found face (default: what the data set was cut with)",
        type=float,
    )
    command.option("--balance-classes", "weight rare classes up", False)
    command.option(
        "--per-class N", "train on so many images of each class (default: all)", type=int
    )
    command.option(
        "--targets",
        "learn the labels, people's votes, or a mixture: the weight of the votes, such as 0.5",
        "labels",
    )
    command.option("--corrections FILE", "CSV of file and class, for wrong labels (default: none)")
    command.option(
        "--distributed",
        "on all devices of one machine or several, with JAX: docs/scale.md; else on one",
        False,
    )
    command.option(
        "--packed", "decode all images once, into one file of .cache, and read from it", False
    )
    command.option("--seed", "of weights, order and split", 0)
    command.option("--runs", "folder that runs are kept in", config.RUNS)

    converting.add_adopt(add("adopt", converting.adopt))

    command = add("evaluate", commands.evaluate)
    command.add_argument("model", help=".keras file saved by this project")
    command.add_argument("folder", help="folder per class")
    command.option(
        "--votes FILE",
        "FER+'s fer2013new.csv (default: votes.csv of the data set, where it has one)",
    )
    command.option("--json FILE", "write every number there (default: print only)")

    predicting.add_options(add("predict", predicting.predict))

    command = add("yunet", commands.yunet)
    command.add_argument(
        "source",
        nargs="?",
        default=SOURCE,
        help="address, or a file brought by hand (default: %(default)s)",
    )

    personal.add_commands(add)
    converting.add_export(add("export", converting.export))
    add("demo", commands.demo)
    add("doctor", commands.doctor)
    return parser


def _add_classes(command: Command) -> None:
    command.option(
        "--classes A,B,…",
        "take only these classes, in this order (default: all)",
        type=converting.class_names,
        dest="class_names",
    )
