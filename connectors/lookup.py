"""What can be asked of an account beside who is live: which one a handle is, and whether it ever was live. Pure.

Some platforms say who somebody is and nothing of broadcasts: a ``Lookup`` is a discoverer that only resolves, and discovery does not use it.
A ``History`` is asked after an account was found, by a person who checks the list: it says whether the platform still shows a broadcast of
before. Where it shows none that is no proof, because platforms forget, so the sentence says what was looked at.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from connectors.discovery import Discoverer, Known, Question, Sighting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class Lookup(Discoverer):
    """A platform that can be asked which account a handle is, and nothing else."""

    def recheck(self, native_ids: Sequence[str]) -> list[Question]:
        return self.resolve(native_ids)

    def discover(self, channels: Sequence[Known], now: datetime, budget: int) -> list[Question]:
        return []

    def read_status(self, question: Question, body: bytes) -> list[Sighting]:
        return []


class History(ABC):
    """Whether accounts were live before, asked with the key and the quota of the platform's discovery."""

    name: ClassVar[str]
    """Name in the table of platforms."""
    none: ClassVar[str]
    """What is so when nothing is found: "none of its newest ten videos was a live"."""

    def __init__(self, options: Any) -> None:
        self.opts = options

    @abstractmethod
    def units(self, channels: int) -> int:
        """What asking about so many costs at most."""

    @abstractmethod
    def questions(self, native_ids: Sequence[str]) -> list[Question]:
        """What is asked first."""

    @abstractmethod
    def read(self, question: Question, body: bytes) -> tuple[dict[str, bool], list[Question]]:
        """(native id → whether it was live, what must be asked besides); raises Unreadable and nothing else."""

    def says_nothing_there(self, question: Question, status: int) -> bool:
        """Whether an answer that is not 2xx says that the account shows nothing; then ``read`` gets no body."""
        return False
