"""The gate: every refusal names the field; what is admitted is resolved, named and hashed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.events import CompletionEvent, Lane, SourceFile
from streams.control.gate import Announcement, Refused, Surroundings, admit, announcement_id


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    folder.mkdir()
    (folder / "a.vcf").write_bytes(b"calls")
    return folder


def around(root: Path) -> Surroundings:
    return Surroundings((root,), lambda: ["GRCh38", "demo"], lambda path: ("NA1", "NA2"))


def event(root: Path, **over: Any) -> CompletionEvent:
    base = CompletionEvent("x", "lab", "riverseq.sample.ready", 5, "run1", "GRCh38", SourceFile(str(root / "a.vcf")), ("NA1",))
    return replace(base, **over)


def admitted(root: Path, **over: Any) -> Announcement:
    return admit(event(root, **over), around(root))


def refusal(root: Path, **over: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        admit(event(root, **over), around(root))
    return caught.value


def test_what_is_not_announced_is_found_out(root: Path) -> None:
    found = admitted(root, samples=())
    assert found.samples == ("NA1", "NA2")
    assert found.event.file.digest == hashlib.sha256(b"calls").hexdigest()
    assert found.event.file.size == 5


def test_a_build_goes_by_its_usual_names(root: Path) -> None:
    assert admitted(root, build="hg38").event.build == "GRCh38"


@pytest.mark.parametrize("field", ["source", "type", "run_id", "build"])
def test_a_missing_field_is_named(root: Path, field: str) -> None:
    assert refusal(root, **{field: ""}).field == field


@pytest.mark.parametrize(
    ("field", "value", "named", "says"),
    [
        ("type", "riverseq.unheard.of", "type", "is not one of"),
        ("build", "GRCh37", "build", "riverseq reference add GRCh37"),
        ("run_id", "r\x00n", "run_id", "control characters"),
        ("run_id", "r" * 300, "run_id", "longer than"),
        ("hpo", ("HP:12",), "hpo", "HP:0001250"),
        ("samples", ("NA9",), "samples", "'NA9' is not a sample of the file"),
        ("samples", ("NA1", "NA1"), "samples", "twice"),
        ("family", "F1 NA1 0 0", "family", "line 1 of the pedigree has 4 columns"),
        ("options", {"": "1"}, "options", "missing"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(root: Path, field: str, value: Any, named: str, says: str) -> None:
    found = refusal(root, **{field: value})
    assert found.field == named
    assert says in str(found)


def test_a_digest_that_is_none_is_refused(root: Path) -> None:
    assert refusal(root, file=SourceFile(str(root / "a.vcf"), "abc")).field == "file.digest"


def test_a_path_outside_the_roots_is_refused(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret.vcf"
    outside.write_bytes(b"x")
    for uri in (str(outside), f"{root}/../secret.vcf", f"file://{outside}"):
        found = refusal(root, file=SourceFile(uri))
        assert found.field == "file.uri"
        assert "outside the allowed folders" in str(found)


def test_a_link_that_leads_outside_the_roots_is_refused(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret.vcf"
    outside.write_bytes(b"x")
    (root / "link.vcf").symlink_to(outside)
    assert "outside the allowed folders" in str(refusal(root, file=SourceFile(str(root / "link.vcf"))))


def test_a_link_within_the_roots_is_followed(root: Path) -> None:
    (root / "link.vcf").symlink_to(root / "a.vcf")
    assert admitted(root, file=SourceFile(str(root / "link.vcf"))).path == (root / "a.vcf").resolve()


def test_a_folder_whose_name_begins_like_a_root_is_outside(root: Path) -> None:
    sibling = root.parent / "calls2"
    sibling.mkdir()
    (sibling / "b.vcf").write_bytes(b"x")
    assert refusal(root, file=SourceFile(str(sibling / "b.vcf"))).field == "file.uri"


@pytest.mark.parametrize("uri", ["", "a.vcf", "https://host/a.vcf", "file://elsewhere/a.vcf"])
def test_what_is_no_absolute_path_of_this_machine_is_refused(root: Path, uri: str) -> None:
    assert refusal(root, file=SourceFile(uri)).field == "file.uri"


def test_a_missing_file_a_folder_and_a_pipe_are_refused(root: Path) -> None:
    import os

    os.mkfifo(root / "pipe.vcf")
    assert "does not exist" in str(refusal(root, file=SourceFile(str(root / "b.vcf"))))
    assert "is not a file" in str(refusal(root, file=SourceFile(str(root))))
    assert "is not a file" in str(refusal(root, file=SourceFile(str(root / "pipe.vcf"))))


def test_an_unreadable_header_is_refused_with_the_readers_words(root: Path) -> None:
    def broken(path: Path) -> tuple[str, ...]:
        raise ValueError(f"{path.name}: not a VCF header at byte 0")

    with pytest.raises(Refused, match="not a VCF header at byte 0"):
        admit(event(root), Surroundings((root,), lambda: ["GRCh38"], broken))


def test_the_id_of_an_announcement_covers_its_content_and_no_time(root: Path) -> None:
    base = announcement_id(event(root))
    assert base == announcement_id(event(root, time=99, id="another"))
    assert announcement_id(event(root, samples=("NA2", "NA1"))) == announcement_id(event(root, samples=("NA1", "NA2")))
    changed: dict[str, Any] = {
        "source": "b", "run_id": "b", "build": "demo", "samples": ("NA2",), "family": "x", "hpo": ("HP:0000001",), "panel": "p",
        "lane": Lane.URGENT, "options": {"a": "b"}, "file": SourceFile("/b"), "type": "riverseq.sequencing.completed",
    }  # fmt: skip
    others = {announcement_id(event(root, **{name: value})) for name, value in changed.items()}
    assert len(others | {base}) == len(changed) + 1
