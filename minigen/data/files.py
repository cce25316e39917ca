"""Finding a published file: in the user's folder, else in the cache, else by one download.

1. the folder `root`, or the environment variable MINIGEN_DATA: the file itself or in a sub-folder named
   after the data set, under the names that it has there where others unpack it, gzipped or not. Files there are
   read and never changed.
2. the cache: the system's folder for caches, minigen/<data set>/.
3. the file's public home, with pooch. A file that arrives broken is removed again.

A damaged or forged file must not fill the memory: `contents` reads no more than the file may hold.
"""

import gzip
import hashlib
import os
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import pooch
from requests import exceptions as http

SHIPPED = Path(__file__).parent / "shipped"  # what comes with the package

BROKEN = (EOFError, gzip.BadGzipFile, zlib.error)  # what reading a damaged gzip raises

# Where a data set lies in people's folders: after its name here, as torchvision unpacks it, as its makers call it
PLACES = {
    "mnist": ("mnist", "MNIST/raw", "MNIST", ".", "raw"),
    "fashion_mnist": ("fashion_mnist", "FashionMNIST/raw", "FashionMNIST", "fashion-mnist/data/fashion",
                      "fashion-mnist", ".", "raw"),
    "cifar10": ("cifar10", "cifar-10", "CIFAR10", "."),
}


@dataclass(frozen=True)
class Remote:
    """A file on its public home: url = home + name. `most` is how many bytes its contents can have, after gzip.
    `md5` is of the file as published, `sha256` of its contents: it holds for every copy, however compressed."""

    home: str
    name: str
    most: int
    md5: str | None = None
    sha256: str | None = None


def read(dataset, remote, decode, root=None):
    """decode(contents) of the first copy found; `decode` raises ValueError on contents it cannot accept.

    Raises FileNotFoundError if there is no copy and no download, ValueError for a broken file; both say
    which file it was and where to put a good one.
    """
    folder = user_folder(root)
    url = remote.home + remote.name
    mine = find(folder, dataset, *names_of(remote.name))
    if mine:
        try:
            return _decode(mine, remote, decode)
        except (OSError, ValueError) as error:
            raise ValueError(f"{dataset}: {mine} is not usable: {error}; replace it by {url}") from error

    cached = cache_folder() / dataset / remote.name
    if cached.is_file():
        try:
            return _decode(cached, remote, decode)
        except ValueError:
            cached.unlink()  # damaged since it was stored: fetch it again

    try:
        _download(url, remote.md5, cached)
        return _decode(cached, remote, decode)
    except (OSError, ValueError) as error:
        if cached.is_file():
            cached.unlink()
        missing = f"; {folder} has no such file, it holds {listing(folder)}" if folder else ""
        kind = FileNotFoundError if isinstance(error, OSError) else ValueError
        raise kind(f"{dataset}: download of {url} failed ({_reason(error)}){missing}; put {cached.name} into "
                   f"{cached.parent}, or into a folder and set MINIGEN_DATA to it") from error


def user_folder(root=None):
    """`root` or MINIGEN_DATA as a Path; None where neither is set. Raises FileNotFoundError if missing."""
    given = root or os.environ.get("MINIGEN_DATA")
    if not given:
        return None
    source = "root" if root else "MINIGEN_DATA"
    try:
        folder = Path(given).expanduser()
    except RuntimeError:
        raise FileNotFoundError(f"{source}={given}: no such user; write the whole path") from None
    if not os.path.isdir(folder):  # unlike Path.is_dir it bears names that are too long
        raise FileNotFoundError(f"{source}={str(given)[:200]}: no such folder; create it, or leave {source} unset")
    return folder


def names_of(published):
    """The names that a published file has in people's folders: gzipped or not, with a dot in the place of a dash."""
    plain = published.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    return list(dict.fromkeys([published, plain, f"{dotted}.gz", dotted]))


def find(folder, dataset, *names):
    """The first of these names that is a file in the folder, or where others put the data set in it; or None.

    A folder of a file's name can hold the file.
    """
    if folder is None:
        return None
    places = [folder / place for place in PLACES.get(dataset, (dataset, "."))]
    candidates = [path for place in places for name in names for path in (place / name, place / name / name)]
    return next((path for path in candidates if os.path.isfile(path)), None)


def listing(folder, most=8):
    """What is in a folder, in words: 'a.png, b.png, cats/ and 3 more'."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name[:60] + "/" * entry.is_dir() for entry in entries)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest if names else "nothing"


def cache_folder():
    """Where downloads are kept, e.g. ~/.cache/minigen."""
    return Path(pooch.os_cache("minigen"))


def contents(path, most):
    """The bytes of a file, unpacked if it is gzipped. ValueError if they are more than `most`, of which no more are
    read, or if it is damaged."""
    with opened(path) as stream:
        try:
            found = stream.read(most + 1)
        except BROKEN as error:
            raise ValueError(f"cut off or damaged, {error}") from error
    if len(found) > most:
        raise ValueError(f"it holds more than the {most:,} bytes that it can have")
    return found


def opened(path):
    """A file for reading, which unpacks what is gzipped as it goes. Reading a damaged one raises one of BROKEN."""
    with open(path, "rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if gzipped else open(path, "rb")


def _decode(path, remote, decode):
    """decode(contents of path), after gzip and checksum; ValueError says what is wrong with the contents."""
    found = contents(path, remote.most)
    if remote.sha256:
        digest = hashlib.sha256(found).hexdigest()
        if digest != remote.sha256:
            raise ValueError(f"wrong checksum, SHA-256 of the contents is {digest}, expected {remote.sha256}")
    return decode(found)


def _download(url, md5, path):
    """Fetch `url` into `path`. pooch moves it there only when it is whole and its MD5, if given, is right."""
    pooch.get_logger().setLevel("WARNING")  # by default it prints hints for those who program with it
    fetch = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)
    try:
        pooch.retrieve(url, md5 and f"md5:{md5}", fname=path.name, path=path.parent, downloader=fetch)
    except ValueError as error:
        raise ValueError("wrong checksum") from error


def _reason(error):
    """A few words; the messages of requests run over several lines."""
    if isinstance(error, http.HTTPError):
        return f"the server answers {error.response.status_code}"
    if isinstance(error, http.ChunkedEncodingError):
        return "the transfer broke off"
    if isinstance(error, http.Timeout):
        return "no answer within 30 s"
    if isinstance(error, http.SSLError):
        return "the server's certificate is not accepted"
    if isinstance(error, http.ConnectionError):
        return "no connection"
    return str(error)
