"""What each command does; `parser` says how it is called."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from utils import config


def import_images(options) -> None:
    """sort a download into a folder per class"""
    from utils.importing.importer import import_dataset

    # The options are named as the function's arguments are.
    settings = {name: value for name, value in vars(options).items() if name != "command"}
    print(import_dataset(**settings))


def audit(options) -> None:
    """look for copies, leaks between splits, conflicting labels and blank images"""
    from utils.datasets.audit import audit_images
    from utils.datasets.table import find_images
    from utils.files import check_writable

    table = find_images(options.folder)
    if options.save:
        check_writable(Path(options.save) / "images.csv")
    report = audit_images(table)
    print(report)
    if options.save:
        report.save(options.save)


def draw(options) -> None:
    """draw the embedded data set of cartoon faces"""
    from utils.datasets.table import count_classes, find_images
    from utils.drawn.dataset import draw_dataset

    draw_dataset(options.destination, size=options.size, seed=options.seed)
    print(count_classes(find_images(options.destination)))


def train(options) -> None:
    """train a network; run it again to go on after an interruption"""
    from utils import training
    from utils.files import check_outputs, check_writable

    if options.save:
        check_outputs(filter(None, [options.start]), [options.save])
        check_writable(options.save)
        if Path(options.save).suffix != ".keras":
            raise ValueError(f"--save names a file that ends in .keras. Received: {options.save}")
    if options.zoom is not None and not 0 <= options.zoom < 1:
        raise ValueError(f"--zoom is a share from 0 to below 1. Received: {options.zoom}")
    training.vote_weight(options.targets)  # refused before any work
    names = "epochs", "learning_rate", "weight_decay", "patience", "balance_classes", "seed"
    settings = training.Settings(**{name: getattr(options, name) for name in names})
    alone = nullcontext(training.ALONE)
    with training.joined(options.batch_size) if options.distributed else alone as team:
        _train(options, settings, team)


def _train(options, settings, team) -> None:
    from utils import datasets, models, plots, training
    from utils.files import copy_file
    from utils.training import people
    from utils.vision.preprocessing import Preprocessing

    table = datasets.combine([options.data], options.class_names, options.corrections)
    table = datasets.split_table(table, "grouped", options.seed)
    if options.per_class is not None:
        table = datasets.balanced_train(table, options.per_class, options.seed)
    margin = datasets.margin_of(options.data) if options.margin is None else options.margin
    preprocessing = Preprocessing(
        options.class_names or datasets.class_order(table), options.size, options.colour, margin
    )
    if options.packed:
        table = training.pack(table, preprocessing, team=team)
    makers = {"residual": models.residual_network, "six-layer": models.six_layer_network}
    augmentation = training.STRONG if options.augmentation == "strong" else training.Augmentation()
    if options.zoom is not None:
        augmentation = replace(augmentation, zoom=options.zoom)
    finished = training.train_model(
        makers[options.network](preprocessing),
        table,
        preprocessing,
        settings,
        augmentation=augmentation,
        batch_size=options.batch_size,
        targets=options.targets,
        runs=options.runs,
        name=Path(options.data).resolve().name,
        start=options.start,
        team=team,
    )
    if finished is None:  # the first process goes on
        return
    run = finished.run
    plots.learning_curves(run.log, run.best_epoch).savefig(run.folder / "curves.png")
    best = run.log.iloc[run.best_epoch - 1]
    learned = people.learned_answer(training.vote_weight(options.targets))
    print(
        f"Best epoch {run.best_epoch}: on the validation part, before mirror images are averaged "
        f"in, agreement with {learned} {best['val_accuracy']:.2%}"
    )
    print(
        f"Temperature {finished.temperature:.3f}, fitted on the validation part"
        if finished.fitted
        else "No temperature was fitted: there are too few validation images"
    )
    print(f"On the {finished.split} part:", *people.agreement_lines(finished.metrics), sep="\n")
    print(finished.file)
    if options.save:
        copy_file(finished.file, options.save)


def evaluate(options) -> None:
    """measure a saved model on a folder per class"""
    from utils.datasets.joined_votes import with_votes
    from utils.datasets.table import find_images
    from utils.files import check_outputs, check_writable, digest, write_json
    from utils.models.predictor import load
    from utils.training import evaluation, people
    from utils.training.batches import Batches

    predictor = load(options.model)
    table = find_images(options.folder)
    if options.json:
        read = [options.model, *table["file"], *filter(None, [options.votes])]
        check_outputs(read, [options.json])
        check_writable(options.json)
    splits = sorted(set(table["split"]))
    if len(splits) > 1:
        one = table.loc[table["split"] == splits[-1], "file"].iloc[0]
        raise ValueError(
            f"{options.folder} holds several splits ({', '.join(splits)}). "
            f"Name one of them, such as {Path(one).parents[1]}."
        )
    if options.votes:
        table = with_votes(table, options.votes)
    known = table["class"].isin(predictor.class_names)
    if not known.all():
        others = ", ".join(sorted(set(table.loc[~known, "class"])))
        print(f"Left out {(~known).sum()} images of classes the model does not know: {others}.")
    images = Batches(table[known], predictor.preprocessing)
    probabilities = predictor.predict_batches(images)
    metrics = evaluation.evaluate(images.labels, probabilities, predictor.class_names)
    measured = people.against_people(images.table, probabilities, predictor.class_names)
    if options.votes and not measured:
        raise ValueError(
            f"{options.votes} says nothing of this model: nobody could vote for all of its "
            f"classes. Received: {', '.join(predictor.class_names)}."
        )
    metrics |= measured
    print(f"Compared with {people.LABELS}:")
    print(evaluation.per_class_table(metrics).round(3).to_string())
    print(evaluation.bootstrap_intervals(images.labels, probabilities).round(4).to_string())
    if metrics["absent"]:
        print(
            f"Not in {options.folder}: {', '.join(metrics['absent'])}. Macro-F1 over the classes "
            f"that are: {metrics['macro_f1_present']:.4f}; over those answered too: "
            f"{metrics['macro_f1']:.4f}."
        )
    print(*people.agreement_lines(metrics), sep="\n")
    if options.json:
        write_json(Path(options.json), {"model_digest": digest(Path(options.model)), **metrics})


def yunet(options) -> None:
    """bring the model file of YuNet, a second way to find faces, into models/"""
    from utils.vision.yunet_file import fetch_yunet

    print(f"{fetch_yunet(options.source)}: choose it with --detector yunet")


def demo(options) -> None:
    """run both notebooks on the embedded data set and say where everything is"""
    from utils.cli.notebooks import run_demo

    run_demo(config.RESULTS / "demo")


def doctor(options) -> int:
    """say what this machine has, and what to do about what is missing"""
    from utils.cli.doctor import examine

    return examine()
