"""What may be asked of the server."""

from dataclasses import dataclass

from utils.vision.images import MAX_PIXELS


@dataclass(frozen=True)
class Limits:
    """Bounds that keep a small machine answering.

    Attributes:
        picture_bytes: largest picture file.
        picture_pixels: most pixels of a picture, told by its header before decoding.
        frame_pixels: the same for a frame of the browser's camera.
        faces: most faces that are read of one picture; the largest ones are.
        video_bytes: largest video file.
        video_pixels: most pixels of one of its frames, as its header announces them.
        video_memory: most bytes that decoding it may take. Videos of 4096×2160 pixels took
            220 to 770 MB, those in 4:4:4 with 10 bits most.
        video_seconds: longest video.
        video_fps: most frames a second of a video.
        video_side: longer side, in pixels, of the annotated video; larger ones are scaled.
        videos: videos that may wait while one is read.
        video_unasked: seconds after which a video that waits or is being read is removed if
            nobody asked how far it is. Browsers let pages in the background ask once a minute.
        video_keep: seconds for which a finished video can be fetched.
        videos_kept: most finished videos; the oldest makes room for a new one.
        working: pictures that are decoded and searched at the same time.
        waiting: requests that may wait for that; more are told to come back.
        upload_bytes: most bytes of all bodies together that are received at a time.
        sessions: live cameras at a time.
        viewers: browsers that watch the server's camera at a time.
        connections: connections of one address at a time. All together may have twice as many; then
            an idle one of the address that has most makes room for a new one.
    """

    picture_bytes: int = 20_000_000
    picture_pixels: int = MAX_PIXELS
    frame_pixels: int = 2_100_000
    faces: int = 64
    video_bytes: int = 200_000_000
    video_pixels: int = 9_000_000
    video_memory: int = 800_000_000
    video_seconds: float = 600.0
    video_fps: float = 120.0
    video_side: int = 1280
    videos: int = 3
    video_unasked: float = 150.0
    video_keep: float = 3600.0
    videos_kept: int = 10
    working: int = 2
    waiting: int = 16
    upload_bytes: int = 1_000_000_000
    sessions: int = 32
    viewers: int = 4
    connections: int = 100
