"""The spool: what was put in comes out, once and in order, whatever happens to the files."""

from __future__ import annotations

import errno
import mmap
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from astermind_lab.errors import StoreError, StoreUnavailable
from astermind_lab.monitoring.spool import (
    Batch,
    Fsync,
    Spool,
    SpoolFull,
    record_length,
    records,
    segments,
)
from tests.chaos.mounts import small_disk

SMALL = 256  # bytes of a segment, so that a few records fill it
SOON = 20.0

payloads = st.binary(min_size=1, max_size=120)
steps = st.lists(
    st.one_of(
        st.lists(payloads, max_size=6),  # append them
        st.tuples(st.integers(1, 5), st.integers(1, 400)),  # read so many, of so many bytes
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A new place for each spool."""
    root, numbers = tmp_path_factory.mktemp("spools"), count()
    return lambda: root / f"spool {next(numbers)}"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool", fsync=Fsync.OS, segment_bytes=SMALL)
    yield made
    made.close()


def read_all(spool: Spool) -> list[bytes]:
    """Everything that waits; it is done then."""
    found: list[bytes] = []
    while batch := spool.peek(1_000, 1 << 20):
        found += batch.payloads
        spool.done(batch)
    return found


def left(folder: Path) -> list[bytes]:
    """What another program finds in the files."""
    return [payload for path in segments(folder) for payload, _ in records(path.read_bytes(), 0)]


@given(steps)
@example([[b"x" * 120] * 6, (1, 1), (5, 400), [b"y"], (5, 400), (5, 400)])
@settings(max_examples=150, deadline=None)
def test_every_record_comes_once_and_in_order(
    folders: Callable[[], Path], steps: Sequence[list[bytes] | tuple[int, int]]
) -> None:
    spool = Spool(folders(), fsync=Fsync.OS, segment_bytes=SMALL)
    written: list[bytes] = []
    found: list[bytes] = []
    for step in steps:
        if isinstance(step, list):
            written += step
            assert spool.append(step) == len(written)
        elif batch := spool.peek(*step):
            assert 1 <= len(batch.payloads) <= step[0]
            assert batch.end - batch.start == sum(map(record_length, batch.payloads))
            assert batch == spool.peek(*step), "it stays until it is done"
            found += batch.payloads
            spool.done(batch)
        else:
            assert found == written
        assert spool.waiting == len(written) - len(found)
    assert found == written[: len(found)]
    assert found + read_all(spool) == written
    spool.close()
    assert segments(spool.folder) == []


@given(st.lists(st.lists(payloads, max_size=4), max_size=20), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_what_was_not_read_is_found_by_the_next_program(
    folders: Callable[[], Path], appends: list[list[bytes]], read: int
) -> None:
    spool = Spool(folders(), fsync=Fsync.OS, segment_bytes=SMALL)
    for some in appends:
        spool.append(some)
    written = [payload for some in appends for payload in some]
    ends: dict[str, int] = {}
    for _ in range(min(read, len(written))):
        batch = spool.peek(1, SMALL)
        assert batch is not None and list(batch.payloads) == [written.pop(0)]
        spool.done(batch)
        ends[batch.segment] = batch.end
    spool.close()
    found = [
        payload
        for path in segments(spool.folder)
        for payload, _ in records(path.read_bytes(), ends.get(path.name, 0))
    ]
    assert found == written


def test_records_are_in_the_files_once_append_has_returned(spool: Spool) -> None:
    spool.append([b"one", b"two" * 50])
    spool.append([b"three" * 30])
    assert left(spool.folder) == [b"one", b"two" * 50, b"three" * 30]
    assert {path.stat().st_mode & 0o777 for path in segments(spool.folder)} == {0o600}


def test_a_record_may_be_larger_than_a_segment(spool: Spool) -> None:
    large = os.urandom(10 * SMALL)
    spool.append([b"before", large, b"after"])
    assert read_all(spool) == [b"before", large, b"after"]


def test_a_batch_is_never_larger_than_asked_but_holds_at_least_one_record(spool: Spool) -> None:
    spool.append([bytes([n]) * 40 for n in range(1, 6)])
    batch = spool.peek(10, 100)
    assert batch is not None and len(batch.payloads) == 2
    batch = spool.peek(10, 1)
    assert batch is not None and len(batch.payloads) == 1
    batch = spool.peek(3, 1 << 20)
    assert batch is not None and len(batch.payloads) == 3


def test_an_empty_append_is_no_record(spool: Spool) -> None:
    assert spool.append([]) == 0
    assert spool.peek(10, 1_000) is None
    assert segments(spool.folder) == []


def test_segments_that_have_been_read_are_removed(spool: Spool) -> None:
    for n in range(20):
        spool.append([bytes([n + 1]) * 100])
    before = segments(spool.folder)
    assert len(before) > 5
    assert len(read_all(spool)) == 20
    assert spool.peek(1, 1) is None
    assert segments(spool.folder) == before[-1:]
    spool.append([b"more"])
    assert read_all(spool) == [b"more"]
    spool.close()
    assert segments(spool.folder) == []


def test_a_name_is_given_while_the_folder_is_empty(tmp_path: Path) -> None:
    spool = Spool(tmp_path / ".draft", fsync=Fsync.OS)
    spool.move(tmp_path / "name")
    spool.append([b"a"])
    assert left(tmp_path / "name") == [b"a"]
    assert not (tmp_path / ".draft").exists()
    spool.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=str(tmp_path / "file")):
        Spool(tmp_path / "file" / "spool")


def test_nothing_is_taken_once_it_is_closed(spool: Spool) -> None:
    spool.append([b"a"])
    spool.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        spool.append([b"b"])
    assert left(spool.folder) == [b"a"]
    spool.close()


# Full


def test_at_the_limit_all_of_an_append_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", fsync=Fsync.OS, most_bytes=3 * SMALL, segment_bytes=SMALL)
    written = [bytes([n]) * 100 for n in range(1, 6)]
    spool.append(written)
    files = segments(spool.folder)
    with pytest.raises(SpoolFull, match=r"5 predictions wait .* 768 bytes") as caught:
        spool.append([b"fits" * 25, b"does not" * 13])
    assert str(spool.folder) in str(caught.value)
    assert (spool.appended, segments(spool.folder)) == (5, files)
    spool.append([b"this" * 25])
    assert left(spool.folder) == [*written, b"this" * 25]
    assert read_all(spool) == [*written, b"this" * 25]
    spool.append([b"room again" * 10] * 4)
    assert len(read_all(spool)) == 4
    spool.close()


@pytest.mark.parametrize("segments_allowed", [1, 1.25, 2, 3.5])
def test_a_small_limit_is_no_limit_for_what_passes_through(
    tmp_path: Path, segments_allowed: float
) -> None:
    most = int(segments_allowed * SMALL)
    spool = Spool(tmp_path / "spool", fsync=Fsync.OS, most_bytes=most, segment_bytes=SMALL)
    for n in range(100):
        spool.append([bytes([n]) * 90])
        assert read_all(spool) == [bytes([n]) * 90]
        assert sum(path.stat().st_size for path in segments(spool.folder)) <= most
    spool.close()


def test_a_record_that_can_never_fit_is_refused(spool: Spool) -> None:
    spool.most_bytes = 4 * SMALL
    with pytest.raises(SpoolFull):
        spool.append([b"a", b"b" * 5 * SMALL])
    assert spool.append([b"c"]) == 1
    assert read_all(spool) == [b"c"]


def test_a_disk_that_refuses_loses_nothing(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    spool.append([b"a" * 100])
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse)
        with pytest.raises(SpoolFull, match="No space left on device"):
            spool.append([b"b" * 100, b"c" * 100])
        spool.append([b"d" * 100])
    assert spool.append([b"e" * 100, b"f" * 100]) == 4
    assert read_all(spool) == [letter * 100 for letter in (b"a", b"d", b"e", b"f")]


def test_a_full_disk_loses_nothing_and_takes_more_when_there_is_room(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder, 2):
        spool = Spool(folder / "spool", fsync=Fsync.ALWAYS, segment_bytes=100_000)
        written: list[bytes] = []
        with pytest.raises(SpoolFull, match="No space left on device"):
            for n in range(1, 1_000):
                some = [n.to_bytes(2, "big") * 5_000, b"%d" % n]
                spool.append(some)
                written += some
        assert len(written) > 100
        assert left(spool.folder) == written
        assert read_all(spool) == written
        spool.append([b"more" * 10_000])
        assert read_all(spool) == [b"more" * 10_000]
        spool.close()


# Torn and damaged


def kept(folder: Path, written: Sequence[bytes]) -> Path:
    """The one segment that holds these records."""
    spool = Spool(folder, fsync=Fsync.OS, segment_bytes=4_096)
    spool.append(written)
    spool.close()
    [path] = segments(folder)
    return path


def assert_is_prefix(data: bytes, written: Sequence[bytes], start: int = 0) -> int:
    """That only what was written is read, up to some place; returns how many that are."""
    found = [payload for payload, _ in records(data, start)]
    assert found == list(written[: len(found)])
    return len(found)


some_records = st.lists(payloads, min_size=1, max_size=10)


@given(some_records, st.integers(0, 4_096))
@settings(max_examples=100, deadline=None)
def test_a_file_that_was_cut_holds_all_records_before_the_cut(
    folders: Callable[[], Path], written: list[bytes], cut: int
) -> None:
    data = kept(folders(), written).read_bytes()
    ends = [end for _, end in records(data, 0)]
    assert len(ends) == len(written)
    starts = [0, *ends]
    whole = sum(start + 8 + len(p) <= cut for start, p in zip(starts, written, strict=False))
    assert assert_is_prefix(data[:cut], written) == whole
    assert assert_is_prefix(data[:cut].ljust(len(data), b"\0"), written) >= whole


@given(some_records, st.data())
@settings(max_examples=200, deadline=None)
def test_flipped_bytes_are_never_taken_for_records(
    folders: Callable[[], Path], written: list[bytes], data: st.DataObject
) -> None:
    content = bytearray(kept(folders(), written).read_bytes())
    used = sum(map(record_length, written))
    places = data.draw(st.lists(st.integers(0, used + 16), min_size=1, max_size=4, unique=True))
    for place in places:
        content[place] ^= data.draw(st.integers(1, 255))
    whole = assert_is_prefix(bytes(content), written)
    first = min(places)
    untouched = 0
    for payload in written:
        first -= record_length(payload)
        if first < 0:
            break
        untouched += 1
    assert whole >= untouched


def test_a_record_cut_short_by_a_kill_is_no_record(tmp_path: Path) -> None:
    written = [b"one", b"two"]
    path = kept(tmp_path / "spool", written)
    with path.open("r+b") as file:  # the bytes are there, their length is not
        file.seek(sum(map(record_length, written)) + 8)
        file.write(b"three")
    assert left(tmp_path / "spool") == written


# Fsync


class Syncs:
    """Counts calls of fdatasync; each waits for leave if ``gate`` is closed."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.files: list[int] = []
        self.began = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        patch.setattr(os, "fdatasync", self)

    def __call__(self, file: int) -> None:
        self.files.append(os.fstat(file).st_ino)
        self.began.set()
        assert self.gate.wait(SOON)


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> Syncs:
    return Syncs(monkeypatch)


def test_always_means_before_append_returns(tmp_path: Path, syncs: Syncs) -> None:
    spool = Spool(tmp_path / "spool", fsync=Fsync.ALWAYS, segment_bytes=SMALL)
    for n in range(1, 4):
        spool.append([b"a" * 40])
        assert len(syncs.files) == n
    spool.append([b"b" * 150, b"c" * 200])
    made = {path.stat().st_ino for path in segments(spool.folder)}
    assert len(made) == 3 and made <= set(syncs.files)
    spool.close()


def test_many_writers_share_a_sync(tmp_path: Path, syncs: Syncs) -> None:
    """All that wait while one runs are served by the next."""
    spool = Spool(tmp_path / "spool", fsync=Fsync.ALWAYS)
    syncs.gate.clear()
    with ThreadPoolExecutor(33) as pool:
        first = pool.submit(spool.append, [b"first"])
        assert syncs.began.wait(SOON)
        others = [pool.submit(spool.append, [b"%d" % n]) for n in range(32)]
        while spool.appended < 33:
            threading.Event().wait(0.001)
        assert not first.done() and not any(other.done() for other in others)
        syncs.gate.set()
        counts = sorted(one.result(SOON) for one in [first, *others])
    assert counts == list(range(1, 34))
    assert len(syncs.files) <= 3
    spool.close()


@pytest.mark.parametrize("policy", [Fsync.OS, Fsync.INTERVAL])
def test_the_other_policies_never_sync_in_append(
    tmp_path: Path, syncs: Syncs, policy: Fsync
) -> None:
    spool = Spool(tmp_path / "spool", fsync=policy, segment_bytes=SMALL)
    for n in range(50):
        spool.append([b"%d" % n] * 3)
    assert syncs.files == []
    spool.sync()
    made = len(syncs.files)
    assert made == len(segments(spool.folder))
    spool.sync()
    assert len(syncs.files) == made, "nothing new, nothing to do"
    spool.close()


def test_a_sync_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    spool = Spool(tmp_path / "spool", fsync=Fsync.ALWAYS)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="Input/output error"):
            spool.append([b"a"])
    again = Syncs(monkeypatch)
    spool.append([b"b"])
    assert len(again.files) == 1
    assert read_all(spool) == [b"a", b"b"]
    spool.close()


# Side by side


def test_many_writers_and_a_reader(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", fsync=Fsync.OS, segment_bytes=4_096)
    writers, each = 6, 400
    done = threading.Event()
    found: list[bytes] = []

    def write(writer: int) -> None:
        for n in range(each):
            spool.append([b"%d %d " % (writer, n) * (1 + n % 7)])

    def read() -> None:
        while True:
            ended = done.is_set()
            batch: Batch | None = spool.peek(7, 1_000)
            if batch is not None:
                found.extend(batch.payloads)
                spool.done(batch)
            elif ended:
                return

    with ThreadPoolExecutor(writers + 1) as pool:
        reader = pool.submit(read)
        for writing in [pool.submit(write, writer) for writer in range(writers)]:
            writing.result(SOON)
        done.set()
        reader.result(SOON)
    numbers = [tuple(map(int, payload.split()[:2])) for payload in found]
    assert len(numbers) == writers * each
    for writer in range(writers):
        assert [n for w, n in numbers if w == writer] == list(range(each))
    spool.close()


def test_memory_and_bytes_read_the_same(tmp_path: Path) -> None:
    path = kept(tmp_path / "spool", [b"a", b"b" * 70])
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        assert list(records(memory, 0)) == list(records(path.read_bytes(), 0))
