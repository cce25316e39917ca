"""One image file -> a picture of 8 bits in RGB, of the size asked for; and in words what was done to it.

    PNG, JPEG, WebP, GIF (its first frame)          whatever the name says, by what the file begins with
    gray, palette, 1 bit, 16 bit, CMYK              become RGB; of 16 bits the upper ones are kept
    transparent parts                               are laid over white
    a photograph that the camera held sideways      is turned upright, as its EXIF tag says
    another size                                    the middle, in the new shape, is resized with antialiasing

Read next: folder.py.
"""
import io
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
ORIENTATION = 0x0112  # EXIF tag; 1 is upright

UPPER, WHITE, TURNED, FIRST = ("16 bits cut to 8", "transparent parts over white", "turned upright as EXIF says",
                               "first frames of animations")
FITTED = "the middle resized with antialiasing"


def read_picture(raw):
    """(a PIL image in mode RGB, what was done to it: a set of the words above) of a file's bytes. ValueError if they
    are damaged, or no image, or one that is to fill the memory."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", "Palette images with Transparency")  # which is seen to
            with Image.open(io.BytesIO(raw), formats=FORMATS) as picture:
                done = {UPPER} if ";16" in str(picture.tile) else set()
                if getattr(picture, "is_animated", False) and picture.format != "MPO":  # a JPEG of two views
                    done.add(FIRST)
                picture.load()
                return _in_rgb(picture, done), done
    except (OSError, EOFError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError,
            NotImplementedError, RuntimeError, struct.error, zlib.error, Image.DecompressionBombError,
            Image.DecompressionBombWarning) as error:
        raise ValueError(_short(error)) from error


def fitted(picture, size):
    """The middle of a picture, as large as has the shape of size (H, W), resized to it.

    Lanczos' filter would be sharper, and put a bright line beside every dark edge, which a model then learns; Hamming's
    stays within the values that it finds.
    """
    H, W = size
    return ImageOps.fit(picture, (W, H), Image.Resampling.HAMMING)


def _in_rgb(picture, done):
    """The picture upright, opaque, with 8 bits for each of R G B."""
    if picture.getexif().get(ORIENTATION, 1) != 1:
        picture = ImageOps.exif_transpose(picture)
        done.add(TURNED)
    if picture.mode.startswith("I"):  # gray of 16 bits: PIL's own conversion cuts off what is above 255
        return Image.fromarray((np.asarray(picture).clip(0, 65535) // 256).astype(np.uint8)).convert("RGB")
    if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        if picture.getextrema()[3][0] < 255:
            done.add(WHITE)
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def _short(error):
    """What is wrong with an image file, in a few words."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "no PNG, JPEG, WebP or GIF"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:80]
