"""Video files as people have them: interlaced, squeezed, turned, cut, damaged, hostile."""

import gc
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from utils.config import PROJECT
from utils.live.sources import AnimatedImage, is_still, open_source
from utils.live.video_file import VideoFile
from utils.vision.opencv import cv2
from utils.vision.video_writer import Mp4Writer

WIDTH, HEIGHT = 160, 96
BLUE, GREEN = (255, 0, 0), (0, 255, 0)


def picture(number: int) -> np.ndarray:
    """Grey that tells its number, up to 49, with a blue left and a green top edge."""
    image = np.full((HEIGHT, WIDTH, 3), 40 + 4 * (number % 50), np.uint8)
    image[:24] = GREEN
    image[24:, :24] = BLUE
    return image


def write(path, count=50, codec="libx264", rate=25, times=None, form="yuv420p", **settings):
    """Write a film; settings: of the coder; aspect, turn and form of the file itself."""
    turn, aspect = settings.pop("turn", None), settings.pop("aspect", None)
    options = {"preset": "ultrafast", "g": "10", "crf": "5"} if codec == "libx264" else {}
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate, options=options | settings)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, form
        stream.codec_context.time_base = Fraction(1, 1000) if times else Fraction(1, rate)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if turn is not None:
            stream.set_display_rotation(*turn)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number), format="bgr24")
            frame = frame.reformat(format=form)
            frame.pts = round(1000 * times[number]) if times else number
            frame.time_base = stream.codec_context.time_base
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def read(path, **settings):
    """Its frames as (seconds, image), and what was said."""
    said = []
    with VideoFile(path, say=said.append, **settings) as video:
        return list(video), said


def numbers(frames) -> list[int]:
    """What `picture` was told, modulo 50."""
    return [round((image[60:, 60:].mean() - 37) / 4) for _, image in frames]


def packets(path) -> list[tuple[int, int]]:
    """Place and size of each packet in the file."""
    with av.open(str(path)) as file:
        return [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]


def test_every_frame_comes_with_its_time(tmp_path):
    frames, said = read(write(tmp_path / "a.mp4"))
    assert [seconds for seconds, _ in frames] == pytest.approx([n / 25 for n in range(50)])
    assert numbers(frames) == list(range(50))
    assert frames[0][1].shape == (HEIGHT, WIDTH, 3) and said == []


@pytest.mark.parametrize(
    ("aspect", "width"), [(Fraction(64, 45), 228), (Fraction(8, 9), 142), (Fraction(500), WIDTH)]
)
def test_pixels_become_square(tmp_path, aspect, width):
    frames, _ = read(write(tmp_path / "a.mp4", 3, aspect=aspect))
    assert frames[0][1].shape == (HEIGHT, width, 3)
    assert all(image.flags.c_contiguous for _, image in frames)


@pytest.mark.parametrize("turn", [(0,), (90,), (180,), (-90,), (0, True), (0, False, True)])
def test_frames_are_turned_and_mirrored_as_the_file_says(tmp_path, turn):
    expected = np.rot90(picture(0), turn[0] // 90)
    expected = expected[:, ::-1] if len(turn) == 2 else expected
    expected = expected[::-1] if len(turn) == 3 else expected
    ((_, image), *_), _ = read(write(tmp_path / "a.mp4", 2, turn=turn))
    assert image.shape == expected.shape and image.flags.c_contiguous
    assert np.abs(image.astype(int) - expected).mean() < 8


@pytest.mark.parametrize("turn", [None, (90,), (0, False, True)])
def test_no_frame_stays_in_memory(tmp_path, turn):
    path = write(tmp_path / "a.mp4", 30, turn=turn)
    gc.collect()
    gc.disable()  # what only it would find is hundreds of frames, of 4K some gigabytes
    try:
        with VideoFile(path) as video:
            for _ in video:
                kept = sum(isinstance(one, av.VideoFrame) for one in gc.get_objects())
    finally:
        gc.enable()
    assert 1 <= kept <= 4


def combed(path):
    """Fields of two moments in every frame: a bar stands elsewhere in odd lines than in even."""
    with av.open(str(path), "w") as file:
        options = {"flags": "+ildct+ilme", "field_order": "tt", "b": "4000000"}
        stream = file.add_stream("mpeg2video", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(12):
            image = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
            for field in (0, 1):
                left = 8 * number + 4 * field
                image[field::2, left : left + 40] = 220
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def test_interlaced_frames_lose_their_combs_and_none_is_lost(tmp_path):
    path = combed(tmp_path / "a.ts")
    with av.open(str(path)) as file:
        raw = [frame for frame in file.decode(video=0)]
        assert all(frame.interlaced_frame for frame in raw)
    frames, said = read(path)
    assert len(frames) == len(raw) == 12 and said == []
    assert [seconds for seconds, _ in frames] == pytest.approx([n / 25 for n in range(12)])

    def combs(image):  # how much neighbouring lines differ
        return np.abs(np.diff(image[8:-8, :, 0].astype(int), axis=0)).mean()

    before = np.mean([combs(frame.to_ndarray(format="bgr24")) for frame in raw[2:-2]])
    assert np.mean([combs(image) for _, image in frames[2:-2]]) < before / 4


def test_a_damaged_packet_is_left_out_and_told_once(tmp_path):
    path = write(tmp_path / "a.mp4", codec="mpeg4")
    data = bytearray(path.read_bytes())
    place, size = packets(path)[20]
    data[place : place + size] = bytes(size)
    path.write_bytes(data)
    frames, said = read(path)
    assert len(frames) == 49 and len(said) == 1 and "1 damaged packet was left out" in said[0]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_a_missing_end_is_told_once(tmp_path, name):
    path = write(tmp_path / name, 100, codec="mjpeg", form="yuvj420p")
    if name == "a.mp4":  # its index lies at the end, and must come first to survive
        with av.open(str(path)) as old:
            path = tmp_path / "first.mp4"
            with av.open(str(path), "w", options={"movflags": "faststart"}) as new:
                stream = new.add_stream_from_template(old.streams.video[0])
                for packet in old.demux(video=0):
                    if packet.size:
                        packet.stream = stream
                        new.mux(packet)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames, said = read(path)
    assert 30 < len(frames) < 70
    assert len(said) == 1 and "ended after" in said[0] and "cannot be read" in said[0]


def test_a_cut_without_encoding_is_not_called_a_missing_end(tmp_path):
    whole, cut = write(tmp_path / "whole.mp4"), tmp_path / "cut.mp4"
    with av.open(str(whole)) as old, av.open(str(cut), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(old.demux(video=0)):
            if packet.size and number >= 10:  # from a key frame on, of which five are hidden
                packet.pts, packet.dts = packet.pts - 15 * packet.duration, None
                packet.dts = packet.pts
                packet.stream = stream
                new.mux(packet)
    frames, said = read(cut)
    assert said == []
    assert numbers(frames) == list(range(15, 50))
    assert [seconds for seconds, _ in frames] == pytest.approx([n / 25 for n in range(35)])


def test_frames_keep_variable_times_and_a_gap(tmp_path):
    times = [0.0, 0.04, 0.1, 0.5, 30.5, 30.6]
    frames, said = read(write(tmp_path / "a.mp4", 6, times=times))
    assert [seconds for seconds, _ in frames] == pytest.approx(times, abs=2e-3) and said == []


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_part_is_that_of_the_whole(tmp_path, name):
    path = write(tmp_path / name, 100)
    whole, _ = read(path)
    for start, end, every in ((1.0, 2.0, None), (0.5, None, 0.9), (0.0, 3.0, 0.1), (3.9, None, 5)):
        part, said = read(path, start=start, end=end, every=every)
        due, expected = start, []
        for seconds, image in whole:
            if seconds >= due - 1e-6 and not (end and seconds >= end):
                expected.append((seconds, image))
                due = start + every * len(expected) if every else due
        assert [at for at, _ in part] == pytest.approx([at for at, _ in expected], abs=1e-3)
        assert numbers(part) == numbers(expected) and said == []


def test_between_two_frames_it_jumps_where_the_file_has_an_index(tmp_path, monkeypatch):
    path, decoded = write(tmp_path / "a.mp4", 200), []
    original = VideoFile._decoded

    def counted(self):
        for frame in original(self):
            decoded.append(frame.pts)
            yield frame

    monkeypatch.setattr(VideoFile, "_decoded", counted)
    frames, _ = read(path, every=2.0)
    assert len(frames) == 4 and len(decoded) < 20


@pytest.mark.parametrize("part", [{"start": -1}, {"start": 2, "end": 1}, {"every": 0}])
def test_a_part_that_is_none_is_refused(part):
    with pytest.raises(ValueError, match="Received: from"):
        VideoFile("a.mp4", **part)


def test_a_part_beyond_the_end_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"no frame .* from 9 seconds on"):
        read(write(tmp_path / "a.mp4"), start=9)
    gap = write(tmp_path / "a.mp4", 3, times=[0, 2, 4])
    with pytest.raises(ValueError, match=r"no frame .* from 1.3 to 2 seconds\."):
        read(gap, start=1.3, end=2)


def test_frames_that_are_too_large_are_refused(tmp_path):
    path = write(tmp_path / "a.mp4", 3)
    with pytest.raises(ValueError, match=r"160×96.*at most 0.01 million"):
        read(path, most_pixels=10_000)
    huge = tmp_path / "huge.avi"
    with av.open(str(huge), "w") as file:
        stream = file.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        stream.codec_context.open()
        small, large = (
            cv2.imencode(".jpg", np.zeros(size, np.uint8))[1].tobytes()
            for size in ((HEIGHT, WIDTH), (12_000, 12_000))
        )
        for number, data in enumerate((small, large, small)):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base = Fraction(1, 5)
            file.mux(packet)
    frames, said = read(huge)
    assert [image.shape for _, image in frames] == [(HEIGHT, WIDTH, 3)] * 2
    assert "1 damaged packet" in said[0]


def test_nothing_but_sound_is_no_video_with_its_cover_neither(tmp_path):
    for name, codec in (("a.wav", "pcm_s16le"), ("a.mp4", "aac")):
        path = tmp_path / name
        with av.open(str(path), "w") as file:
            stream = file.add_stream(codec, rate=8000, layout="mono")
            if name == "a.mp4":
                picked = file.add_stream("mjpeg", rate=25)
                picked.width, picked.height, picked.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
                picked.disposition = Disposition.attached_pic
                image = av.VideoFrame.from_ndarray(picture(0), format="bgr24")
                file.mux(picked.encode(image.reformat(format="yuvj420p")))
            form = stream.codec_context.format.name
            kind = np.int16 if form == "s16" else np.float32
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), kind), form, "mono")
            frame.sample_rate = 8000
            file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        with pytest.raises(ValueError, match="holds sound only"), VideoFile(path):
            pass


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_of_two_tracks_the_one_of_the_larger_frames_is_read(tmp_path, name):
    path = tmp_path / name
    with av.open(str(path), "w") as file:
        streams = [file.add_stream("libx264", rate=25) for _ in range(2)]
        for part, stream in zip((2, 1), streams, strict=True):
            stream.width, stream.height, stream.pix_fmt = WIDTH // part, HEIGHT // part, "yuv420p"
        for number in range(5):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(picture(number), format="bgr24")
                frame = frame.reformat(stream.width, stream.height, "yuv420p")
                frame.pts = number
                file.mux(stream.encode(frame))
        for stream in streams:
            file.mux(stream.encode(None))
    frames, said = read(path)
    assert len(frames) == 5 and frames[0][1].shape == (HEIGHT, WIDTH, 3)
    assert said == [f"{name} holds 2 video tracks; that of 160×96 is read."]


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_times_that_do_not_begin_at_zero_lengthen_no_film(tmp_path, name):
    path = write(tmp_path / name, times=[100 + n / 25 for n in range(50)])
    with VideoFile(path) as video:
        assert video.length == pytest.approx(50, abs=1)
    frames, said = read(path)
    assert said == [] and frames[-1][0] == pytest.approx(49 / 25, abs=2e-3)


def test_times_count_from_the_first_frame_that_can_be_decoded(tmp_path):
    path = write(tmp_path / "a.ts", 100, g="40")
    path.write_bytes(path.read_bytes()[188 * 40 :])  # amid those that need one before them
    whole, _ = read(path)
    for start in (0.5, 1.0):
        part, _ = read(path, start=start)
        expected = [(seconds, image) for seconds, image in whole if seconds >= start - 1e-6]
        assert part[0][0] == pytest.approx(expected[0][0]) and len(part) == len(expected)
        assert numbers(part) == numbers(expected)


def test_frames_that_are_stored_in_another_order_are_found_by_their_time(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as file:
        stream = file.add_stream("libx264", rate=15, options={"g": "20", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(150):
            frame = av.VideoFrame.from_ndarray(picture(number), format="bgr24")
            file.mux(stream.encode(frame.reformat(format="yuv420p")))
        file.mux(stream.encode(None))
    frames, _ = read(path, every=0.4)
    assert [seconds for seconds, _ in frames] == pytest.approx([0.4 * n for n in range(25)])


def test_a_playlist_opens_no_address(tmp_path):
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n")
    with pytest.raises(ValueError, match=r"cannot be read|no frame"):
        read(path)


def test_nothing_is_written_to_the_screen_but_what_is_said(tmp_path):
    path = write(tmp_path / "a.mp4", codec="mpeg4")
    data = path.read_bytes()
    path.write_bytes(data[:900] + bytes(range(256)) * 2 + data[1412:])
    script = (
        "import sys; from utils.live.video_file import VideoFile\n"
        "with VideoFile(sys.argv[1], say=lambda _: None) as video: list(video)"
    )
    command = [sys.executable, "-c", script, str(path)]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_changed_bytes_give_frames_or_a_sentence(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a.mp4", "a.mkv", "a.ts"):
        data = np.frombuffer(write(tmp_path / name, 20).read_bytes(), np.uint8)
        for _ in range(5):
            changed = data.copy()
            places = rng.integers(0, len(data), 40)
            changed[places] = rng.integers(0, 256, 40)
            (tmp_path / name).write_bytes(changed.tobytes())
            try:
                frames, _ = read(tmp_path / name)
            except ValueError as error:
                assert name in str(error)
            else:
                assert all(image.dtype == np.uint8 for _, image in frames)


def test_an_animation_is_a_film(tmp_path):
    from PIL import Image

    shades = [Image.fromarray(np.full((8, 10), value, np.uint8)) for value in (10, 120, 250)]
    for name in ("a.gif", "a.webp", "a.tiff", "a.png", "a.avif"):
        shades[0].save(tmp_path / name, save_all=True, append_images=shades[1:], duration=300)
        with open_source(tmp_path / name) as source:
            frames = list(source)
        step = 0.1 if name == "a.tiff" else 0.3
        assert isinstance(source, AnimatedImage) and source.length == 3
        assert [seconds for seconds, _ in frames] == pytest.approx([0, step, 2 * step])
        assert is_still(tmp_path / name) and not is_still(tmp_path / name, sequence=True)
        means = [image.mean() for _, image in frames]
        assert means == pytest.approx([10, 120, 250], abs=3) and frames[0][1].shape == (8, 10, 3)
    shades[0].save(tmp_path / "single.png")
    assert is_still(tmp_path / "single.png", sequence=True)


def test_what_was_written_is_read(tmp_path):
    writer = Mp4Writer(tmp_path / "a.mp4", (WIDTH + 1, HEIGHT + 1), 25)
    for number in range(30):
        writer.write(number / 25 + (30 if number >= 20 else 0), picture(number))
    writer.close()
    frames, said = read(tmp_path / "a.mp4")
    expected = [number / 25 + (30 if number >= 20 else 0) for number in range(30)]
    assert [seconds for seconds, _ in frames] == pytest.approx(expected, abs=1e-3) and said == []
    assert numbers(frames) == list(range(30))
    with av.open(str(tmp_path / "a.mp4")) as file:
        (stream,) = file.streams
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width % 2, stream.height % 2, stream.frames) == (0, 0, 30)


def test_a_disk_that_is_full_is_told_once_and_leaves_a_readable_video(tmp_path):
    script = f"""
import resource, signal, sys
sys.path.insert(0, {str(PROJECT)!r})
import numpy as np
from utils.live.results import Reading
from utils.live.sinks import VideoSink
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
noise, sink = np.random.default_rng(0), VideoSink({str(tmp_path / "a.mp4")!r})
try:
    for number in range(100):
        image = noise.integers(0, 256, (96, 160, 3), dtype=np.uint8)
        sink.write(Reading("noise", number, number / 25, image, [], ()))
except OSError as error:
    print(error)
print(sink.close(complete=False))
"""
    if sys.platform == "win32":
        pytest.skip("a limit on files' sizes stands for a full disk")
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    told, closed = ended.stdout.splitlines()
    assert "a.mp4 cannot be written" in told and "a.unfinished.mp4." in told and closed == "None"
    frames, _ = read(tmp_path / "a.unfinished.mp4")
    assert 3 < len(frames) < 100
