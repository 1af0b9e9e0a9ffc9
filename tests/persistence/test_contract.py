"""The contract of stores, for every kind of URL."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from astermind_lab.persistence import Store
from tests.contracts.store_contract import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_contract(check: Callable[[Store], None], store: Store) -> None:
    check(store)
