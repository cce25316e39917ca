"""A user's own data by its path: folders of image files, arrays, IDX files, points; splits, notes, all refusals."""
import gzip
import os
import shutil
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigen import data
from minigen.data import SPLITS, files, folder, pictures

RNG = np.random.default_rng(0)


START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache; and the same random numbers in each test, whichever run."""
    RNG.bit_generator.state = START
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def refused(path, *parts, **settings):
    """Loading raises one line, in which all of these parts stand."""
    with pytest.raises(ValueError) as caught:
        for split in SPLITS:
            data.load(path, split, **settings)
    message = str(caught.value)
    assert "\n" not in message and all(part in message for part in parts), message


def every(path, column="x", **settings):
    return np.concatenate([data.load(path, split, **settings)[column] for split in SPLITS])


def noise(H=8, W=8, C=3):
    return RNG.integers(0, 256, (H, W, C) if C > 1 else (H, W), dtype=np.uint8)


def photos(place, N=60, size=(8, 8), C=3):
    """N image files of noise in a folder, which is returned."""
    place.mkdir(parents=True, exist_ok=True)
    for i in range(N):
        Image.fromarray(noise(*size, C)).save(place / f"{i}.png")
    return place


# -- splits ----------------------------------------------------------------------------------------------

def test_splits_are_four_fifths_a_tenth_and_a_tenth_of_all(tmp_path):
    np.save(tmp_path / "x.npy", RNG.integers(0, 256, (4000, 8, 8), dtype=np.uint8))
    parts = [data.load(tmp_path / "x.npy", split)["x"] for split in SPLITS]
    shares = [len(part) / 4000 for part in parts]
    assert sum(map(len, parts)) == 4000 and np.allclose(shares, (0.8, 0.1, 0.1), atol=0.02)
    assert len(np.unique(np.concatenate(parts).reshape(4000, -1), axis=0)) == 4000


def test_splits_depend_on_the_content_alone(tmp_path):
    """Other names, another order, other times, sub-folders without a meaning: the same splits, in one order."""
    one, other = photos(tmp_path / "one"), tmp_path / "other" / "deeper"
    other.mkdir(parents=True)
    for i, path in enumerate(sorted(one.iterdir())):
        shutil.copy(path, other / f"{7 * i % 60:03}.PNG")
    for split in SPLITS:
        a, b = data.load(one, split), data.load(other.parent, split)
        assert np.array_equal(a["x"], b["x"]) and len(a) > 0


def test_more_examples_leave_the_others_where_they_are_and_copies_stay_together(tmp_path):
    x = RNG.integers(0, 256, (500, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "few.npy", x[:300])
    np.save(tmp_path / "many.npy", np.concatenate([x, x[:100]]))
    for split in SPLITS:
        few, many = ({image.tobytes() for image in data.load(tmp_path / f"{name}.npy", split)["x"]}
                     for name in ("few", "many"))
        assert few < many
    train, valid = (data.load(tmp_path / "many.npy", split)["x"] for split in ("train", "valid"))
    assert not {image.tobytes() for image in train} & {image.tobytes() for image in valid}


def test_sizes_do_not_change_splits(tmp_path):
    place = photos(tmp_path / "photos")
    for split in SPLITS:
        assert len(data.load(place, split, size=8)) == len(data.load(place, split, size="4x6"))


def test_a_split_without_examples_is_refused(tmp_path):
    refused(photos(tmp_path / "photos", N=3), "has 3 examples, and none of them falls into the", "add examples")


# -- decoding --------------------------------------------------------------------------------------------

def only(place, **settings):
    """The images in a folder, in whatever split."""
    return folder.read_folder(place, **settings)


def one_file(tmp_path, name="a.png"):
    place = tmp_path / "one"
    place.mkdir()
    return place, place / name


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif", "a.GIF", "a.jpg"])
def test_formats(name, tmp_path):
    place, path = one_file(tmp_path, name)
    picture = Image.new("RGB", (8, 4), (255, 0, 0))
    picture.paste((0, 0, 255), (4, 0, 8, 4))
    picture.save(path, lossless=True, quality=100)
    found = only(place)
    assert found.x.shape == (1, 3, 4, 8) and found.levels == 256
    assert np.abs(found.x[0, :, 0, [0, 7]].astype(int) - [(255, 0, 0), (0, 0, 255)]).max() <= 2
    assert found.facts == ["1 image files, RGB"]


def test_an_animation_gives_its_first_frame(tmp_path):
    place, path = one_file(tmp_path, "a.gif")
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    found = only(place)
    assert found.x[0, :, 0, 0].tolist() == [255, 0, 0] and pictures.FIRST in found.facts


def png16(values):
    """A gray PNG of 16 bits, by hand: values uint16 (H, W)."""
    H, W = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", W, H, 16, 0, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    packed = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
              for kind, body in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_of_16_bits_the_upper_ones_are_kept(tmp_path):
    """PIL's own conversion makes 255 of all that is above 255."""
    place, path = one_file(tmp_path)
    values = np.array([[0, 255, 256, 1000], [30_000, 40_000, 65_279, 65_535]], np.uint16)
    path.write_bytes(png16(values))
    found = only(place)
    assert np.array_equal(found.x[0, 0], values // 256) and found.x.shape == (1, 1, 2, 4)
    assert found.facts == ["1 image files, gray", pictures.UPPER]


@pytest.mark.parametrize("mode, colour, expected", [
    ("RGBA", (0, 0, 0, 0), (255, 255, 255)), ("RGBA", (255, 0, 0, 128), (255, 127, 127)), ("LA", (0, 128), (127,)),
    ("RGBA", (10, 20, 30, 255), (10, 20, 30))])
def test_transparent_parts_are_laid_over_white(mode, colour, expected, tmp_path):
    place, path = one_file(tmp_path)
    Image.new(mode, (4, 4), colour).save(path)
    found = only(place)
    expected = (255,) if len(set(expected)) == 1 else expected
    expected = (127,) if mode == "LA" else expected
    assert found.x.shape[1] == len(expected) and np.abs(found.x[0, :, 0, 0].astype(int) - expected).max() <= 1
    assert (pictures.WHITE in found.facts) == (colour[-1] < 255)


def test_a_palette_with_a_transparent_colour(tmp_path):
    place, path = one_file(tmp_path, "a.gif")
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([9, 8, 7, 200, 100, 50])
    picture.putpixel((1, 1), 1)
    picture.save(path, transparency=0)
    found = only(place)
    assert found.x[0, :, 0, 0].tolist() == [255, 255, 255] and found.x[0, :, 1, 1].tolist() == [200, 100, 50]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "RGB"])
def test_other_modes_keep_their_colours(mode, tmp_path):
    place, path = one_file(tmp_path, "a.jpg" if mode == "CMYK" else "a.png")
    Image.new("RGB", (8, 8), "white").convert(mode).save(path)
    found = only(place)
    assert found.x.shape == (1, 1, 8, 8) and found.x.min() >= 254


def test_gray_only_if_all_are(tmp_path):
    place = photos(tmp_path / "photos", N=5, C=1)
    Image.fromarray(np.repeat(noise(C=1)[..., None], 3, axis=2)).save(place / "gray_in_rgb.png")
    assert only(place).x.shape == (6, 1, 8, 8)
    photos(place, N=1)
    assert only(place).x.shape == (6, 3, 8, 8)


def test_a_photograph_held_sideways_is_turned(tmp_path):
    place, path = one_file(tmp_path, "a.jpg")
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = 6
    Image.new("RGB", (16, 8)).save(path, exif=exif)
    found = only(place)
    assert found.x.shape[2:] == (16, 8) and pictures.TURNED in found.facts


def test_the_middle_is_cut_out_and_resized_with_antialiasing(tmp_path):
    """A wide picture: its sides go. Stripes of one pixel become gray: sampling every fourth would leave them black."""
    place, path = one_file(tmp_path)
    pixels = np.full((64, 192), 200, np.uint8)
    pixels[:, 64:128] = np.arange(64) % 2 * 255
    Image.fromarray(pixels).save(path)
    found = only(place, size=(16, 16))
    assert found.x.shape == (1, 1, 16, 16) and pictures.FITTED in found.facts
    assert np.abs(found.x[0, 0, :, 2:-2].astype(int) - 127).max() <= 3


def test_edges_get_no_halo(tmp_path):
    place, path = one_file(tmp_path)
    pixels = np.full((100, 100), 50, np.uint8)
    pixels[30:70, 30:70] = 200
    Image.fromarray(pixels).save(path)
    for size in ((32, 32), (150, 150)):
        found = only(place, size=size).x
        assert found.min() == 50 and found.max() == 200


def test_size_is_height_then_width(tmp_path):
    place = photos(tmp_path / "photos", size=(20, 30))
    assert data.load(place, size="12x16").spaces["x"].shape == (3, 12, 16)
    assert data.load(place, size=(12, 16)).spaces["x"].shape == data.load(place, size=[12, 16]).spaces["x"].shape
    assert data.load(place, size=12).spaces["x"].shape == (3, 12, 12)
    assert data.load(place).spaces["x"].shape == (3, 20, 30)


@pytest.mark.parametrize("size", ["0", "x32", "32x", "3.5", "-3", "32x32x3", "99999", "", True])
def test_sizes_that_are_none(size, tmp_path):
    refused(photos(tmp_path / "photos", N=1), "expected pixels, such as 32", size=size)


def test_several_sizes_ask_for_one(tmp_path):
    photos(tmp_path / "photos", N=2, size=(8, 8))
    photos(tmp_path / "photos" / "below", N=0)
    Image.fromarray(noise(9, 10)).save(tmp_path / "photos" / "z.png")
    refused(tmp_path / "photos", "'0.png' is 8x8 (height x width)", "'z.png' 9x10", "--size 32")


def test_images_that_do_not_fit_into_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "LARGEST", 10_000)
    refused(photos(tmp_path / "photos", size=(10, 10)), "60 images of 10x10 pixels do not fit", "--size")


# -- what lies in a folder --------------------------------------------------------------------------------

def test_sub_folders_are_labels(tmp_path):
    for name, value in (("owls", 50), ("cats", 100), ("dogs", 150)):
        (tmp_path / "pets" / name / "deeper").mkdir(parents=True)
        for i in range(30):
            pixels = np.full((4, 4), value, np.uint8)
            pixels[0, 0] = i
            Image.fromarray(pixels).save(tmp_path / "pets" / name / ("deeper" if i % 2 else "") / f"{i}.png")
    for split in SPLITS:
        pets = data.load(tmp_path / "pets", split)
        assert pets.spaces["y"].names == ("cats", "dogs", "owls") and pets["y"].dtype == np.int64
        assert np.array_equal(pets["x"][:, 0, 3, 3], np.array([100, 150, 50])[pets["y"]])
        assert "3 classes" in pets.note


def test_one_sub_folder_is_no_label(tmp_path):
    photos(tmp_path / "photos" / "all")
    assert list(data.load(tmp_path / "photos").columns) == ["x"]


def test_images_beside_sub_folders_are_asked_about(tmp_path):
    photos(photos(tmp_path / "photos", N=1) / "cats", N=1)
    refused(tmp_path / "photos", "images, and sub-folders with images (cats)", "labels?")


def test_sub_folders_that_are_splits_are_asked_about(tmp_path):
    for name in ("train", "Test"):
        photos(tmp_path / "photos" / name, N=2)
    refused(tmp_path / "photos", "Test, train", "splits rather than labels", f"'{tmp_path / 'photos' / 'Test'}'")


@pytest.mark.parametrize("names, listed", [
    ([], "nothing"), (["notes.txt", "x.tiff", "sub/"], "notes.txt, sub/, x.tiff")])
def test_a_folder_without_images_says_what_is_there(names, listed, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in names:
        (tmp_path / "photos" / name).mkdir() if name.endswith("/") else (tmp_path / "photos" / name).write_text("")
    refused(tmp_path / "photos", "holds no images (.png .jpg .jpeg .webp .gif)", f"it holds {listed}")


def test_hidden_files_pipes_and_circles_are_passed_over(tmp_path):
    place = photos(tmp_path / "photos")
    (place / "._0.png").write_bytes(b"of macOS")
    photos(place / "__MACOSX", N=1)
    os.mkfifo(place / "pipe.png")
    os.symlink(place, place / "again")
    os.symlink(place / "nowhere", place / "dangling.png")
    found, others = folder.image_files(place)
    assert len(found) == 60 and others == 0


def test_damaged_files_are_named_and_left_out(tmp_path, capsys):
    place = photos(tmp_path / "photos")
    whole = (place / "0.png").read_bytes()
    (place / "cut.png").write_bytes(whole[:len(whole) // 2])
    (place / "text.jpg").write_text("hello")
    (place / "empty.gif").write_bytes(b"")
    (place / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")  # PIL starts a program
    (place / "notes.txt").write_text("")
    note = data.load(place).note
    assert "60 image files, RGB, damaged files left out: 4, files of other kinds not read: 1" in note
    shown = capsys.readouterr().err.splitlines()
    line = next(line for line in shown if line.startswith("left out"))
    assert f"left out 4 of 64 files in '{place}': 'cut.png' (" in line
    assert "'text.jpg' (no PNG, JPEG, WebP or GIF)" in line and "'script.png' (no PNG" in line
    data.load(place, "valid")
    assert "left out" not in capsys.readouterr().err and "left out: 4" in data.load(place, "test").note


def test_a_folder_of_damaged_files(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(9):
        (tmp_path / "photos" / f"{i}.png").write_text("x")
    refused(tmp_path / "photos", "none of the 9 images", "'0.png' (no PNG", "and 4 more")


def test_a_decompression_bomb_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    place = photos(tmp_path / "photos")
    Image.new("L", (40, 40)).save(place / "bomb.png")  # more than that
    Image.new("L", (400, 400)).save(place / "larger.png")  # more than twice as many
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert only(place).x.shape == (60, 3, 8, 8)


def test_a_file_too_large_to_be_an_image_is_left_out(tmp_path):
    place = photos(tmp_path / "photos")
    with open(place / "large.png", "wb") as file:
        file.truncate(folder.LARGEST_FILE + 1)
    assert "damaged files left out: 1" in only(place).facts


def test_bits_that_flip_are_never_more_than_a_damaged_file(tmp_path):
    place, _path = one_file(tmp_path)
    for name in ("a.png", "a.gif", "a.webp", "a.jpg"):
        Image.fromarray(noise(16, 16)).save(place / name)
        whole = (place / name).read_bytes()
        for _ in range(150):
            body = bytearray(whole)
            for at in RNG.integers(len(body), size=3):
                body[at] = RNG.integers(256)
            try:
                assert pictures.read_picture(bytes(body))[0].mode == "RGB"
            except ValueError as error:
                assert "\n" not in str(error) and len(str(error)) <= 80


# -- the cache -------------------------------------------------------------------------------------------

def count_decoded(monkeypatch):
    decoded = []
    read = folder.read_picture

    def counted(raw):
        decoded.append(raw)
        return read(raw)

    monkeypatch.setattr(folder, "read_picture", counted)
    return decoded


def test_files_are_decoded_once(tmp_path, monkeypatch, cache):
    place, decoded = photos(tmp_path / "photos"), count_decoded(monkeypatch)
    first = every(place)
    assert len(decoded) == 60 and len(list(cache.rglob("*.safetensors"))) == 1
    assert np.array_equal(every(place), first) and len(decoded) == 60
    every(place, size=4)
    assert len(decoded) == 120


@pytest.mark.parametrize("change", [
    lambda place: os.utime(place / "3.png", ns=(1, 1)), lambda place: os.rename(place / "3.png", place / "new.png"),
    lambda place: os.remove(place / "3.png"), lambda place: Image.fromarray(noise()).save(place / "4.png")],
    ids=["time", "name", "fewer", "content"])
def test_files_that_change_are_decoded_again(change, tmp_path, monkeypatch, cache):
    place, decoded = photos(tmp_path / "photos"), count_decoded(monkeypatch)
    data.load(place)
    change(place)
    data.load(place)
    assert len(decoded) in (119, 120) and len(list(cache.rglob("*.safetensors"))) == 1


def test_a_damaged_cache_is_made_again(tmp_path, monkeypatch, cache):
    place = photos(tmp_path / "photos")
    first = every(place)
    kept = next(cache.rglob("*.safetensors"))
    body = bytearray(kept.read_bytes())
    body[-100] ^= 1
    kept.write_bytes(body)
    decoded = count_decoded(monkeypatch)
    assert np.array_equal(every(place), first) and len(decoded) == 60


def test_a_cache_that_cannot_be_written_is_said_and_done_without(tmp_path, cache, capsys):
    cache.write_text("a file where the folder should be")
    assert len(every(photos(tmp_path / "photos"))) == 60
    assert "what was decoded is not kept (" in capsys.readouterr().err


def test_progress_is_shown_on_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    data.load(photos(tmp_path / "photos"))
    assert "decoding images" in capsys.readouterr().err


# -- arrays ----------------------------------------------------------------------------------------------

def saved(tmp_path, x, **others):
    if others:
        np.savez(tmp_path / "a.npz", x=x, **others)
        return tmp_path / "a.npz"
    np.save(tmp_path / "a.npy", x)
    return tmp_path / "a.npy"


def sorted_rows(x):
    return np.unique(x.reshape(len(x), -1), axis=0)


@pytest.mark.parametrize("shape, axes, words", [
    ((200, 6, 9), None, "gray"), ((200, 6, 9, 1), (0, 3, 1, 2), "gray, channels last"),
    ((200, 6, 9, 3), (0, 3, 1, 2), "RGB, channels last"), ((200, 1, 6, 9), None, "gray, channels first"),
    ((200, 3, 6, 9), None, "RGB, channels first"), ((200, 32, 32, 3), (0, 3, 1, 2), "RGB, channels last")])
def test_layouts(shape, axes, words, tmp_path):
    x = RNG.integers(0, 256, shape, dtype=np.uint8)
    path = saved(tmp_path, x)
    expected = x[:, None] if x.ndim == 3 else x.transpose(axes or (0, 1, 2, 3))
    assert np.array_equal(sorted_rows(every(path)), sorted_rows(expected))
    found = data.load(path)
    assert found["x"].shape[1:] == expected.shape[1:] and f"{path}: {words}" in found.note


@pytest.mark.parametrize("shape, words", [
    ((200, 3, 32, 3), "is its axis 1 or its axis 3 the channels?"), ((200, 1, 28, 1), "is its axis 1 or its axis 3"),
    ((200, 3, 28, 1), "neither 1 nor 3"), ((32, 32, 3), "one image alone is no data set"),
    ((32, 32), "one image alone"),
    ((200, 8, 8, 4), "leave out an alpha channel, x[..., :3]"), ((200, 8, 8, 2), "expected images (N, H, W)"),
    ((2, 2, 2, 2, 2), "expected images"), ((200,), "expected images"), ((0, 8, 8), "and some"),
    ((9, 8, 0, 3), "and some")])
def test_layouts_that_are_asked_about(shape, words, tmp_path):
    refused(saved(tmp_path, np.full(shape, 200, np.uint8)), f"'{tmp_path / 'a.npy'}' is not usable", words)


def test_floats_are_scaled_and_it_is_said(tmp_path):
    x = np.linspace(0, 1, 256 * 100, dtype=np.float32).reshape(100, 16, 16)
    for dtype in (np.float16, np.float32, np.float64):
        path = saved(tmp_path, x.astype(dtype))
        expected = np.floor(x.astype(dtype).astype(float) * 255 + 0.5)
        found = every(path)
        assert found.dtype == np.uint8 and np.abs(sorted_rows(found).astype(int) - sorted_rows(expected)).max() <= 1
        assert "floats times 255, rounded" in data.load(path).note


def test_bits(tmp_path):
    x = RNG.random((100, 8, 8)) < 0.5
    found = data.load(saved(tmp_path, x))
    assert found.spaces["x"].levels == 2 and "bits" in found.note
    refused(saved(tmp_path, x), "leave out --size", size=4)


@pytest.mark.parametrize("x, words", [
    (np.full((9, 8, 8), 2.0), "float64 from 2.0 to 2.0"), (np.full((9, 8, 8), -1.0), "(x + 1) / 2"),
    (np.full((9, 8, 8), np.nan), "from nan to nan"), (np.full((9, 8, 8), 200), "x.astype('uint8')"),
    (np.full((9, 8, 8), 16, np.uint8), "uint8 from 16 to 16, and white is 255"),
    (np.full((9, 8, 8), 1, np.uint8), "as bool"),
    (np.full((9, 8, 8), 1j), "expected numbers"), (np.full((9, 8, 8), "a"), "expected numbers"),
    (np.array([[[object()] * 8] * 8] * 9), "Python objects, which are not read")])
def test_values_that_are_no_pixels(x, words, tmp_path):
    refused(saved(tmp_path, x), words)


@pytest.mark.parametrize("labels, names, levels", [
    (np.arange(200) % 7, (), 7), (np.arange(200) % 7 + 1, tuple("1234567"), 7),
    ((np.arange(200) % 2 * 5).astype(np.uint8), ("0", "5"), 2), (np.array(["owl", "cat"] * 100), ("cat", "owl"), 2)])
@pytest.mark.parametrize("name", ["y", "labels"])
def test_labels_of_an_npz(labels, names, levels, name, tmp_path):
    x = np.full((200, 8, 8), 100, np.uint8)
    x[:, 0, 0] = np.arange(200)
    path = saved(tmp_path, x, **{name: labels})
    for split in SPLITS:
        found = data.load(path, split)
        assert found.spaces["y"].names == names and found.spaces["y"].levels == levels
        told = found["y"] if not names else np.array(names)[found["y"]]
        assert np.array_equal(told.astype(labels.dtype), labels[found["x"][:, 0, 0, 0]])


@pytest.mark.parametrize("labels", [np.zeros(3, int), np.zeros((200, 1), int), np.zeros(200), np.array(0)])
def test_labels_that_are_none(labels, tmp_path):
    x = np.full((200, 8, 8), 100, np.uint8)
    refused(saved(tmp_path, x, y=labels), "its labels are", "expected (200,) of integers")


def test_an_npz_of_several_arrays_is_asked_about(tmp_path):
    x = RNG.integers(0, 256, (200, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, x_test=x)
    refused(tmp_path / "a.npz", "it holds x_train (200, 8, 8), x_test (200, 8, 8): call the images x")
    np.savez(tmp_path / "a.npz", images=x, masks=x)
    assert "array images, without masks" in data.load(tmp_path / "a.npz").note
    np.savez(tmp_path / "a.npz", photos=x)
    assert len(every(tmp_path / "a.npz")) == 200
    np.savez(tmp_path / "a.npz", y=np.arange(3))
    refused(tmp_path / "a.npz", "it holds y (3,): call the images x")


def test_a_bomb_of_an_npz_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("minigen.data.arrays.SMALL", 10**6)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((20_000, 8, 8), np.uint8))
    refused(tmp_path / "a.npz", "(20000, 8, 8) of uint8, 1,280,000 bytes; no more than 1,000,000")
    header = b"\0\0\x08\x03" + struct.pack(">3I", 20_000, 8, 8)
    (tmp_path / "a.gz").write_bytes(gzip.compress(header + bytes(20_000 * 64)))
    refused(tmp_path / "a.gz", "IDX header promises (20000, 8, 8), 1280000 bytes; 1000000 can follow at most")
    monkeypatch.setattr("minigen.data.arrays.LARGEST", 10**6)
    np.save(tmp_path / "a.npy", np.zeros((20_000, 8, 8), np.uint8))
    refused(tmp_path / "a.npy", "no more than 1,000,000")


def test_arrays_are_resized_as_files_are(tmp_path):
    x = RNG.integers(0, 256, (60, 20, 30, 3), dtype=np.uint8)
    place = tmp_path / "photos"
    place.mkdir()
    for i, image in enumerate(x):
        Image.fromarray(image).save(place / f"{i}.png")
    assert np.array_equal(sorted_rows(every(saved(tmp_path, x), size="8x10")), sorted_rows(every(place, size="8x10")))
    assert every(saved(tmp_path, x[..., 0]), size=8).shape == (60, 1, 8, 8)


def test_space_refuses_images_whose_channels_come_last():
    for shape in ((32, 32, 3), (28, 28, 1)):
        with pytest.raises(ValueError, match=r"an image is \(C, H, W\)"):
            data.Space(shape, 256)
    for shape, levels in (((3, 32, 3), 256), ((1, 28, 1), 256), ((2, 1, 3), 5), ((32, 32, 3), None)):
        assert data.Space(shape, levels).is_image


# -- IDX -------------------------------------------------------------------------------------------------

def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("x_name, y_name", [
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
    ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"), ("my-images-idx3-ubyte", "my-labels-idx1-ubyte.gz")])
def test_a_pair_of_idx_files(x_name, y_name, tmp_path):
    x, y = RNG.integers(0, 256, (200, 6, 9), dtype=np.uint8), (np.arange(200) % 4).astype(np.uint8)
    x[:, 0, 0] = np.arange(200)
    for name, array in ((x_name, x), (y_name, y)):
        (tmp_path / name).write_bytes(gzip.compress(idx(array)) if name.endswith(".gz") else idx(array))
    for split in SPLITS:
        found = data.load(tmp_path / x_name, split)
        assert np.array_equal(found["y"], found["x"][:, 0, 0, 0] % 4) and found.spaces["y"].levels == 4
        assert f"labels from '{y_name}'" in found.note
    refused(tmp_path / y_name, "it holds labels; give the file of the images")


def split_with_all(path):
    """The one split that all copies of an image are in."""
    for split in SPLITS:
        try:
            return len(data.load(path, split)) and split
        except ValueError:
            continue
    raise AssertionError("no split")


def test_idx_images_alone_and_idx_files_that_are_no_pair(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(idx(np.full((50, 6, 9), 200, np.uint8)))
    assert "no file of labels beside it" in data.load(path, split_with_all(path)).note
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(49, np.uint8)))
    refused(path, "its labels are uint8 of shape (49,), expected (50,)")
    path.write_bytes(path.read_bytes()[:-1])
    refused(path, "promises (50, 6, 9), 2700 bytes; 2699 follow")
    (tmp_path / "other.gz").write_bytes(gzip.compress(idx(np.zeros((50, 6, 9), np.uint8)))[:-9])
    refused(tmp_path / "other.gz", "'other.gz' is cut off or damaged")


# -- points ----------------------------------------------------------------------------------------------

POINTS = RNG.standard_normal((300, 2)).round(4)


@pytest.mark.parametrize("mark", [",", ";", "\t", " ", " , "])
@pytest.mark.parametrize("header", ["", "x1,x2\n", "\ufefflongitude;latitude\n"])
def test_points(mark, header, tmp_path):
    text = header + "".join(f"{a}{mark}{b}\n" for a, b in POINTS) + "\n \n"
    (tmp_path / "points.csv").write_text(text, encoding="utf-8")
    found = every(tmp_path / "points.csv")
    assert found.dtype == np.float32 and np.array_equal(sorted_rows(found), sorted_rows(POINTS.astype(np.float32)))
    train = data.load(tmp_path / "points.csv")
    assert train.spaces["x"] == data.Space((2,)) and ("header '" in train.note) == bool(header)
    assert f"from {POINTS.min():.3g} to {POINTS.max():.3g}, not scaled" in train.note


@pytest.mark.parametrize("line", [
    "1,2,3", "1", "a,b", "1,", "nan,1", "1,inf", "1e39,0", "1_000,2", "0x10,1", "1;2,5", "١,٢"])
def test_a_bad_line_is_named_by_its_number(line, tmp_path):
    lines = ["x,y", *(f"{a},{b}" for a, b in POINTS)]
    lines[7] = line
    (tmp_path / "points.csv").write_text("\n".join(lines), encoding="utf-8")
    refused(tmp_path / "points.csv", f"line 8 is '{line}', expected two numbers, finite ones")


def test_a_first_line_with_a_number_is_no_header(tmp_path):
    (tmp_path / "points.csv").write_text("1,b\n1,2\n")
    refused(tmp_path / "points.csv", "line 1 is '1,b'")


@pytest.mark.parametrize("body, words", [
    (b"", "no points"), (b"x,y\n", "no points"), (b"\x89PNG\xff", "it is no text")])
def test_a_text_without_points(body, words, tmp_path):
    (tmp_path / "points.csv").write_bytes(body)
    refused(tmp_path / "points.csv", words)


def test_points_of_an_array(tmp_path):
    assert np.array_equal(sorted_rows(every(saved(tmp_path, POINTS))), sorted_rows(POINTS.astype(np.float32)))
    for bad in (np.nan, np.inf, 1e39):
        points = POINTS.copy()
        points[5, 1] = bad
        refused(saved(tmp_path, points), "row 5 is [", "leave out what is NaN or infinite")
    refused(saved(tmp_path, POINTS), "--size is for images", size=3)
    (tmp_path / "points.csv").write_text("1,2\n")
    refused(tmp_path / "points.csv", "--size is for images", size=3)


# -- paths -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, body, words", [
    ("a.xyz", b"hello", "it is none of what is read here: a folder of images (.png"), ("a.xyz", b"", "it is none of"),
    ("a.gz", b"\x1f\x8b\x08\x00", "cut off or damaged"), ("a.png", b"x", "one image is no data set; give the folder"),
    ("a.npy", b"x", "not a NumPy array"), ("a.npz", b"x", "not an .npz file")])
def test_files_of_other_kinds(name, body, words, tmp_path):
    (tmp_path / name).write_bytes(body)
    refused(tmp_path / name, f"'{tmp_path / name}' is not usable: ", words)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    refused(tmp_path / "a.npy", "it is neither a folder nor a regular file")


def test_a_path_that_is_none_suggests_the_nearest(tmp_path, monkeypatch):
    photos(tmp_path / "photos", N=1)
    refused(tmp_path / "pohtos", "no data set, file or folder is called", f"did you mean '{tmp_path / 'photos'}'?")
    monkeypatch.chdir(tmp_path)
    refused("pohtos", "did you mean 'photos'?")
    refused("mnsit", "did you mean 'mnist'?")
    refused("q" * 300, "known are digits,")
    refused("~nosuchuser/photos", "no data set, file or folder is called '~nosuchuser/photos'")
    refused("", "known are")


def test_a_known_name_is_not_a_path_and_paths_are_absolute(tmp_path, monkeypatch):
    photos(tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert data.load("digits").spaces["x"].levels == 17
    assert data.load("./digits").name == data.resolve("./digits") == str(tmp_path / "digits")
    refused("digits", "digits has examples of one size: --size is for images of your own", size=8)


def test_names_of_250_bytes(tmp_path):
    place = photos(tmp_path / ("é" * 125))
    shutil.copy(place / "0.png", place / f"{'n' * 246}.png")
    assert len(every(place)) == 61


def test_home(tmp_path, monkeypatch):
    photos(tmp_path / "photos")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data.load("~/photos").name == str(tmp_path / "photos") == str(Path("~/photos").expanduser())
