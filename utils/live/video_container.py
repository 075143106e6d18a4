"""What FFmpeg's libraries may open of a video file, and which of its tracks is read."""

import os
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition

_PATIENCE = 10.0  # seconds for an answer of a server
# FFmpeg also reads playlists, which name other files and may be waited on for ever, images, and
# texts as videos of their letters. Sound alone is opened to say what it is.
_KINDS = (
    "asf,av1,avi,dhav,dv,flv,gxf,h264,hevc,ivf,live_flv,m4v,matroska,mjpeg,mov,mp4,mpeg,mpegts,"
    "mpegvideo,mpjpeg,mxf,nsv,nut,obu,ogg,pva,rm,swf,vc1,vvc,webm,wtv,yuv4mpegpipe,"
    "aac,flac,mp3,wav"
)


def open_container(path: Path, address: str | None, most_pixels: int) -> InputContainer:
    """Open a file or, where there is one, an http(s):// address.

    Args:
        path: the file.
        address: read in the file's place.
        most_pixels: of a frame, while its size is looked for.

    Raises:
        av.FFmpegError: it is no video.
    """
    options = {"max_pixels": str(most_pixels)}
    if address:
        options |= {"protocol_whitelist": "http,https,tcp,tls,crypto"}
    else:
        options |= {"protocol_whitelist": "file", "format_whitelist": _KINDS}
    # FFmpeg takes what stands before a colon for a protocol, unless it is told one.
    name = address or f"file:{os.path.abspath(path)}"
    patience = _PATIENCE if address else None
    return av.open(name, "r", options=options, metadata_errors="replace", timeout=patience)


def video_tracks(container: InputContainer) -> list[av.VideoStream]:
    """The streams of frames that can be decoded: that of the largest frames first, images last.

    A cover is none. Of tracks of one size the first is what FFmpeg takes for the best.
    """
    best = container.streams.best("video")
    tracks = [
        track
        for track in container.streams.video
        if track.codec_context and not track.disposition & Disposition.attached_pic
    ]

    def place(track) -> tuple:
        image = track.codec_context.name in ("mjpeg", "png")  # perhaps a single one
        return image, -track.width * track.height, track is not best

    return sorted(tracks, key=place)


def is_sound(container: InputContainer) -> bool:
    """Whether there is sound, and no track of frames but a cover."""
    known = all(track.codec_context for track in container.streams.video)
    return bool(container.streams.audio) and known and not video_tracks(container)
