"""The spool: what was written is there again, whatever was torn, killed or full."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import contextmanager

import pytest

from monitor.spool import KEEP_ROWS, KEEP_SECONDS, MOST_KEEP_SECONDS, Spool, SpoolTaken, claim, encode_pairs, orphans


def body(*names: str) -> bytes:
    return encode_pairs([(name.encode(), name.encode() * 20) for name in names])


def names(rows) -> list[str]:
    return [mark.decode() for row in rows for mark, _ in row.pairs]


@contextmanager
def opened(path):
    spool = Spool(path)
    try:
        yield spool
    finally:
        spool.close()


def copy_files(source, target) -> None:
    target.mkdir()
    for path in source.iterdir():
        shutil.copy(path, target / path.name)


# --- torn and damaged files -----------------------------------------------------------------------------------------------


def torn(tmp_path, step: int) -> None:
    """Cut the newest bytes off the log, at every place of its last 4 kB and more: only whole transactions come back, in order."""
    with opened(tmp_path / "live" / "a.spool") as spool:
        for number in range(30):
            spool.append([(number % 4, body(f"{number}a", f"{number}b")), (1, body(f"{number}c"))])
        copy_files(tmp_path / "live", tmp_path / "copy")  # as it is on disk when the process is gone
    written = [f"{number}{letter}" for number in range(30) for letter in "abc"]
    whole = (tmp_path / "copy" / "a.spool-wal").read_bytes()
    lengths = set()
    for cut in range(0, 4200, step):
        shutil.rmtree(tmp_path / "torn", ignore_errors=True)
        copy_files(tmp_path / "copy", tmp_path / "torn")
        (tmp_path / "torn" / "a.spool-wal").write_bytes(whole[: len(whole) - cut])
        with opened(tmp_path / "torn" / "a.spool") as spool:
            found = names(spool.rows())
            assert found == written[: len(found)]
            assert len(found) % 3 == 0, "half a transaction"
            lengths.add(len(found))
            spool.append([(0, body("after"))])
            assert names(spool.rows()) == [*found, "after"]
    assert max(lengths) == 90
    assert min(lengths) < 90, "the fault did not happen: nothing was torn"


def test_a_torn_write_leaves_whole_transactions(tmp_path):
    torn(tmp_path, 97)


@pytest.mark.slow
def test_a_write_torn_at_any_byte_leaves_whole_transactions(tmp_path):
    torn(tmp_path, 1)


def test_a_file_that_is_no_spool_any_more_is_set_aside(tmp_path, caplog):
    path = tmp_path / "a.spool"
    path.write_bytes(b"somebody wrote over it" * 500)
    with opened(path) as spool:
        spool.append([(0, body("a"))])
        assert names(spool.rows()) == ["a"]
    assert (tmp_path / "a.damaged").read_bytes().startswith(b"somebody")
    assert "a.damaged" in caplog.text


# --- claiming ---------------------------------------------------------------------------------------------------------------


def test_a_file_has_one_owner(tmp_path):
    with opened(tmp_path / "a.spool"), pytest.raises(SpoolTaken):
        Spool(tmp_path / "a.spool")
    with opened(tmp_path / "a.spool"):
        pass


def test_two_producers_of_a_machine_claim_different_files(tmp_path):
    one, two = claim(tmp_path, "collect"), claim(tmp_path, "collect")
    assert [one.path.name, two.path.name] == ["collect-0.spool", "collect-1.spool"]
    one.close()
    again = claim(tmp_path, "collect")
    assert again.path == one.path
    again.close()
    two.close()


DYING = """
import sys, pathlib
from monitor.spool import Spool, encode_pairs
spool = Spool(pathlib.Path(sys.argv[1]))
for number in range(50):
    numbers = spool.append([(number % 3, encode_pairs([(str(number).encode(), b"x")]))])
spool.append((), [(123.0, n) for n in range(1, 11)])
print("written", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_had_written_is_adopted(tmp_path):
    path = tmp_path / "dead-0.spool"
    process = subprocess.Popen([sys.executable, "-c", DYING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"written\n"
        mine = tmp_path / "mine.spool"
        assert orphans(tmp_path, mine) == []  # it lives
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    (left,) = orphans(tmp_path, mine)
    rows = left.rows()
    assert names(rows) == [str(number) for number in range(50)]
    assert [row.acknowledged for row in rows[8:12]] == [123.0, 123.0, None, None]
    assert orphans(tmp_path, mine) == []  # it is ours now
    left.remove()
    assert orphans(tmp_path, mine) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dead-0.lock"]


def test_an_empty_spool_is_no_orphan(tmp_path):
    with opened(tmp_path / "b.spool"):
        pass
    assert orphans(tmp_path, tmp_path / "a.spool") == []
    with opened(tmp_path / "b.spool"):  # and its lock was given back
        pass


# --- what is kept and what is forgotten ---------------------------------------------------------------------------------------


def fill(spool: Spool, rows: int, acknowledged: float | None) -> list[int]:
    numbers = spool.append([(0, body(str(number))) for number in range(rows)])
    if acknowledged is not None:
        spool.append((), [(acknowledged, number) for number in numbers])
    return numbers


def test_the_newest_rows_of_a_quiet_partition_are_kept_and_older_ones_dropped(tmp_path):
    with opened(tmp_path / "a.spool") as spool:
        numbers = fill(spool, KEEP_ROWS + 36, 1000.0)
        assert spool.forget({0: (numbers[-1], 1000.0 + KEEP_SECONDS)}) == 0
        assert spool.forget({0: (numbers[-1], 1001.0 + KEEP_SECONDS)}) == 36
        assert [row.number for row in spool.rows()] == numbers[36:]


def test_nothing_is_kept_for_so_long_that_the_seen_ids_may_have_forgotten_it(tmp_path):
    with opened(tmp_path / "a.spool") as spool:
        numbers = fill(spool, 3, 1000.0)
        assert spool.forget({0: (numbers[-1], 1001.0 + MOST_KEEP_SECONDS)}) == 3


def test_what_was_never_acknowledged_is_never_dropped(tmp_path):
    with opened(tmp_path / "a.spool") as spool:
        numbers = fill(spool, 200, None)
        assert spool.forget({0: (numbers[-1], 1e12)}) == 0


def test_rows_that_the_new_owner_has_not_sent_yet_stay(tmp_path):
    """They carry the acknowledgement of a former owner, which may not be true any more."""
    with opened(tmp_path / "a.spool") as spool:
        numbers = fill(spool, 200, 1000.0)
        assert spool.forget({0: (numbers[9], 1e12)}) == 10
        assert spool.forget({1: (numbers[-1], 1e12)}) == 0


def test_kept_rows_of_a_partition_come_in_order_and_in_parts(tmp_path):
    with opened(tmp_path / "a.spool") as spool:
        spool.append([(number % 2, body(str(number))) for number in range(20)])
        first = spool.kept(1, after=0, up_to=18, limit=4)
        assert names(first) == ["1", "3", "5", "7"]
        assert names(spool.kept(1, after=first[-1].number, up_to=18, limit=100)) == ["9", "11", "13", "15", "17"]
        spool.drop([first[0].number])
        assert names(spool.kept(1, after=0, up_to=18, limit=1)) == ["3"]


# --- a full disk --------------------------------------------------------------------------------------------------------------


def until_full(spool: Spool) -> int:
    """Rows that were accepted before the disk refused."""
    for number in range(10_000):
        try:
            spool.append([(0, encode_pairs([(str(number).encode(), bytes(2000))]))])
        except sqlite3.OperationalError as error:
            assert "full" in str(error)  # noqa: PT017
            return number
    raise AssertionError("the fault did not happen: the disk was never full")


def test_a_full_disk_refuses_and_goes_on_when_there_is_room_again(tmp_path):
    """What was refused is not there, what was accepted is."""
    with opened(tmp_path / "a.spool") as spool:
        spool.append([(0, body("before"))])
        (pages,) = spool._database.execute("PRAGMA page_count").fetchone()
        spool._database.execute(f"PRAGMA max_page_count = {pages + 2}")
        accepted = until_full(spool)
        assert len(spool.rows()) == accepted + 1
        spool._database.execute("PRAGMA max_page_count = 1000000")
        spool.append([(0, body("after"))])
        assert names(spool.rows())[-1] == "after"
        assert len(spool.rows()) == accepted + 2


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a disk of its own must be mounted, and that needs root; the test above fills one of SQLite's instead")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_real_full_disk_loses_nothing_that_was_accepted(small_disk):
    (small_disk / "ballast").write_bytes(bytes(700_000))
    with opened(small_disk / "a.spool") as spool:
        accepted = until_full(spool)
        assert accepted > 10
        assert names(spool.rows()) == [str(number) for number in range(accepted)]
        (small_disk / "ballast").unlink()
        spool.append([(0, body("after"))])
        assert names(spool.rows()) == [*(str(number) for number in range(accepted)), "after"]
