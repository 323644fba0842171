"""The kinds of inputs of compat_inputs.py: how ffmpeg makes each, and how its conversion must end."""

import dataclasses
import fractions
import struct
import subprocess
import typing

X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25"
AAC = "-c:a aac -b:a 64k"
# A longer file, of which cut-off ones lack more than the two seconds by which a duration may be wrong.
LONG = 10


@dataclasses.dataclass
class Kind:
    family: str
    name: str
    extension: str
    # Writes the file.
    make: typing.Callable
    # As displayed.
    size: tuple = (192, 108)
    seconds: float = 2
    # Of the duration, in seconds.
    tolerance: float = 0.15
    # Frames per second of the outputs, where they must be these.
    rate: fractions.Fraction | None = None
    sound: bool = True
    # Whether the picture's corners show which way it is turned.
    upright: bool = True
    # Seconds by which the sound may be longer than the picture: where less than two of the declared ones are missing.
    sound_excess: float = 0.1
    # Seconds of silence at the start.
    silent_until: float | None = None
    # The error of a file that isn't converted.
    code: str | None = None
    # One of the few that run with every change.
    sample: bool = False


def ffmpeg(path, arguments, *more):
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments.split(), *more, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def picture(size="192x108", rate="25", seconds=2, then="null"):
    """A video source: red in the upper left corner, blue in the upper right, green in the lower left, motion in the last."""
    corners = [("0", "0", "red"), ("iw/2", "0", "blue"), ("0", "ih/2", "green")]
    boxes = ",".join(f"drawbox=x={x}:y={y}:w=iw/2:h=ih/2:c={color}:t=fill" for x, y, color in corners)
    return f"-f lavfi -i testsrc2=s={size}:r={rate}:d={seconds},{boxes},{then}"


def tone(seconds=2, rate=48000, layout="mono"):
    return f"-f lavfi -i sine=f=440:r={rate}:d={seconds},aformat=channel_layouts={layout}"


def made(video=X264, sound=AAC, source=None, audio=None, more=""):
    """A function that writes a file of these sources and encoders."""
    inputs = [source or picture(), *([audio or tone()] if sound else [])]
    arguments = f"{' '.join(inputs)} {video} {sound or ''} {more}"
    return lambda path: ffmpeg(path, arguments)


def codecs():
    mp3, pcm, opus = "-c:a libmp3lame", "-c:a pcm_s16le", "-c:a libopus"
    cases = [
        ("h264", "mp4", X264, AAC, True),
        ("h264-10-bit", "mp4", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p10le", AAC, False),
        ("hevc", "mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1", AAC, False),
        ("vp8", "webm", "-c:v libvpx -deadline realtime -cpu-used 8", "-c:a libvorbis", False),
        ("vp9", "webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8", opus, False),
        ("av1", "mp4", "-c:v libaom-av1 -usage realtime -cpu-used 8", opus, False),
        ("mpeg2", "mpg", "-c:v mpeg2video -b:v 1M", "-c:a mp2", False),
        ("mpeg4", "avi", "-c:v mpeg4 -b:v 1M", mp3, False),
        ("mjpeg", "mov", "-c:v mjpeg -pix_fmt yuvj420p", pcm, False),
        ("prores", "mov", "-c:v prores_ks", pcm, False),
        ("ffv1", "mkv", "-c:v ffv1", "-c:a flac", False),
        ("theora", "ogv", "-c:v libtheora -q:v 7", "-c:a libvorbis", False),
        ("wmv2", "asf", "-c:v wmv2 -b:v 1M", "-c:a wmav2", False),
        ("flv1", "flv", "-c:v flv -b:v 1M", f"{mp3} -ar 44100", False),
        ("dnxhd", "mov", "-c:v dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p", pcm, False),
    ]
    for name, extension, video, sound, sample in cases:
        size = "256x144" if name == "dnxhd" else "192x108"
        width, height = map(int, size.split("x"))
        make = made(video, sound, picture(size))
        yield Kind("codecs", f"codec-{name}", extension, make, size=(width, height), sample=sample)
    dv = made("-c:v dvvideo -pix_fmt yuv420p -aspect 4:3", "-c:a pcm_s16le", picture("720x576"), more="-ar 48000 -ac 2")
    yield Kind("codecs", "codec-dv", "dv", dv, size=(768, 576))


def containers():
    cases = [
        ("mp4", "mp4", X264, AAC),
        ("mp4-faststart", "mp4", f"{X264} -movflags +faststart", AAC),
        ("mp4-fragmented", "mp4", f"{X264} -movflags +frag_keyframe+empty_moov", AAC),
        ("mov", "mov", X264, "-c:a pcm_s16le"),
        ("mkv", "mkv", X264, "-c:a flac"),
        ("webm", "webm", "-c:v libvpx -deadline realtime -cpu-used 8", "-c:a libopus"),
        ("avi", "avi", "-c:v mpeg4 -b:v 1M", "-c:a libmp3lame"),
        ("ts", "ts", X264, AAC),
        ("m2ts", "m2ts", X264, "-c:a ac3"),
        ("flv", "flv", X264, AAC),
        ("mpg", "mpg", "-c:v mpeg2video -b:v 1M", "-c:a mp2"),
        ("ogg", "ogg", "-c:v libtheora -q:v 7", "-c:a libvorbis"),
        ("mxf", "mxf", "-c:v mpeg2video -b:v 1M", "-c:a pcm_s16le"),
        ("3gp", "3gp", X264, AAC),
        ("asf", "asf", "-c:v msmpeg4 -b:v 1M", "-c:a wmav2"),
    ]
    for name, extension, video, sound in cases:
        make = made(video, sound)
        yield Kind("containers", f"container-{name}", extension, make, sample=name == "mkv")


def frame_rates():
    rates = ["1", "15", "24000/1001", "25", "30000/1001", "50", "60000/1001", "120"]
    for rate in rates:
        exact = fractions.Fraction(rate)
        seconds = 6 if exact == 1 else 2
        make = made(source=picture(rate=rate, seconds=seconds), audio=tone(seconds))
        name = f"rate-{float(exact):.5g}".replace(".", "-")
        tolerance = 0.15 + 1 / float(exact)
        kind = Kind("frame rates", name, "mp4", make, seconds=seconds, tolerance=tolerance, rate=exact)
        yield dataclasses.replace(kind, sample=rate == "24000/1001")
    # Every fourth second has a fifth of its frames, as phones write in the dark.
    variable = picture(rate="30", seconds=8, then="select='gt(mod(t,4),1)+not(mod(n,5))'")
    make = made(f"{X264} -fps_mode vfr", source=variable, audio=tone(8))
    yield Kind("frame rates", "rate-variable", "mp4", make, seconds=8, tolerance=0.3)
    fast = made(sound=None, source=picture(rate="240"))
    yield Kind("frame rates", "rate-240", "mp4", fast, code="frame_rate_too_high")


def rotations():
    # ffmpeg writes `rotate` as counter-clockwise, so the coded picture is turned clockwise.
    turned = {0: "null", 90: "transpose=clock", 180: "hflip,vflip", 270: "transpose=cclock"}
    for degrees, turn in turned.items():

        def make(path, degrees=degrees, turn=turn):
            plain = path.with_name("plain.mp4")
            ffmpeg(plain, f"{picture(then=turn)} {tone()} {X264} {AAC}")
            ffmpeg(path, f"-i {plain} -c copy -metadata:s:v rotate={degrees}")

        # The displayed picture is as wide as the source before it was turned.
        yield Kind("rotations", f"rotation-{degrees}", "mp4", make, sample=degrees == 90)


def sizes():
    cases = [
        ("odd", "191x107", (191, 107), "-c:v ffv1 -pix_fmt yuv444p", "mkv"),
        ("odd-width", "191x108", (191, 108), "-c:v mjpeg -pix_fmt yuvj444p", "mov"),
        ("tiny", "16x16", (16, 16), X264, "mp4"),
        ("flat", "4096x16", (4096, 16), X264, "mp4"),
        ("narrow", "16x1024", (16, 1024), X264, "mp4"),
        ("portrait", "108x192", (108, 192), X264, "mp4"),
        ("square", "144x144", (144, 144), X264, "mp4"),
    ]
    for name, coded, size, video, extension in cases:
        # The source's own size is even.
        scaled = picture("192x108", then=f"format=yuv444p,scale={coded.replace('x', ':')},setsar=1")
        source = scaled if name.startswith("odd") else picture(coded)
        make = made(video, "-c:a flac" if extension == "mkv" else AAC, source)
        yield Kind("sizes", f"size-{name}", extension, make, size=size, sample=name == "portrait")
    wide = made(source=picture("144x108", then="setsar=4/3"))
    yield Kind("sizes", "size-anamorphic", "mp4", wide, size=(192, 108), sample=True)
    tall = made(source=picture("192x108", then="setsar=9/16"))
    yield Kind("sizes", "size-anamorphic-narrow", "mp4", tall, size=(108, 108))


def sounds():
    yield Kind("sound", "sound-none", "mp4", made(sound=None), sound=False)
    layouts = ["mono", "stereo", "5.1", "7.1"]
    for layout in layouts:
        make = made(sound="-c:a flac", audio=tone(layout=layout))
        yield Kind("sound", f"sound-{layout.replace('.', '-')}", "mkv", make, sample=layout == "5.1")
    two = made(sound=f"{AAC} -map 0:v -map 1:a -map 2:a", audio=f"{tone()} {tone(layout='stereo')}")
    yield Kind("sound", "sound-two-tracks", "mp4", two)
    for rate in (8000, 96000):
        make = made(sound="-c:a pcm_s16le", audio=tone(rate=rate))
        yield Kind("sound", f"sound-{rate}", "mov", make)
    for extension in ("mp4", "mkv", "ts"):
        late = made(source=picture(seconds=4), audio=f"-itsoffset 1.5 {tone(2.5)}")
        yield Kind("sound", f"sound-late-{extension}", extension, late, seconds=4, silent_until=1.5)
        early = made(source=picture(seconds=4), audio=tone(1))
        yield Kind("sound", f"sound-ends-early-{extension}", extension, early, seconds=4, sample=extension == "mp4")
        longer = made(audio=tone(4))
        yield Kind("sound", f"sound-longer-{extension}", extension, longer)
    silent_track = made(audio="-f lavfi -i anullsrc=d=2")
    yield Kind("sound", "sound-silent", "mp4", silent_track)
    alone = lambda path: ffmpeg(path, f"{tone()} {AAC}")
    yield Kind("sound", "sound-alone", "m4a", alone, code="1020", sample=True)


def edited(change, source=None):
    """A function that writes a file, and then changes its bytes."""

    def make(path):
        (source or made())(path)
        path.write_bytes(change(path.read_bytes()))

    return make


def part(percent):
    return lambda data: data[: len(data) * percent // 100]


def zeros(data):
    """Five per cent of the file, in its middle, as zeros."""
    start, length = len(data) // 2, len(data) // 20
    return data[:start] + bytes(length) + data[start + length :]


def without_moov(data):
    # ffmpeg would find it in a box named `free`.
    return data.replace(b"moov", b"lost")


def flipped(data):
    """The first 64 bytes with all bits flipped."""
    return bytes(byte ^ 0xFF for byte in data[:64]) + data[64:]


def matroska_duration(data):
    """A duration of eleven days in the header of a Matroska file."""
    at = data.index(b"\x44\x89\x88") + 3
    return data[:at] + struct.pack(">d", 1e9) + data[at + 8 :]


def movie_duration(data):
    """The longest duration in the movie header of an MP4; those of its tracks are right."""
    at = data.index(b"mvhd") + 20
    return data[:at] + b"\xff\xff\xff\xfe" + data[at + 4 :]


def damaged():
    long_source, long_tone = picture(seconds=LONG), tone(LONG)
    index_first = made(f"{X264} -movflags +faststart", source=long_source, audio=long_tone)
    index_last = made(source=long_source, audio=long_tone)
    # What is there of a file without an index, or with one at its end that is lost.
    cut = {
        ("mp4", index_first, 10): {"code": "1076"},
        ("mp4", index_first, 50): {"code": "1076"},
        ("mp4", index_first, 90): {"seconds": 9, "tolerance": 1.1, "sound_excess": 1.1},
        ("mkv", index_last, 10): {"code": "1076"},
        ("mkv", index_last, 50): {"code": "1076"},
        ("mkv", index_last, 90): {"seconds": 9, "tolerance": 1.1, "sound_excess": 1.1},
        ("ts", index_last, 10): {"seconds": 1, "tolerance": 1},
        ("ts", index_last, 50): {"seconds": 5, "tolerance": 1},
        ("ts", index_last, 90): {"seconds": 9, "tolerance": 1},
    }
    for (extension, source, percent), end in cut.items():
        make = edited(part(percent), source)
        yield Kind("damage", f"cut-{percent}-{extension}", extension, make, **end, sample=(extension, percent) == ("mp4", 50))
    yield Kind("damage", "cut-index-lost", "mp4", edited(part(90), index_last), code="1075")
    for extension in ("mp4", "mkv", "ts"):
        make = edited(zeros, index_first if extension == "mp4" else index_last)
        yield Kind("damage", f"zeros-{extension}", extension, make, seconds=LONG, tolerance=1)
    yield Kind("damage", "header-flipped-mp4", "mp4", edited(flipped), code="1010")
    yield Kind("damage", "header-flipped-mkv", "mkv", edited(flipped), code="1010")
    yield Kind("damage", "index-missing", "mp4", edited(without_moov), code="1075")
    yield Kind("damage", "empty", "mp4", lambda path: path.write_bytes(b""), code="1010")
    yield Kind("damage", "text", "mp4", lambda path: path.write_text("This is no video.\n" * 99), code="1010", sample=True)
    yield Kind("damage", "zeros-only", "mp4", lambda path: path.write_bytes(bytes(100_000)), code="1010")
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/etc/hostname\n#EXT-X-ENDLIST\n"
    yield Kind("damage", "playlist", "m3u8", lambda path: path.write_text(playlist), code="1010")
    yield Kind("damage", "elementary-stream", "h264", made(sound=None), code="1010")
    yield Kind("damage", "duration-huge-mkv", "mkv", edited(matroska_duration), code="duration_too_long")
    yield Kind("damage", "duration-huge-mp4", "mp4", edited(movie_duration), code="duration_too_long")

    def cover(path):
        still, video = path.with_name("still.jpg"), path.with_name("plain.mp4")
        ffmpeg(still, f"{picture('320x320')} -frames:v 1")
        made()(video)
        ffmpeg(path, f"-i {still} -i {video} -map 0 -map 1 -c copy")

    yield Kind("damage", "cover-without-flag", "mkv", cover)


def scans():
    for name, order in (("top-first", "1"), ("bottom-first", "0")):
        video = f"-c:v mpeg2video -b:v 1M -flags +ildct+ilme -top {order}"
        make = made(video, "-c:a mp2", picture(rate="50", then=f"interlace=scan={'tff' if order == '1' else 'bff'}"))
        yield Kind("interlaced", f"interlaced-{name}", "mpg", make, rate=fractions.Fraction(25), sample=order == "1")
    h264 = f"{X264} -x264opts tff=1"
    make = made(h264, source=picture(rate="50", then="interlace"))
    yield Kind("interlaced", "interlaced-h264", "ts", make, rate=fractions.Fraction(25))


def dynamic_ranges():
    for name, transfer in (("hdr10", "smpte2084"), ("hlg", "arib-std-b67")):
        colors = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:log-level=none"
        video = f"-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -tag:v hvc1 -x265-params {colors}"
        yield Kind("HDR", name, "mp4", made(video), upright=False, sample=name == "hlg")


def all_kinds():
    families = (codecs, containers, frame_rates, rotations, sizes, sounds, scans, dynamic_ranges, damaged)
    kinds = [kind for family in families for kind in family()]
    assert len({kind.name for kind in kinds}) == len(kinds)
    return kinds
