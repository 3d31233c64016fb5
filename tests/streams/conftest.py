"""Property tests of streams simulate whole clusters: their time depends on the machine, so none is given."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("streams", deadline=None)
settings.load_profile("streams")
