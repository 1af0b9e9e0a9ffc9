"""The spool: records on disk that are on their way to the database.

A spool is a folder of numbered segments, each reserved on disk beforehand and written through
memory. A record is in the file once ``append`` has returned, and there it stays whatever becomes of
the process; how soon it is safe from a power cut, ``Fsync`` says:

    always    before ``append`` returns
    interval  within a second
    os        whenever the system writes it out, usually within half a minute

A record is its length, its CRC-32 and its bytes; the length is written last, so that a reader sees
a record whole or not at all. Segments that have been read to their end are removed.
"""

from __future__ import annotations

import itertools
import mmap
import os
import struct
import threading
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from astermind_lab.errors import StoreError, StoreUnavailable

__all__ = [
    "FRAME_BYTES",
    "Batch",
    "Fsync",
    "Spool",
    "SpoolFull",
    "next_batch",
    "record_length",
    "records",
    "segments",
]

SEGMENT_BYTES = 16 * 1024 * 1024
_FRAME = struct.Struct("<II")  # length, CRC-32
FRAME_BYTES = _FRAME.size
_ALIGN = 8
_SUFFIX = ".spool"


class Fsync(StrEnum):
    """When a record is safe from a power cut."""

    ALWAYS = "always"
    INTERVAL = "interval"
    OS = "os"


class SpoolFull(StoreError):
    """There is no place on disk for another record; nothing was recorded."""


@dataclass(frozen=True)
class Batch:
    """Records that follow one another in a segment.

    start, end : where they stand in it, in bytes
    """

    segment: str
    start: int
    end: int
    payloads: Sequence[bytes]


class _Segment:
    """A file of the spool, open for writing."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self.end = self.read = 0
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _reserve(self.file, size)
            self.memory = mmap.mmap(self.file, size)
        except BaseException:
            os.close(self.file)
            path.unlink(missing_ok=True)
            raise

    def write(self, payload: bytes) -> None:
        start = self.end
        self.memory[start + _FRAME.size : start + _FRAME.size + len(payload)] = payload
        self.memory[start : start + _FRAME.size] = _FRAME.pack(len(payload), zlib.crc32(payload))
        self.end = start + record_length(payload)

    def close(self) -> None:
        self.memory.close()
        os.close(self.file)


class Spool:
    """Appends records, and gives them out again in order; for many writers and one reader."""

    def __init__(
        self,
        folder: Path,
        *,
        fsync: Fsync = Fsync.INTERVAL,
        most_bytes: int = 1 << 30,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        """folder : of this spool alone; made if it is missing, and must hold no segment yet.

        most_bytes : that all segments together may take
        Raises SpoolFull if it cannot be made.
        """
        self.folder = folder
        self.fsync = fsync
        self.most_bytes = most_bytes
        self.appended = self.taken = 0  # records, ever
        self._segment_bytes = segment_bytes
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._syncing = threading.Lock()
        self._synced = 0
        self._closed = False
        self._removed: list[str] = []
        self._segments: deque[_Segment] = deque()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as problem:
            raise SpoolFull(
                f"the folder {folder} for predictions on their way to the database cannot be made: "
                f"{problem.strerror or problem}"
            ) from None

    def move(self, folder: Path) -> None:
        """Give the folder, which holds no segment yet, its name."""
        self.folder = self.folder.rename(folder)
        self._sync_folder(folder.parent)

    @property
    def waiting(self) -> int:
        """Records that are not in the database yet."""
        return self.appended - self.taken

    def append(self, payloads: Sequence[bytes]) -> int:
        """Add records; returns the number of records ever added, these included.

        payloads : none of them empty
        Raises SpoolFull, or StoreUnavailable once closed, and then none of them was added.
        """
        with self._lock:
            if self._closed:
                raise StoreUnavailable("nothing was recorded: the recorder has been closed")
            for segment, payload in self._places(payloads):
                segment.write(payload)
            self.appended += len(payloads)
            count = self.appended
        if self.fsync is Fsync.ALWAYS:
            self.sync(count)
        return count

    def sync(self, count: int | None = None) -> None:
        """Make the first ``count`` records, or all, safe from a power cut."""
        with self._syncing:
            with self._lock:
                if self._synced >= (self.appended if count is None else count):
                    return
                target = self.appended
                files = [os.dup(segment.file) for segment in self._segments]
            try:
                for file in files:
                    getattr(os, "fdatasync", os.fsync)(file)
            finally:
                for file in files:
                    os.close(file)
            self._synced = target

    def peek(self, most: int, most_bytes: int) -> Batch | None:
        """The next records, of one segment, which stay until they are ``done``."""
        with self._lock:
            while len(self._segments) > 1 and self._segments[0].read == self._segments[0].end:
                self._remove(self._segments.popleft())
            if not self._segments or self._segments[0].read == self._segments[0].end:
                return None
            segment = self._segments[0]
            start, stop = segment.read, segment.end
        name = segment.path.name
        return next_batch(name, segment.memory, start, stop, most=most, most_bytes=most_bytes)

    def done(self, batch: Batch) -> None:
        """The records are in the database."""
        with self._lock:
            segment = self._segments[0]
            assert segment.path.name == batch.segment and segment.read == batch.start
            segment.read = batch.end
            self.taken += len(batch.payloads)

    def take_removed(self) -> list[str]:
        """The names of the segments that were removed since this was last asked."""
        with self._lock:
            names, self._removed = self._removed, []
        return names

    def seal(self) -> None:
        """Take no more records."""
        with self._lock:
            self._closed = True

    def close(self) -> None:
        """Close the files. What was read is removed, what was not stays for the next program."""
        with self._lock:
            self._closed = True
            for segment in self._segments:
                if segment.read == segment.end:
                    self._remove(segment)
                else:
                    segment.close()
            self._segments.clear()

    def _places(self, payloads: Sequence[bytes]) -> list[tuple[_Segment, bytes]]:
        """A segment with room for each; what is missing is reserved now, for all or none."""
        fresh: list[_Segment] = []
        places: list[tuple[_Segment, bytes]] = []
        last = self._segments[-1] if self._segments else None
        free = last.size - last.end if last else 0
        try:
            for payload in payloads:
                need = record_length(payload)
                if last is None or need > free:
                    if not places:
                        self._drop_read()
                    last = self._reserve(max(self._segment_bytes, need), fresh)
                    fresh.append(last)
                    free = last.size - last.end
                free -= need
                places.append((last, payload))
        except BaseException:
            for segment in fresh:
                self._remove(segment)
            raise
        self._segments.extend(fresh)
        return places

    def _reserve(self, size: int, fresh: Sequence[_Segment]) -> _Segment:
        taken = sum(segment.size for segment in (*self._segments, *fresh))
        if taken + size > self.most_bytes:
            raise SpoolFull(
                f"{self.waiting:,} predictions wait for the database in {self.folder}, and more "
                f"than {self.most_bytes:,} bytes are not allowed there (monitoring.spool_limit)"
            )
        try:
            segment = _Segment(self.folder / f"{next(self._numbers):08}{_SUFFIX}", size)
        except OSError as problem:
            raise SpoolFull(
                f"no room in {self.folder} for predictions on their way to the database: "
                f"{problem.strerror or problem}"
            ) from None
        self._sync_folder(self.folder)
        return segment

    def _sync_folder(self, folder: Path) -> None:
        """Make it safe from a power cut that a new file is there at all."""
        if self.fsync is Fsync.OS:
            return
        with suppress(OSError):  # there are file systems without
            descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _drop_read(self) -> None:
        """Remove the segments that were read to their end: their room is needed."""
        while self._segments and self._segments[0].read == self._segments[0].end:
            self._remove(self._segments.popleft())

    def _remove(self, segment: _Segment) -> None:
        segment.close()
        segment.path.unlink(missing_ok=True)
        self._removed.append(segment.path.name)


def segments(folder: Path) -> list[Path]:
    """The segments in a folder, the oldest first."""
    return sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX)


def records(
    data: mmap.mmap | bytes, start: int, stop: int | None = None
) -> Iterator[tuple[bytes, int]]:
    """The records from ``start`` on, each with the place of its end; stops where none is whole."""
    stop = len(data) if stop is None else stop
    while start + _FRAME.size <= stop:
        length, checksum = _FRAME.unpack(data[start : start + _FRAME.size])
        payload = data[start + _FRAME.size : start + _FRAME.size + length]
        if not length or len(payload) < length or zlib.crc32(payload) != checksum:
            return
        start += record_length(payload)
        yield payload, start


def next_batch(
    name: str,
    data: mmap.mmap | bytes,
    start: int,
    stop: int | None = None,
    *,
    most: int,
    most_bytes: int,
) -> Batch:
    """The records of a segment from ``start`` on, so many at the most; none where none is whole."""
    found: list[bytes] = []
    end = start
    for payload, after in records(data, start, stop):
        if found and (len(found) == most or after - start > most_bytes):
            break
        found.append(payload)
        end = after
    return Batch(name, start, end, found)


def record_length(payload: bytes) -> int:
    """What a record takes in a segment, in bytes."""
    return -(-(_FRAME.size + len(payload)) // _ALIGN) * _ALIGN


def _reserve(file: int, size: int) -> None:
    """Take the room on disk now: memory that maps a hole would fail when the disk is full."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        for _ in range(0, size, 1 << 20):
            os.write(file, bytes(min(size, 1 << 20)))
