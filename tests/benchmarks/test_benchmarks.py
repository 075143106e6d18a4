"""What the benchmarks measure with: their figures are only as good as this."""

import json
import subprocess
import sys
import time
from itertools import islice, pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import card, conditions, live, measuring, scorecard, soak
from utils.config import MODELS, PROJECT, RESULTS
from utils.drawn.clip import draw_clip
from utils.files import digest
from utils.models import networks
from utils.models.backend import keras
from utils.models.model_file import save_model
from utils.vision.opencv import cv2

FRAMES = 14


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "drawn.mp4"
    draw_clip(path, size=(160, 120), frames_per_second=4, seconds_per_expression=0.5)
    return path


def test_frames_are_enlarged_to_the_height_and_never_shrunk(video):
    shapes = {
        height: {frame.shape for _, frame in live.Clip(video, height)} for height in (60, 240)
    }
    assert shapes == {60: {(120, 160, 3)}, 240: {(240, 320, 3)}}


def test_a_clip_counts_frames_faces_and_the_first_answer(video):
    clip = live.Clip(video, 120, started=time.time() - 100)
    for number, _ in enumerate(clip):
        clip.drawn(faces=(0, 2)[number % 2])
    measured = clip.measured()
    assert (measured["frames"], measured["faces"]) == (FRAMES, FRAMES)
    assert measured["frames_with_a_face"] == FRAMES // 2
    assert measured["first_answer_s"] > 100
    assert measured["p50_ms"] <= measured["p95_ms"]


def test_a_clip_that_is_over_before_the_warm_up_is_refused(video):
    clip = live.Clip(video, 120)
    for _ in islice(clip, 3):
        clip.drawn(1)
    with pytest.raises(SystemExit, match="too short"):
        clip.measured()


@pytest.mark.parametrize("contender", ["ours", "plain", "detect"])
def test_every_contender_answers_every_frame(contender, video, tmp_path, small_network, request):
    model = save_model(
        small_network, request.getfixturevalue("preprocessing"), tmp_path / "m.keras"
    )
    clip = live.Clip(video, 240)
    live.CONTENDERS[contender](clip, model)
    measured = clip.measured()
    assert measured["frames"] == FRAMES
    assert 0 < measured["frames_with_a_face"] <= FRAMES


def test_ratios_are_ours_to_theirs():
    ours = dict.fromkeys(("fps", "p50_ms", "p95_ms", "faces", "first_answer_s", "peak_mb"), 2.0)
    theirs = {**dict.fromkeys(ours, 1.0), "p50_ms": 8.0}
    ratios = live._ratios(ours, theirs)
    assert ratios["fps"] == 2 and ratios["p50_ms"] == ratios["p95_ms_to_p50_ms"] == 0.25


def test_a_soak_goes_round_with_times_that_only_grow(video):
    times = [seconds for seconds, _ in islice(soak.laps(video, 120), 3 * FRAMES)]
    assert len(times) == 3 * FRAMES
    assert all(later > earlier for earlier, later in pairwise(times))


def test_a_soak_looks_at_the_memory_every_so_many_frames(monkeypatch):
    monkeypatch.setattr(soak, "EVERY", 10)
    held, record = [], soak.Record()
    for number in range(40):
        record.write(SimpleNamespace(annotated=None))
        if number == 25:
            held.append(bytearray(200_000_000))
    summary = record.summary()
    first, second, third, last = summary["resident_mb_every_1000_frames"]
    assert abs(second - first) < 50 and last - second > 150 and abs(last - third) < 50
    # Of a process that has run other tests 200 MB are a small share.
    assert summary["resident_last_to_first"] > 1 + 100 / first and summary["frames"] == 40


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a parent's peak is not handed on")
def test_a_child_is_not_charged_with_its_parents_memory():
    script = """
import subprocess, sys
held = bytearray(400_000_000)
child = "from benchmarks.measuring import peak_megabytes; print(peak_megabytes())"
subprocess.run([sys.executable, "-c", child], check=True)
"""
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert 5 < float(result.stdout) < 300


def test_the_last_line_of_a_process_is_its_result(tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "PROJECT", tmp_path)
    (tmp_path / "talks.py").write_text('print("noise")\nprint(\'{"fps": 3}\')')
    (tmp_path / "fails.py").write_text("raise SystemExit(3)")
    assert measuring.in_a_process("talks") == {"fps": 3}
    with pytest.raises(SystemExit, match="fails"):
        measuring.in_a_process("fails")


def test_multiply_adds_are_those_of_convolutions_and_dense_layers():
    trunk = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3, padding="same")], name="trunk"
    )
    head = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(7)], name="head")
    assert scorecard.multiply_adds(networks.join(trunk, head)) == 8 * 8 * 9 * 2 + 8 * 8 * 2 * 7


def test_a_scene_holds_the_face_where_it_says():
    image = np.add.outer(np.arange(48), 2 * np.arange(48)).astype(np.uint8)
    scene, (x, y, width, height) = conditions.scene(image)
    assert scene.shape == (480, 640)
    face = cv2.resize(scene[y : y + height, x : x + width], (48, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(face.astype(int) - image).max() <= 2


def test_the_card_says_what_the_results_say():
    found = json.loads((RESULTS / "scorecard.json").read_text(encoding="utf-8"))
    assert (MODELS / "README.md").read_text(encoding="utf-8") == card.card(found)
    digests = {name: one["model_digest"] for name, one in found["models"].items()}
    assert digests == {name: digest(MODELS / f"{name}.keras") for name in digests}


def test_an_earlier_commit_is_checked_out_and_goes_again():
    if not (PROJECT / ".git").exists():
        pytest.skip("not a git checkout")
    with live.checkout("HEAD") as tree:
        assert (tree / "benchmarks" / "live.py").is_file()
    assert not tree.exists()
    listed = subprocess.run(
        ["git", "worktree", "list"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    assert str(tree) not in listed
    with live.checkout(None) as nothing:
        assert nothing is None
