"""Fill the released model's card, `models/README.md`, from what lies in `results/`.

python -m benchmarks.card
"""

# The rows of a Markdown table cannot be broken.
# ruff: noqa: E501

import json
from inspect import signature

from utils.config import MODELS, RESULTS
from utils.files import write_text


def main() -> None:
    found = {
        name: json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        for name in signature(card).parameters
    }
    write_text(MODELS / "README.md", card(**found))
    print(MODELS / "README.md")


def card(
    fer2013_publictest, released, calibration, crops, runtimes, thresholds, ablations, faults
) -> str:
    """The card's text; every figure of the model is from a file of `results/`."""
    metrics, steps = fer2013_publictest, released["steps"]
    accuracy, ours = released["intervals"]["accuracy"], list(steps.values())[-1]
    halves, chance = (
        calibration[name]
        for name in ("each_half_by_the_others_temperature", "ece_if_perfectly_calibrated")
    )
    haar, one_core = crops["haar_crops"], runtimes["litert"]["one_core"]
    unsure = next(row for row in thresholds["table"] if row["threshold"] == 0.4)  # the default
    minutes = sum(run["minutes"] for run in released["runs"])
    first = ablations["variants"]["the released network"]
    even = ablations["variants"]["batches of even size"]
    cleaned = ablations["variants"]["without blank and contradictory pictures"]
    found, learned = faults["audit"], faults["training_pictures"]
    best = [f"{run['best_epoch']} of {run['epochs']}" for run in released["runs"]]
    return f"""# Models

## fer2013.keras

A residual network that reads seven expressions from one grey face of 48 × 48 pixels, framed as
OpenCV's Haar cascade frames it. Keras loads it without any code of this project
(`keras.saving.load_model`); classes, size, colour, range and margin stand in its
`metadata.json`, and `utils.models.predictor.load` applies them. The same file holds the network a
second time in LiteRT's form, which starts without TensorFlow.

| | |
| --- | --- |
| trained on | FER-2013, Training part, {learned["total"]:,} pictures; no others, and no weights from elsewhere |
| by | {released["runs"][-1]["epochs"]} gentle epochs that begin with the model released before, `fourth`: a learning rate of 0.0005, the usual augmentation, but pictures enlarged or reduced by up to 20 %, as the boxes of a Haar cascade are; half towards the labels, half towards the mean answer of `fourth` and of a wide network to the same changed pictures. The wide network learned from random weights, half towards the labels and half towards the first three models that this project released (`taught`), and then from the labels alone (`wide`). `third` and `taught` had taught `fourth` |
| again | `make release` takes the four earlier models, as they are, from the project's own history and repeats these three trainings, seed 0: {minutes:.0f} minutes on two cores with bfloat16 units, with PyTorch as Keras's backend and other work beside them. The log is `results/released_log.csv`. It was not run a second time from end to end, and the code was another then: `taught` had learned from answers to unchanged pictures, given once, and each epoch ended with a small batch of the pictures left over |
| chosen on | PublicTest, {metrics["n"]:,} pictures: the epochs ({", ".join(best)}), by accuracy without the mirror; the temperature; the strong augmentation, set after seeing there what unsettled an earlier model; head, optimizer and learning rate, by short races; and which way to go on from `fourth`. So the accuracy below flatters, by an unknown amount. {_against(haar, crops.get("haar_crops_against"))}PrivateTest was not touched |
| accuracy on PublicTest | **{_percent(metrics["accuracy"])}** (95 % interval {100 * accuracy["low"]:.1f}–{100 * accuracy["high"]:.1f}); {_percent(released["accuracy_without_pictures_in_train"])} without the {released["pictures_also_in_train"]} pictures that also stand in Training; {_percent(ours["accuracy_without_mirror"])} without the mirror image |
| macro-F1, log loss | {metrics["macro_f1"]:.3f}, {metrics["log_loss"]:.3f} |
| expected calibration error | {metrics["ece"]:.3f}; {halves["ece"]:.3f} where the temperature was fitted on the other half. A model that is right exactly as often as it says would measure {chance["mean"]:.3f} ({chance["low"]:.3f}–{chance["high"]:.3f}) on so few pictures |
| with "unsure" below a confidence of {unsure["threshold"]:.1f} | {_percent(unsure["coverage"])} of the faces answered, {_percent(unsure["accuracy"])} of the answers right |
| size | {released["megabytes"]:.1f} MB, {released["parameters"]:,} parameters, {released["multiply_adds"] / 1e6:.0f} million multiply-adds for a face and its mirror image |
| one face, one core | {one_core["one_ms"]:.1f} ms at best, {one_core["one_to_detection"]:.2f} of one `detectMultiScale(grey, 1.3, 5)` over a 640 × 480 frame |

The answer is the mean over a face and its mirror image, so both get the same label; of
PublicTest's, {_percent(crops["mirrored_gets_the_same_label"])} do.

| class | recall (95 % interval) | precision | pictures |
| --- | --- | --- | --- |
{_classes(metrics["per_class"], released["recall_intervals"])}

### The models on the way

`first` to `fourth` were released before; `taught` and `wide` are the wide network, which only
teaches.

| | parameters | without the mirror | with it |
| --- | --- | --- | --- |
{_steps(steps)}

Tried and dropped, on the same pictures. `again1` is `fourth` after eight epochs more at the
full learning rate, from the labels alone. `fresh1` and `fresh3` are the same network, and
`alone` the wide one, from random weights and labels alone. `pupil` learned from `fourth`,
`wide` and `alone` for 22 epochs; `pupil-gentle` is four gentle epochs more from the same
teachers, `pupil-zoom` four from the labels alone, with the zoom described above. Models joined
by + answer with their mean; no single network that was tried came up to that of three.

| | parameters | without the mirror | with it |
| --- | --- | --- | --- |
{_steps(released["tried"])}

### What learns faster

One choice changed at a time, on {ablations["pictures"]:,} training pictures for {ablations["epochs"]} epochs, without the mirror: a
short race, which tells what learns faster and not what would win after a hundred epochs. Each
differs from the first row in one choice, and in what that brings with it: another optimizer its
own learning rate and weight decay, teachers that labels are not smoothed. Each epoch ended with a
batch of the {ablations["pictures"] % 128} pictures left over, as training then did; batches of even size, which it has now,
gained {100 * (even["accuracy"] - first["accuracy"]):.1f} points, and {100 * (even["accuracy_in_training"] - first["accuracy_in_training"]):.1f} in training. The row without blank and contradictory pictures
left out {ablations["pictures"] - cleaned["pictures"]} and so had no small batch either, which may be much of what it gained. The rows
were raced on two processors, as `results/ablations.json` says.

| | PublicTest (95 % interval) | in training |
| --- | --- | --- |
{_ablations(ablations["variants"])}

### From the data set to the camera

Each picture enlarged four times, bordered by its own edge, on a grey scene of 640 × 480, and cut
out of it by the box of this project's Haar cascade (`utils.vision.haar.FaceDetector`):

| of {crops["pictures"]:,} pictures | faces | data set's crop | cascade's crop | points lost |
| --- | --- | --- | --- | --- |
| the box overlaps the face by a half or more: found | {_haar(haar)} |
| any box | {_haar(crops["haar_crops_of_any_box"])} |

What befalls the picture otherwise:

| | accuracy | points |
| --- | --- | --- |
{_conditions(crops["conditions"])}

### Faults of the data

{_percent(released["pictures_also_in_train"] / metrics["n"])} of PublicTest stands in Training as well, {found["pixel-identical: groups with conflicting labels"]} groups of identical pictures carry different
labels, {found["blank pictures"]} pictures are blank (`python -m utils audit data/fer2013`), and people agree with its
labels on about two pictures in three (65 ± 5 %; Goodfellow et al., "Challenges in Representation
Learning", 2013). Disgust has {learned["disgust"]:,} training pictures, happy {learned["happy"]:,}. The faces were
collected by web search: posed, cropped close, and not balanced by age, sex or skin colour.

What the model must not be used for is in the
[README](../README.md#limits-and-what-it-must-not-be-used-for).

This card is written by `python -m benchmarks.card` from `results/`: `fer2013_publictest.json`,
`released.json`, `calibration.json`, `thresholds.json`, `crops.json`, `runtimes.json`,
`ablations.json`, `faults.json`.

## runs/

Your own runs, one folder each, with every epoch; not in git.
"""


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _classes(per_class, intervals) -> str:
    return "\n".join(
        f"| {name} | {_percent(row['recall'])} "
        f"({100 * intervals[name][0]:.0f}–{100 * intervals[name][1]:.0f}) "
        f"| {_percent(row['precision'])} | {row['support']} |"
        for name, row in per_class.items()
    )


def _steps(steps) -> str:
    return "\n".join(
        f"| {name} | {step['parameters']:,} | {_percent(step['accuracy_without_mirror'])} "
        f"| {_percent(step['accuracy'])} |"
        for name, step in steps.items()
    )


def _against(haar, other) -> str:
    """Why this model and not the one before, where the two were compared."""
    if other is None:
        return ""
    return (
        f"This model was kept for its answers to the cascade's crops: "
        f"{_percent(other['accuracy_as_haar_crops'])} of `{other['model']}`'s were right, "
        f"{_percent(haar['accuracy_as_haar_crops'])} of its own. That is "
        f"{other['only_this_model_right']} faces that only this one names rightly against "
        f"{other['only_the_other_right']} that only the other does, and may be chance "
        f"(McNemar's p = {other['p']:.2f}). "
    )


def _haar(row) -> str:
    return (
        f"{row['found']:,} | {_percent(row['accuracy_as_data_set_crops'])} "
        f"| {_percent(row['accuracy_as_haar_crops'])} | {row['loss_points']:.2f}"
    )


def _ablations(variants) -> str:
    return "\n".join(
        f"| {name} | {_percent(row['accuracy'])} "
        f"({100 * row['interval'][0]:.0f}–{100 * row['interval'][1]:.0f}) "
        f"| {_percent(row['accuracy_in_training'])} |"
        for name, row in variants.items()
    )


def _conditions(conditions) -> str:
    return "\n".join(
        f"| {name} | {_percent(row['accuracy'])} | {row['change_points']:+.1f} |"
        for name, row in conditions.items()
    )


if __name__ == "__main__":
    main()
