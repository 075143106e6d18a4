"""What learning a person's face brings, on people whom the model never saw, and what it costs.

    python -m benchmarks.personal [--people data/jaffe] [--others data/fer2013/validation]

JAFFE's ten people have two to four images a class. From all but one of each class is learned, those
left out are judged, in turn, so that every image is judged once. The images of other people
(FER-2013's validation part) are judged by every one of these models: so much is forgotten.

With ``--choose``, other values of the few-shot head's two numbers are judged on every other person
alone. The ones in use are not the very best there (2 and 0.003), but hold more firmly to the old
head; the accuracy of the people who were not looked at stands beside that of all. The neutral
baseline's two halves are round numbers.
"""

import argparse
import time

import numpy as np

from benchmarks.measuring import save
from utils import datasets
from utils.config import DEFAULT_MODEL, project_path
from utils.models.model_file import load_model
from utils.training import personal_head
from utils.training.batches import Batches
from utils.training.personalise import learn

WAYS = "neutral", "few-shot"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", default="data/jaffe")
    parser.add_argument("--others", default="data/fer2013/validation")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--choose", action="store_true")
    options = parser.parse_args()
    model, preprocessing = load_model(project_path(options.model))
    names = preprocessing.class_names
    (seen, labels, who), (others, other_labels, _) = (
        _see(model, preprocessing, folder) for folder in (options.people, options.others)
    )
    first = np.isin(who, sorted(set(who))[::2])
    if options.choose:
        return _choose(seen, labels, who, first, names)

    old = seen.mean(seen.answers)
    right = {"unchanged": old.argmax(axis=1) == labels}
    rest = {"unchanged": others.mean(others.answers).argmax(axis=1) == other_labels}
    figures = {"unchanged": _figures(right["unchanged"], right["unchanged"], who, first)}
    figures["unchanged"]["others_accuracy"] = float(rest["unchanged"].mean())
    for way in WAYS:
        start, answers, shares = time.perf_counter(), old.copy(), []
        for learned, judged in rounds(labels, who):
            change = learn(seen.rows(learned), labels[learned], names, way)
            answers[judged] = change.answers(seen.rows(judged))
        seconds = time.perf_counter() - start
        for learned, _ in rounds(labels, who):
            change = learn(seen.rows(learned), labels[learned], names, way)
            shares.append((change.answers(others).argmax(axis=1) == other_labels).mean())
        figures[way] = _figures(answers.argmax(axis=1) == labels, right["unchanged"], who, first)
        figures[way] |= {
            "others_accuracy": float(np.mean(shares)),
            "others_least_accuracy": float(min(shares)),
            "learning_ms": 1e3 * seconds / len(shares),
        }
    values = {"people": len(set(who)), "images": len(who), "others": len(other_labels), **figures}
    save("personal", values, model=options.model)


def rounds(labels: np.ndarray, who: np.ndarray):
    """Rows to learn from, and rows to judge: one person's n-th image of each class, for each n."""
    for person in sorted(set(who)):
        mine = np.flatnonzero(who == person)
        number = np.array([np.sum(labels[mine[:at]] == labels[row]) for at, row in enumerate(mine)])
        for turn in range(number.max() + 1):
            yield mine[number != turn], mine[number == turn]


def _see(model, preprocessing, folder):
    table = datasets.find_images(project_path(folder))
    images = Batches(table[table["class"].isin(preprocessing.class_names)], preprocessing)
    faces = np.concatenate([images[index][0] for index in range(len(images))])
    return personal_head.see(model, faces), images.labels, images.table["subject"].to_numpy(str)


def _figures(right, before, who, first) -> dict:
    gained = right.astype(float) - before
    return {
        "accuracy": _by_person(right.astype(float), who),
        "gained_share": _by_person(gained, who),
        "accuracy_of_those_not_chosen_on": float(right[~first].mean()),
    }


def _by_person(values: np.ndarray, who: np.ndarray, times: int = 2000) -> dict:
    """A mean and its 95 % interval, people drawn anew with all their images."""
    random, people = np.random.default_rng(0), sorted(set(who))
    parts = [values[who == person] for person in people]
    drawn = random.integers(0, len(people), (times, len(people)))
    means = [np.concatenate([parts[person] for person in draw]).mean() for draw in drawn]
    low, high = np.percentile(means, [2.5, 97.5])
    return {"value": float(values.mean()), "low": float(low), "high": float(high)}


def _choose(seen, labels, who, first, names) -> None:
    for beta in (2.0, 3.0, 5.0, 10.0):
        for held in (0.003, 0.01, 0.03, 0.1):
            personal_head.BETA, personal_head.HELD = beta, held
            losses, right = [], []
            for learned, judged in rounds(labels, who):
                if first[judged[0]]:
                    change = learn(seen.rows(learned), labels[learned], names, "few-shot")
                    answers = change.answers(seen.rows(judged))
                    losses += list(-np.log(answers[np.arange(len(judged)), labels[judged]]))
                    right += list(answers.argmax(axis=1) == labels[judged])
            print(
                f"beta {beta:g}, held {held:g}: log loss {np.mean(losses):.3f}, "
                f"accuracy {np.mean(right):.1%}"
            )


if __name__ == "__main__":
    main()
