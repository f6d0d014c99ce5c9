from __future__ import annotations

import pytest

from syncworker.auth.session import SessionRefused, Sessions

from .conftest import Clock

KEY = b"only for tests"


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(KEY, lifetime=60, clock=clock)


def test_a_token_names_its_user(sessions: Sessions) -> None:
    assert sessions.verify(sessions.log_in("ada")).user == "ada"


def test_a_token_expires(sessions: Sessions, clock: Clock) -> None:
    token = sessions.log_in("ada")
    clock.advance(60)
    with pytest.raises(SessionRefused, match="expired"):
        sessions.verify(token)


def test_a_changed_token_is_refused(sessions: Sessions) -> None:
    with pytest.raises(SessionRefused, match="forged"):
        sessions.verify(sessions.log_in("ada").replace("ada", "eve"))


def test_a_token_outlives_a_restart(sessions: Sessions, clock: Clock) -> None:
    token = sessions.log_in("ada")
    restarted = Sessions(KEY, lifetime=60, clock=clock)
    assert restarted.verify(token).user == "ada"


def test_who_is_logged_in_is_known(sessions: Sessions) -> None:
    token = sessions.log_in("ada")
    sessions.log_in("bob")
    assert sessions.active_users() == ("ada", "bob")
    sessions.log_out(token)
    assert sessions.active_users() == ("bob",)


def test_a_user_name_with_a_colon_is_refused(sessions: Sessions) -> None:
    with pytest.raises(ValueError, match="colon"):
        sessions.log_in("a:b")
