"""Files in a folder, in zip archives and in tar archives, read one after the other without unpacking."""

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from hgraph.errors import DataError

TARS = (".tgz", ".tar.gz", ".tar.xz", ".tar")


def archives(folder: Path) -> list[Path]:
    """Archives anywhere below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.name.lower().endswith((*TARS, ".zip")) and path.is_file())


def read_members(
    folder: Path, suffix: str, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, str, bytes, Path | None]]:
    """Files anywhere below a folder or in its archives whose names end in `suffix`.

    Args:
        folder: The folder.
        suffix: End of the names, such as ``.xml``.
        wanted: Whether to read a file, by its name without folders and `suffix`.

    Yields:
        That name, where the file stands, its bytes, and the archive it comes from, None for a plain file.

    Raises:
        DataError: An archive is damaged, or a file cannot be read.
    """
    for path in sorted(folder.rglob(f"*{suffix}")):
        if wanted(path.name.removesuffix(suffix)):
            try:
                yield path.name.removesuffix(suffix), str(path), path.read_bytes(), None
            except OSError as error:
                raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from None
    for archive in archives(folder):
        reader = _zip_members if archive.suffix.lower() == ".zip" else _tar_members
        try:
            for member, data in reader(archive, suffix, wanted):
                yield PurePosixPath(member).name.removesuffix(suffix), f"{archive}:{member}", data, archive
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error, LZMAError) as error:
            raise DataError(f"{archive}: the archive is damaged or cut short ({error}). Copy it again.") from None


def _tar_members(archive: Path, suffix: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            name = PurePosixPath(member.name).name
            if member.isfile() and name.endswith(suffix) and wanted(name.removesuffix(suffix)):
                stream = tar.extractfile(member)
                assert stream is not None
                yield member.name, stream.read()


def _zip_members(archive: Path, suffix: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.namelist():
            name = PurePosixPath(member).name
            if name.endswith(suffix) and wanted(name.removesuffix(suffix)):
                yield member, packed.read(member)
