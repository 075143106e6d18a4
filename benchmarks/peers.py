"""Face finders of other packages, for `benchmarks.detection PHOTOS --peer NAME PYTHON`.

A Python that has the package runs this file alone, as ``PYTHON -P benchmarks/peers.py NAME``: a
path of an image a line in, a line of JSON out: boxes as (left, top, width, height) in pixels, and
milliseconds of the processor. To make one:
``python3.11 -m venv peer_env``, then ``peer_env/bin/pip install mediapipe==0.10.21`` (the last with
its models inside), or ``fer==25.10.3 "setuptools<80" "opencv-contrib-python>=4.14,<5"``.
"""

import json
import sys
import time

import cv2


def mediapipe():
    """BlazeFace for faces up to five metres away, as the package sets it."""
    from mediapipe.python.solutions.face_detection import FaceDetection

    detector = FaceDetection(model_selection=1)

    def find(picture):
        height, width = picture.shape[:2]
        found = detector.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).detections
        boxes = [each.location_data.relative_bounding_box for each in found or ()]
        return [
            (box.xmin * width, box.ymin * height, box.width * width, box.height * height)
            for box in boxes
        ]

    return find


def fer():
    """What `FER()` finds: the default cascade, 1.1, 5, from 50 pixels on."""
    from fer.fer import FER

    detector = FER()
    return lambda picture: [list(map(int, box)) for box in detector.find_faces(picture)]


PEERS = {"mediapipe": mediapipe, "fer": fer}


if __name__ == "__main__":
    cv2.setNumThreads(1)
    find_faces = PEERS[sys.argv[1]]()
    for line in sys.stdin:
        image = cv2.imread(line.rstrip("\n"))
        start = time.process_time()
        faces = find_faces(image)
        spent = 1000 * (time.process_time() - start)
        print(json.dumps({"boxes": faces, "milliseconds": spent}), flush=True)
