"""Draw README's moving picture: the drawn clip, read by the released model.

python -m benchmarks.moving

Writes `results/demo.gif`, small enough for a page.
"""

import io

from PIL import Image

from utils import live, models
from utils.config import DEFAULT_MODEL, RESULTS
from utils.drawn.clip import clip_frames
from utils.files import replacing
from utils.live.frames import FrameSource
from utils.vision.opencv import cv2

RATE, SIZE, COLOURS = 8, (420, 236), 48


def main() -> None:
    frames = []

    class Frames(live.Sink):
        def write(self, reading) -> None:
            small = cv2.resize(reading.annotated, SIZE, interpolation=cv2.INTER_AREA)
            image = Image.fromarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
            frames.append(image.quantize(COLOURS, dither=Image.Dither.NONE))

    clip = clip_frames(size=(960, 540), frames_per_second=RATE, characters=2, seed=3)
    # Drawn beforehand, or the overlay would tell how fast the characters are drawn.
    source = FrameSource([(seconds, frame) for seconds, frame, _ in clip])
    live.read_live(source, models.load(DEFAULT_MODEL), [Frames()])
    content = io.BytesIO()
    frames[0].save(
        content, "GIF", save_all=True, append_images=frames[1:], duration=1000 // RATE, loop=0
    )
    with replacing(RESULTS / "demo.gif") as temporary:
        temporary.write_bytes(content.getvalue())
    print(f"{RESULTS / 'demo.gif'}, {content.tell() / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
