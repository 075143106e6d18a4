"""The command that makes another project's model one of this project."""

from utils import config
from utils.files import check_outputs, check_writable


def add_options(command) -> None:
    """What `adopt` takes."""
    command.add_argument("old", help=".h5, .hdf5 or .keras file, SavedModel folder, or model.json")
    command.add_argument(
        "weights", nargs="?", help="of a model.json (default: the .h5 file beside it)"
    )
    command.add_argument(
        "--classes",
        required=True,
        type=lambda text: tuple(config.class_name(name) for name in text.split(",")),
        metavar="A,B,…",
        help="in the order of the outputs; the file does not tell (default: none)",
    )
    command.add_argument(
        "--range",
        required=True,
        metavar="RANGE",
        help="0-1, -1-1 or 0-255: of the values that it was trained on (default: none)",
    )
    command.add_argument(
        "--save", required=True, metavar="FILE", help="new .keras file (default: none)"
    )
    command.add_argument(
        "--image", metavar="FILE", help="a face to check it on (default: made-up images)"
    )


def adopt(options) -> None:
    """make a model that another project trained one of this project"""
    from utils.models.old_models import adopt_model

    check_outputs(filter(None, [options.old, options.weights, options.image]), [options.save])
    check_writable(options.save)
    file = adopt_model(
        options.old, options.classes, options.range, options.save, options.weights, options.image
    )
    print(f"{file} answers as {options.old} did, and takes images as this project prepares them.")
