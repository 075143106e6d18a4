"""Batches hold every image once, in an order that follows from seed and epoch."""

import numpy as np
import pytest

from utils import datasets
from utils.training.augmentation import Augmentation
from utils.training.batches import Batches, Weighted
from utils.vision.preprocessing import Preprocessing


def test_stream_gives_every_image_once_with_its_label(tiny):
    described = Preprocessing(("wink", "happy", "angry"), size=8)
    images = Batches(datasets.find_images(tiny), described, batch_size=2)
    batches = [images[index] for index in range(len(images))]
    assert [len(faces) for faces, _ in batches] == [2, 2, 1]
    faces = np.concatenate([faces for faces, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    assert faces.dtype == np.uint8
    assert faces[:, 0, 0, 0].tolist() == [10, 20, 30, 40, 50]
    assert labels.argmax(axis=1).tolist() == [2, 2, 1, 1, 0]
    assert (labels.sum(axis=1) == 1).all()
    shuffled = Batches(images.table, described, batch_size=4, shuffle=True)
    batches = [shuffled[index][0][:, 0, 0, 0] for index in range(len(shuffled))]
    assert [len(faces) for faces in batches] == [3, 2]  # not 4 and 1
    assert sorted(np.concatenate(batches)) == [10, 20, 30, 40, 50]


def test_order_is_new_each_epoch_and_the_same_for_the_same_epoch(table, preprocessing):
    def epoch(number):
        images = Batches(
            table, preprocessing, 16, shuffle=True, augmentation=Augmentation(), seed=3
        )
        images.start_epoch(number)
        return [images[index] for index in range(len(images))]

    first, again, second = epoch(0), epoch(0), epoch(1)
    for (faces, labels), (same_faces, same_labels) in zip(first, again, strict=True):
        assert np.array_equal(faces, same_faces)
        assert np.array_equal(labels, same_labels)
    assert any(not np.array_equal(a[0], b[0]) for a, b in zip(first, second, strict=True))
    assert sum(labels.sum() for _, labels in second) == len(table)


def test_end_of_epoch_leads_to_the_next_order(table, preprocessing):
    walked = Batches(table, preprocessing, 16, shuffle=True)
    walked.on_epoch_end()
    jumped = Batches(table, preprocessing, 16, shuffle=True)
    jumped.start_epoch(1)
    assert np.array_equal(walked[0][0], jumped[0][0])


def test_classes_the_metadata_does_not_know_are_refused(tiny):
    with pytest.raises(ValueError, match=r"Expected images of angry, happy.*wink"):
        Batches(datasets.find_images(tiny), Preprocessing(("angry", "happy")))


def test_unreadable_image_is_named(tiny):
    (tiny / "train" / "Anger" / "1.png").write_bytes(b"broken")
    images = Batches(datasets.find_images(tiny), Preprocessing(("angry", "happy", "wink")))
    with pytest.raises(ValueError, match=r"Not a readable image: .*1\.png \(6 bytes\)"):
        images[0]


def test_each_image_gets_its_own_weight(table, preprocessing):
    images = Batches(table, preprocessing, 16, shuffle=True)
    weights = np.arange(len(table), dtype=np.float32)
    weighted = Weighted(images, weights)
    assert len(weighted) == len(images)
    for epoch in range(2):
        seen = []
        for index in range(len(weighted)):
            _, one_hot, weight = weighted[index]
            assert np.array_equal(one_hot.argmax(axis=1), images.labels[weight.astype(int)])
            seen.extend(weight)
        assert sorted(seen) == weights.tolist()
        assert images.epoch == epoch
        weighted.on_epoch_end()
