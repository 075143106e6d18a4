"""Commands for one person's face."""

from pathlib import Path

from utils import config


def record(options) -> None:
    """keep a face of a video or camera as images of a class, to personalise a model with"""
    from utils.live.camera import LiveCamera
    from utils.live.loop import read_live
    from utils.live.recording import GuidedRound, TakeRecorder
    from utils.live.sources import open_source
    from utils.models.predictor import load

    if (options.expression is None) != options.guided:
        raise ValueError("Name one class with --class, or be led through all with --guided.")
    source = open_source(options.source)
    if options.guided and not isinstance(source, LiveCamera):
        raise ValueError(
            "--guided tells a person before a camera what to show, and would name the faces of a "
            f"film at random. Name what it shows with --class. Received: {options.source}"
        )
    predictor = load(options.model)
    margin = predictor.preprocessing.margin
    recorder = TakeRecorder(options.folder, options.subject, margin)
    sinks = [recorder]
    if options.guided:
        classes = sorted(predictor.class_names, key=lambda name: name != "neutral")
        sinks.insert(0, GuidedRound(recorder, classes, lambda text: print(f"\a{text}")))
    else:
        recorder.hold(options.expression)
    table = read_live(source, predictor, sinks)
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
        if not Path(options.folder).is_dir():
            raise FileNotFoundError(f"There is no folder {options.folder}. Check the path.")
        found = kept.people(options.folder)
        for name, counts in found.items():
            print(f"{name}: {', '.join(f'{label} {count}' for label, count in counts.items())}")
        print(f"Nothing{' else' * bool(found)} is kept in {options.folder}.")


def personalise(options) -> None:
    """teach a model one person's face, from that person's takes"""
    from utils.training.personalise import personalise as teach

    print(teach(options.folder, options.save, options.model, options.subject, options.way))


def add_commands(add) -> None:
    """Add them to the command line; `add` makes a `parser.Command` of a name and a function."""
    command = add("record", record)
    command.add_argument("source", help="video, camera's index (Ctrl-C ends it) or stream's URL")
    command.add_argument("folder", help="takes go there, such as data/mine")
    command.option("--class NAME", "what is shown (default: none, name it)", dest="expression")
    command.option("--guided", "be led through all classes", False)
    command.option("--subject NAME", "who is shown (default: none, name them)", required=True)
    command.option("--model", "says how faces are framed", config.DEFAULT_MODEL)

    command = add("recordings", recordings)
    command.add_argument("folder", help="takes, such as data/mine")
    command.option("--subject NAME", "whose (default: nobody's)")
    command.option("--pack FILE", "zip to put them into (default: none)")
    command.option("--delete", "delete them, after packing", False)
    command.option("--models", "folder of the person's models, packed or deleted", config.MODELS)

    command = add("personalise", personalise)
    command.add_argument("folder", help="takes, such as data/mine: TAKE/CLASS/IMAGE")
    command.option("--save FILE", "the new model, .keras (default: none, name it)", required=True)
    command.option("--model", "the model that learns; it stays as it is", config.DEFAULT_MODEL)
    command.option("--subject NAME", "whose takes (default: those of the only person there)")
    command.option(
        "--way",
        "shift the answers by a resting face, or learn from all classes",
        ("auto", "neutral", "few-shot"),
    )
