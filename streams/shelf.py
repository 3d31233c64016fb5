"""What plans need, loaded: packs and models by plan, the few newest kept open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from processors.annotate.cache import AnnotationCache
from processors.knowledge.pack import PackError
from processors.resources import Resources
from processors.score.models import ModelRefused
from processors.score.session import ProviderRefused
from schemas.plan import Plan
from streams.outcomes import NotYet
from streams.plans import PlanStore

KEPT = 4
"""Plans whose resources stay open; arrays are memory-mapped, so an open plan costs its model and little else."""


class Shelf:
    """Resources by plan. Safe to ask from any thread; a plan is loaded once."""

    def __init__(self, plans: PlanStore, packs: Path, provider: str, cache_bytes: int = 0) -> None:
        """`cache_bytes` of annotated alleles are kept for all plans together; 0: none."""
        self._plans = plans
        self._packs = packs
        self._provider = provider
        self.cache = AnnotationCache(cache_bytes) if cache_bytes else None
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Resources] = OrderedDict()

    def plan(self, plan_id: str) -> Plan:
        """Raises NotYet, DependencyAway."""
        return self._plans.require(plan_id)

    def resources(self, plan_id: str) -> Resources:
        """Raises NotYet, DependencyAway.

        A pack that is missing, a model that does not verify, a device that is not there: all are faults of this machine, never of the
        message, which waits while the reason shows on /readyz.
        """
        plan = self.plan(plan_id)
        with self._lock:
            found = self._open.get(plan_id)
            if found is None:
                try:
                    found = Resources.load(plan, self._packs, self._provider, self.cache)
                except (PackError, ModelRefused, ProviderRefused) as error:
                    raise NotYet(str(error)) from error
                self._open[plan_id] = found
                while len(self._open) > KEPT:
                    self._open.popitem(last=False)
            else:
                self._open.move_to_end(plan_id)
        return found
