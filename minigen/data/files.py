"""Finding a published file: in the user's folder, else in the cache, else by one download.

1. the folder `root`, or the environment variable MINIGEN_DATA: the file itself or in a sub-folder named
   after the data set, gzipped or not. Files there are read and never changed.
2. the cache: the system's folder for caches, minigen/<data set>/.
3. the file's public home, with pooch. A file that arrives broken is removed again.
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


@dataclass(frozen=True)
class Remote:
    """A file on its public home: url = home + name. `md5` is of the file as published, `sha256` of its
    contents after gzip: it holds for every copy, however compressed."""

    home: str
    name: str
    md5: str | None = None
    sha256: str | None = None


def read(dataset, remote, decode, root=None):
    """decode(contents) of the first copy found; `decode` raises ValueError on contents it cannot accept.

    Raises FileNotFoundError if there is no copy and no download, ValueError for a broken file; both say
    which file it was and where to put a good one.
    """
    folder = user_folder(root)
    url = remote.home + remote.name
    mine = find(folder, dataset, remote.name, remote.name.removesuffix(".gz"))
    if mine:
        try:
            return _decode(mine, remote, decode)
        except ValueError as error:
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
        missing = f"; {folder} has no such file" if folder else ""
        kind = FileNotFoundError if isinstance(error, OSError) else ValueError
        raise kind(f"{dataset}: download of {url} failed ({_reason(error)}){missing}; put {cached.name} into "
                   f"{cached.parent}, or into a folder and set MINIGEN_DATA to it") from error


def user_folder(root=None):
    """`root` or MINIGEN_DATA as a Path; None where neither is set. Raises FileNotFoundError if missing."""
    given = root or os.environ.get("MINIGEN_DATA")
    if not given:
        return None
    folder = Path(given).expanduser()
    if not folder.is_dir():
        source = "root" if root else "MINIGEN_DATA"
        raise FileNotFoundError(f"{source}={given}: no such folder; create it, or leave {source} unset")
    return folder


def find(folder, dataset, *names):
    """The first of folder/dataset/name, folder/name that is a file; None if there is none."""
    if folder is None:
        return None
    candidates = [place / name for place in (folder / dataset, folder) for name in names]
    return next((path for path in candidates if path.is_file()), None)


def cache_folder():
    """Where downloads are kept, e.g. ~/.cache/minigen."""
    return Path(pooch.os_cache("minigen"))


def _decode(path, remote, decode):
    """decode(contents of path), after gzip and checksum; ValueError says what is wrong with the contents."""
    contents = path.read_bytes()
    if contents[:2] == b"\x1f\x8b":
        try:
            contents = gzip.decompress(contents)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"cut off or damaged, {error}") from error
    if remote.sha256:
        digest = hashlib.sha256(contents).hexdigest()
        if digest != remote.sha256:
            raise ValueError(f"wrong checksum, SHA-256 of the contents is {digest}, expected {remote.sha256}")
    return decode(contents)


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
