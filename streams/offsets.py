"""Which offset of a partition may be committed: the lowest one that is not finished, however out of order the work ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from streams.broker import Partition


class OffsetOrder(Exception):
    """A partition delivered an offset that is not above the last one: the client is used wrongly."""


class _Track:
    def __init__(self, first: int) -> None:
        self.open: deque[int] = deque()
        self.done: set[int] = set()
        self.next = first
        self.committed = first  # where the broker says we start: nothing to commit yet

    def low(self) -> int:
        """Next offset to read if the process died now."""
        while self.open and self.open[0] in self.done:
            self.done.remove(self.open.popleft())
        return self.open[0] if self.open else self.next


class Offsets:
    """Open and finished offsets of the assigned partitions."""

    def __init__(self) -> None:
        self._tracks: dict[Partition, _Track] = {}

    def begin(self, partition: Partition, offset: int) -> None:
        """A message was taken. Raises OffsetOrder."""
        track = self._tracks.get(partition)
        if track is None:
            track = self._tracks[partition] = _Track(offset)
        if offset < track.next:
            raise OffsetOrder(f"{partition.topic}/{partition.number}: offset {offset} after {track.next - 1}")
        track.open.append(offset)
        track.next = offset + 1

    def finish(self, partition: Partition, offset: int) -> None:
        """A message has had its whole effect. Nothing happens where the partition was forgotten."""
        track = self._tracks.get(partition)
        if track is not None:
            track.done.add(offset)

    def due(self, partitions: Iterable[Partition] | None = None) -> dict[Partition, int]:
        """Offsets to commit (all partitions, or some) that are ahead of what was committed."""
        chosen = self._tracks if partitions is None else [p for p in partitions if p in self._tracks]
        found = {}
        for partition in chosen:
            track = self._tracks[partition]
            low = track.low()
            if low > track.committed:
                found[partition] = low
        return found

    def committed(self, offsets: dict[Partition, int]) -> None:
        """These offsets were sent to the broker."""
        for partition, offset in offsets.items():
            if partition in self._tracks:
                self._tracks[partition].committed = offset

    def again(self, partitions: Iterable[Partition]) -> None:
        """What was sent did not arrive: it is due again, though no further message may come."""
        for partition in partitions:
            if partition in self._tracks:
                self._tracks[partition].committed = -1

    def open(self, partition: Partition) -> int:
        """Messages taken and not finished."""
        track = self._tracks.get(partition)
        return 0 if track is None else len(track.open) - len(track.done)

    def forget(self, partition: Partition) -> None:
        """The partition is no longer ours."""
        self._tracks.pop(partition, None)
