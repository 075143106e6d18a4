"""Commands that make another project's model one of this, and one of this another runtime's."""

from utils import config
from utils.files import check_outputs, check_writable


def adopt(options) -> None:
    """make a model that another project trained one of this project"""
    from utils.models.old_models import adopt_model

    check_outputs(filter(None, [options.old, options.weights, options.image]), [options.save])
    check_writable(options.save)
    file = adopt_model(
        options.old, options.classes, options.range, options.save, options.weights, options.image
    )
    print(f"{file} answers as {options.old} did, and takes images as this project prepares them.")


def export(options) -> None:
    """write a model for another runtime, and check it there"""
    import tempfile

    import numpy as np

    from utils.datasets.table import find_images
    from utils.drawn.dataset import draw_dataset
    from utils.models.export import export_model
    from utils.models.metadata import read_preprocessing
    from utils.models.web_page import export_page
    from utils.vision.images import read_image
    from utils.vision.preprocessing import prepare

    preprocessing = read_preprocessing(options.model)
    with tempfile.TemporaryDirectory() as folder:
        if options.faces is None:
            folder = f"{folder}/drawn"
            drawn = {"characters": {"validation": 72}, "images_per_expression": 1}
            draw_dataset(folder, **drawn, progress=False)
        files = find_images(options.faces or folder)["file"]
        if len(files) > options.most:
            files = files.sample(options.most, random_state=0)
        faces = np.stack([prepare(read_image(file), preprocessing) for file in files])
    if options.to == "web":
        print(export_page(options.model, options.save, options.runtime, faces))
    else:
        print(export_model(options.model, options.to, options.save, faces, options.precision))


def add_adopt(command) -> None:
    """What `adopt` takes."""
    command.add_argument("old", help=".h5, .hdf5 or .keras file, SavedModel folder, or model.json")
    command.add_argument(
        "weights", nargs="?", help="of a model.json (default: the .h5 file beside it)"
    )
    command.option(
        "--classes A,B,…",
        "in the order of the outputs; the file does not tell (default: none)",
        required=True,
        type=class_names,
    )
    command.option(
        "--range RANGE",
        "0-1, -1-1 or 0-255: of the values that it was trained on (default: none)",
        required=True,
    )
    command.option("--save FILE", "new .keras file (default: none)", required=True)
    command.option("--image FILE", "a face to check it on (default: made-up images)")


def add_export(command) -> None:
    """What `export` takes."""
    command.add_argument("model", help=".keras file saved by this project")
    command.option(
        "--to",
        "the format (default: none, name it)",
        required=True,
        choices=("onnx", "litert", "openvino", "saved-model", "web"),
    )
    command.option("--save FILE", "where to write it (default: none, name it)", required=True)
    command.option(
        "--precision",
        "of the weights; float32 that answers otherwise than Keras is refused",
        ("float32", "float16", "int8"),
    )
    command.option("--faces FOLDER", "folder per class to check it with (default: drawn ones)")
    command.option(
        "--runtime FILE", "for web, the .tgz of `npm pack onnxruntime-web` (default: none, name it)"
    )
    command.option("--most", "faces to check with at most", 1000)


def class_names(text: str) -> tuple[str, ...]:
    """The project's names of classes that are told apart by commas."""
    return tuple(config.class_name(name) for name in text.split(","))
