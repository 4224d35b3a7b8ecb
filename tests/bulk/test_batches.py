"""How items are cut in parts."""

from hypothesis import given
from hypothesis import strategies as st

from edged.bulk.batches import batches
from edged.bulk.piece import Cell, Piece

ASKED = {"service": "image-classification"}
SIZES = st.lists(st.integers(0, 40_000_000), max_size=200)


def pieces(sizes):
    return [Piece(f"file:///{number}", size) for number, size in enumerate(sizes)]


@given(SIZES, st.sets(st.integers(0, 199)))
def test_each_item_is_in_one_part_and_what_is_done_in_none(sizes, done):
    found, over = pieces(sizes), {f"file:///{number}" for number in done}
    cut = batches(found, "picture", over, ASKED)
    assert [piece for batch in cut for piece in batch.pieces] == [one for one in found if one.url not in over]
    assert len({batch.name for batch in cut}) == len(cut)
    assert all(sum(p.size for p in batch.pieces) <= 64_000_000 for batch in cut if len(batch.pieces) > 1)


@given(SIZES, st.data())
def test_a_second_run_names_what_is_left_as_the_first_did(sizes, data):
    found = pieces(sizes)
    first = batches(found, "picture", (), ASKED)
    kept = data.draw(st.sets(st.sampled_from(first)) if first else st.just(set()))
    done = {piece.url for batch in kept for piece in batch.pieces}
    assert batches(found, "picture", done, ASKED) == [batch for batch in first if batch not in kept]


def test_another_question_has_other_names():
    [one], [other] = (batches(pieces([1]), "picture", (), asked) for asked in (ASKED, {"service": "ocr"}))
    assert one.name != other.name


def test_many_small_ones_stay_few_files_and_videos_are_alone():
    assert len(batches(pieces([1] * 2000), "picture", (), ASKED)) == 65
    assert len(batches(pieces([1] * 200_000), "picture", (), ASKED)) == 200
    assert len(batches(pieces([1] * 5), "video", (), ASKED)) == 5


def test_a_batch_is_of_one_row_group_which_is_read_a_few_times_only():
    rows = [
        Piece(f"a#row={number}", 50_000_000, row=Cell("a", number, number // 1000)) for number in range(1500)
    ]
    cut = batches(rows, "picture", (), ASKED)
    assert all(len({piece.row and piece.row.group for piece in batch.pieces}) == 1 for batch in cut)
    assert len(cut) == 16
    assert [piece for batch in cut for piece in batch.pieces] == rows
