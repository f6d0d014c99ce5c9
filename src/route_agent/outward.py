"""What of one run may leave the machine, and what is kept of it: everything that sends asks here."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.config import BUILT_IN
from route_agent.redaction import Knowledge, redact
from route_agent.repo.secrets import look_over, refuse_keys
from route_agent.scanners import Border, find_scanner
from route_agent.transcripts import Transcripts
from route_agent.withholding import Withheld

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from route_agent.config import Config
    from route_agent.ground import Opened
    from route_agent.records.exchanges import Exchange
    from route_agent.records.lanes import Prompt

MOST_TOLD = 30
_SECRET_VARIABLE = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)


class Outward:
    """One run's way out.

    Attributes:
        knowledge: what is known of its secrets; everything is redacted with it.
        withheld: which files no model is shown; before `look_over` by their names alone.
        notices: what went wrong here and stopped nothing.
    """

    def __init__(self, ground: Opened, run_id: str, environment: Mapping[str, str] = os.environ) -> None:
        self._ground = ground
        self.notices: list[str] = []
        self.knowledge = Knowledge()
        for value in _keys(ground, environment):
            self.knowledge.add(value, "provider-key")
        self.withheld = Withheld(self._no_send, ground.config.secrets.allow)
        scanner = find_scanner(environment.get("PATH"), ground.repository.root)
        self._border = Border(self.knowledge, scanner, self.notices.append)
        self._transcripts = Transcripts(places.run_dir(ground.repository.git_dir, run_id))

    @property
    def _no_send(self) -> tuple[str, ...]:
        return (*self._ground.policy.policy.no_send, *self._ground.config.no_send)

    def look_over(self, brief: str) -> None:
        """Look for private keys in what would be sent, before anything is.

        Raises:
            SecretFound: the task or the user's own change holds one; where, and never the key itself.
        """
        refuse_keys(brief)
        self._border.look_at(redact(brief))  # it is written down before anything is sent
        ground = self._ground
        self.withheld = look_over(
            ground.slot.trees,
            ground.change,
            no_send=self._no_send,
            allow=ground.config.secrets.allow,
            knowledge=self.knowledge,
        )

    def told(self, about: Iterable[str]) -> tuple[str, ...]:
        """What is withheld of the paths that a task is about, and every file that holds a private key."""
        paths = tuple(dict.fromkeys((*about, *sorted(self.withheld.keyed))))
        told = self.withheld.told(paths)
        more = len(told) - MOST_TOLD
        return (*told[:MOST_TOLD], f"and {more} more") if more > 0 else told

    def leaving(self, prompt: Prompt) -> Prompt:
        """A prompt as it may leave."""
        return self._border.leaving(prompt)

    def keep(self, exchange: Exchange) -> None:
        """Keep what was said; a reply is looked at first."""
        self._border.look_at(redact(exchange.reply), redact(exchange.message))
        lost = self._transcripts.lost
        self._transcripts.keep(exchange)
        if self._transcripts.lost and not lost:
            self.notices.append(self._transcripts.lost)

    def look_at(self, text: str) -> None:
        """Look at a text that will be kept, so that what is found in it is redacted."""
        self._border.look_at(redact(text))


def known_keys(config: Config, environment: Mapping[str, str] = os.environ) -> Knowledge:
    """What is known of secrets where nothing is run: the keys of the user's own configuration."""
    known = Knowledge()
    for name in _names(config):
        known.add(environment.get(name, ""), "provider-key")
    return known


def _names(config: Config) -> set[str]:
    return {provider.key_env for provider in (*BUILT_IN.values(), *config.providers.values())}


def _keys(ground: Opened, environment: Mapping[str, str]) -> Iterable[str]:
    """The values of the user's keys: they are secrets whatever they look like."""
    names = _names(ground.config)
    for specs in ground.policy.policy.models.values():
        names |= {name for spec in specs for name in spec.env if _SECRET_VARIABLE.search(name)}
    return [environment[name] for name in sorted(names) if environment.get(name)]
