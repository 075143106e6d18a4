"""Commands for one person's face, and for taking a model elsewhere."""

from utils import config


def record(options) -> None:
    """keep a face of a video or camera as images of a class, to personalise a model with"""
    from utils.live.loop import read_live
    from utils.live.recording import GuidedRound, TakeRecorder
    from utils.models.predictor import load

    if (options.expression is None) != options.guided:
        raise ValueError("Name one class with --class, or be led through all with --guided.")
    predictor = load(options.model)
    margin = predictor.preprocessing.margin
    recorder = TakeRecorder(options.folder, options.subject, margin)
    sinks = [recorder]
    if options.guided:
        classes = sorted(predictor.class_names, key=lambda name: name != "neutral")
        sinks.insert(0, GuidedRound(recorder, classes, lambda text: print(f"\a{text}")))
    else:
        recorder.hold(options.expression)
    table = read_live(options.source, predictor, sinks)
    if table.empty:
        print("No face was found; nothing was kept.")
    counts = ", ".join(f"{name} {count}" for name, count in recorder.counts().items())
    print(f"{options.folder} holds of {recorder.subject}: {counts or 'nothing'}")


def recordings(options) -> None:
    """say whose recordings there are; pack or delete one person's, with the models"""
    from utils.live import recordings as kept

    if options.pack:
        names = kept.pack_person(
            options.folder, options.subject or "", options.pack, options.models
        )
        print(f"{options.pack}: {len(names)} files")
    if options.delete:
        images, models = kept.delete_person(options.folder, options.subject or "", options.models)
        print(f"Deleted {images} images and {len(models)} models.")
    if not (options.pack or options.delete):
        for name, counts in kept.people(options.folder).items():
            print(f"{name}: {', '.join(f'{label} {count}' for label, count in counts.items())}")
        print("Nothing else is kept.")


def personalise(options) -> None:
    """teach a model one person's face, from that person's takes"""
    from utils.training.personalise import personalise as teach

    print(teach(options.folder, options.save, options.model, options.subject, options.way))


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
            draw_dataset(
                folder, characters={"validation": 72}, images_per_expression=1, progress=False
            )
        files = find_images(options.faces or folder)["file"]
        if len(files) > options.most:
            files = files.sample(options.most, random_state=0)
        faces = np.stack([prepare(read_image(file), preprocessing) for file in files])
    if options.to == "web":
        print(export_page(options.model, options.save, options.runtime, faces))
    else:
        print(export_model(options.model, options.to, options.save, faces, options.precision))


def add_commands(add) -> None:
    """Add them to the command line.

    Args:
        add: makes a parser from a name and a function, as `cli.parser` has it.
    """
    command = add("record", record)
    command.add_argument("source", help="video, camera's index (Ctrl-C ends it) or stream's URL")
    command.add_argument("folder", help="takes go there, such as data/mine")
    command.add_argument(
        "--class", dest="expression", metavar="NAME", help="what is shown (default: none, name it)"
    )
    command.add_argument(
        "--guided", action="store_true", help="be led through all classes (default: no)"
    )
    command.add_argument(
        "--subject", required=True, metavar="NAME", help="who is shown (default: none, name them)"
    )
    command.add_argument("--model", default=config.DEFAULT_MODEL, help="says how faces are framed")

    command = add("recordings", recordings)
    command.add_argument("folder", help="takes, such as data/mine")
    command.add_argument("--subject", metavar="NAME", help="whose (default: nobody's)")
    command.add_argument("--pack", metavar="FILE", help="zip to put them into (default: none)")
    command.add_argument(
        "--delete", action="store_true", help="delete them, after packing (default: no)"
    )
    command.add_argument(
        "--models", default=config.MODELS, help="folder of the person's models, packed or deleted"
    )

    command = add("personalise", personalise)
    command.add_argument("folder", help="takes, such as data/mine: TAKE/CLASS/IMAGE")
    command.add_argument(
        "--save",
        required=True,
        metavar="FILE",
        help="the new model, .keras (default: none, name it)",
    )
    command.add_argument(
        "--model", default=config.DEFAULT_MODEL, help="the model that learns; it stays as it is"
    )
    command.add_argument(
        "--subject", metavar="NAME", help="whose takes (default: those of the only person there)"
    )
    command.add_argument(
        "--way",
        choices=("auto", "neutral", "few-shot"),
        default="auto",
        help="shift the answers by a resting face, or learn from all classes",
    )

    command = add("export", export)
    command.add_argument("model", help=".keras file saved by this project")
    command.add_argument(
        "--to",
        required=True,
        choices=("onnx", "litert", "openvino", "saved-model", "web"),
        help="the format (default: none, name it)",
    )
    command.add_argument(
        "--save", required=True, metavar="FILE", help="where to write it (default: none, name it)"
    )
    command.add_argument(
        "--precision",
        choices=("float32", "float16", "int8"),
        default="float32",
        help="of the weights; float32 that answers otherwise than Keras is refused",
    )
    command.add_argument(
        "--faces", metavar="FOLDER", help="folder per class to check it with (default: drawn ones)"
    )
    command.add_argument(
        "--runtime",
        metavar="FILE",
        help="for web, the .tgz of `npm pack onnxruntime-web` (default: none, name it)",
    )
    command.add_argument("--most", type=int, default=1000, help="faces to check with at most")
