"""Pictures whose text is known: labels, receipts, pages, signs, screenshots; drawn, and real ones."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from edged.contracts.items import Pixels

Media = Callable[[str], Path]
"""A picture of tests/media.yaml by name."""

INK = (30, 25, 20)
_ENGLISH = """The quick brown fox jumps over the lazy dog. Read the label before you open the bottle.
Store in a cool and dry place, away from sunlight. Our offices are closed on Monday 24 December.
A camera at the door counts who comes in. Net weight 128 g, best before 2026-11-23.
The invoice total is EUR 1,204.50 and is due in 30 days. Please keep this ticket until you leave.
Edge devices answer within milliseconds, without a network. Serial number X7-4411-B, made in 2025."""
# ruff: noqa: RUF001 - Chinese has its own punctuation
_CHINESE = """边缘推理守护进程在本地回答请求。今天天气很好，我们去公园散步吧。
请在阴凉干燥处保存，避免阳光直射。
生产地址：中国北京市海淀区中关村大街。配料：白砂糖、食用盐、小麦粉。净含量一百二十克，保质期十八个月。
禁止吸烟，请保持安静。摄像头统计进门的人数。发票总额为一千二百零四元，请在三十天内付款。"""


class Printed(NamedTuple):
    """A picture and what it says."""

    name: str
    bgr: Pixels
    lines: Sequence[str]
    """Row by row from the top."""


def english(rng: np.random.Generator, letters: int) -> str:
    """About so many letters of sentences, cut between words."""
    words = _ENGLISH.split()
    at = int(rng.integers(len(words)))
    said = " ".join((words[at:] + words) * 2)
    return said[:letters].rsplit(" ", 1)[0]


def chinese(rng: np.random.Generator, letters: int) -> str:
    """So many letters of sentences."""
    all_letters = "".join(_CHINESE.split())
    at = int(rng.integers(len(all_letters)))
    return (all_letters[at:] + all_letters)[:letters].strip("，。、：")


def paper(height: int, width: int, tone: Sequence[int] = (245, 245, 245)) -> Pixels:
    """An empty one, BGR."""
    return np.full((height, width, 3), tone, np.uint8)


def write(on: Pixels, said: str, at: tuple[int, int], size: int, ink: Sequence[int] = INK) -> None:
    """A line whose letters are `size` pixels high, its base line beginning `at` x and y."""
    cv2.putText(on, said, at, tuple(ink), cv2.FontFace("uni"), size)


def picture(path: Path) -> Pixels:
    """A file, BGR."""
    return np.asarray(cv2.imread(str(path)), np.uint8)


def noisy(picture: Pixels, rng: np.random.Generator, strength: float, blur: float = 0.0) -> Pixels:
    """As a sensor sees it."""
    soft = cv2.GaussianBlur(picture, (0, 0), blur) if blur else picture
    return (soft + rng.normal(0, strength, picture.shape)).clip(0, 255).astype(np.uint8)


def laid(sheet: Pixels, on: Pixels, corners: Sequence[Sequence[float]]) -> Pixels:
    """`sheet` seen in perspective, its corners (clockwise from the top left) at these of `on`, x and y."""
    height, width = sheet.shape[:2]
    own = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    how = cv2.getPerspectiveTransform(own, np.array(corners, np.float32))
    size = on.shape[1], on.shape[0]
    cover = cv2.warpPerspective(np.full((height, width), 255, np.uint8), how, size, flags=cv2.INTER_AREA)
    seen = cv2.warpPerspective(sheet, how, size, flags=cv2.INTER_AREA)
    return np.where(cover[..., None] > 127, seen, on)


def _label(rng: np.random.Generator, _: Media) -> tuple[Pixels, list[str]]:
    on, lines = paper(430, 323, (225, 240, 235)), []
    for row in range(14):
        lines.append(chinese(rng, 17) if row % 2 else english(rng, 32))
        write(on, lines[-1], (14, 32 + 29 * row), 16)
    return noisy(on, rng, 4), lines


def _badge(rng: np.random.Generator, _: Media) -> tuple[Pixels, list[str]]:
    on = paper(80, 240, (180, 90, 20))
    write(on, "Room 4.17 会议室", (18, 50), 24, (250, 250, 250))
    return noisy(on, rng, 3), ["Room 4.17 会议室"]


def _receipt(rng: np.random.Generator, _: Media) -> tuple[Pixels, list[str]]:
    on, lines = paper(1300, 460), ["SUPERMARKET 超市", "2026-11-23 14:05 No. 004711"]
    write(on, lines[0], (90, 60), 32)
    write(on, lines[1], (40, 110), 20)
    for row in range(28):
        goods = chinese(rng, 6) if row % 3 == 0 else english(rng, 18)
        price = f"{rng.integers(1, 99)}.{rng.integers(10, 99)}"
        write(on, goods, (30, 165 + 40 * row), 20)
        write(on, price, (370, 165 + 40 * row), 20)
        lines += [goods, price]
    whole = laid(noisy(on, rng, 8, 0.6), paper(1360, 520, (90, 110, 120)), _slanted(460, 1300, 30, 8))
    return whole, lines


def _slanted(width: float, height: float, away: float, by: float) -> list[list[float]]:
    return [
        [away + by, away],
        [away + width, away + by],
        [away + width - by, away + height],
        [away, away + height - by],
    ]


def _page(
    rng: np.random.Generator, text: Callable[[np.random.Generator, int], str], letters: int
) -> tuple[Pixels, list[str]]:
    on, lines = paper(1754, 1240, (252, 252, 250)), []
    for row in range(42):
        lines.append(text(rng, letters))
        write(on, lines[-1], (100, 120 + 38 * row), 24)
    return noisy(on, rng, 3, 0.5), lines


def _english_page(rng: np.random.Generator, _: Media) -> tuple[Pixels, list[str]]:
    return _page(rng, english, 78)


def _chinese_page(rng: np.random.Generator, _: Media) -> tuple[Pixels, list[str]]:
    return _page(rng, chinese, 40)


def _screenshot(rng: np.random.Generator, _: Media) -> tuple[Pixels, list[str]]:
    on, lines = paper(1080, 1920, (255, 255, 255)), []
    on[:, :300] = (60, 45, 40)
    for row in range(22):
        base = 60 + 46 * row
        lines += [chinese(rng, 5) if row % 2 else english(rng, 14), english(rng, 60), f"{row * 17 + 3} ms"]
        for said, left, ink in zip(lines[-3:], (30, 360, 1700), ((235, 235, 235), INK, INK), strict=True):
            write(on, said, (left, base), 17, ink)
    return on, lines


def _dark(rng: np.random.Generator, _: Media) -> tuple[Pixels, list[str]]:
    on, lines = paper(900, 1600, (30, 30, 30)), []
    for row in range(20):
        lines.append(f"{row + 1:03d} value_{row} = read(camera, {rng.integers(9999)}); // {chinese(rng, 8)}")
        write(on, lines[-1], (40, 50 + 42 * row), 18, (200, 220, 170))
    return on, lines


def _signs(rng: np.random.Generator, media: Media) -> tuple[Pixels, list[str]]:
    photo = cv2.resize(picture(media("china.jpg")), (1280, 853), interpolation=cv2.INTER_CUBIC)
    lines = ["出口 EXIT 12", "NO PARKING", "北京路 Beijing Road"]
    places = (
        [[80, 60], [430, 90], [425, 180], [85, 170]],
        [[800, 300], [1180, 260], [1185, 360], [805, 390]],
        [[200, 620], [760, 600], [765, 720], [205, 745]],
    )
    for said, place, tone in zip(lines, places, ((60, 130, 20), (40, 40, 200), (160, 80, 20)), strict=True):
        sign = paper(110, 40 + 34 * len(said.encode("gb18030")), tone)
        write(sign, said, (30, 78), 56, (250, 250, 250))
        photo = laid(sign, photo, place)
    return noisy(photo, rng, 5, 0.7), lines


def _camera(rng: np.random.Generator, media: Media) -> tuple[Pixels, list[str]]:
    photo = cv2.resize(picture(media("rocket.jpg")), (4000, 3000), interpolation=cv2.INTER_CUBIC)
    sheet, lines = paper(1000, 1500, (235, 240, 242)), []
    for row in range(9):
        lines.append(english(rng, 38) if row % 2 else chinese(rng, 20))
        write(sheet, lines[-1], (80, 120 + 100 * row), 52)
    seen = laid(sheet, photo, [[900, 700], [2800, 820], [2700, 2150], [820, 1980]])
    return noisy(seen, rng, 8, 1.5), lines


def _form(rng: np.random.Generator, _: Media) -> tuple[Pixels, list[str]]:
    on, lines = paper(700, 1000), []
    names = ("姓名", "Address", "出生日期", "Phone", "发票", "Order", "金额", "Country")
    for row, name in enumerate(names):
        lines += [name, english(rng, 22) if row % 2 else chinese(rng, 10)]
        write(on, lines[-2], (60, 90 + 75 * row), 30)
        write(on, lines[-1], (420, 90 + 75 * row), 30)
    turn = cv2.getRotationMatrix2D((500, 350), 12, 0.85)
    whole = cv2.warpAffine(on, turn, (1000, 700), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    return noisy(whole, rng, 5), lines


def _table(rng: np.random.Generator, _: Media) -> tuple[Pixels, list[str]]:
    on, lines = paper(720, 1280), []
    for row in range(16):
        for column in range(7):
            lines.append(f"{rng.integers(100, 999)}.{rng.integers(10, 99)}")
            write(on, lines[-1], (50 + 175 * column, 50 + 42 * row), 20)
        cv2.line(on, (30, 62 + 42 * row), (1250, 62 + 42 * row), (170, 170, 170), 1)
    return noisy(on, rng, 3), lines


def _photographed(_: np.random.Generator, media: Media) -> tuple[Pixels, list[str]]:
    return picture(media("page.png")), [
        "Region-based segmentation",
        "Let us first determine markers of the coins and the",
        "background. These markers are pixels that we can label",
        "unambiguously as either object or background. Here,",
        "the markers are found at the two extreme parts of the",
        "histogram of grey values:",
        ">>> markers = np.zeros_like(coins)",
    ]


def _typed(_: np.random.Generator, media: Media) -> tuple[Pixels, list[str]]:
    """Lentil soup, typed in 2005."""
    said = """Linzensoep à la Waterman|4 ons linzen|3 liter water|3 uien|bloem, boter|2 kopjes melk
    laurier, kruidnagel, kerrie, zout|De linzen wassen en in 1 liter kokend wa-
    ter 1 dag laten weken. 2 liter water bij|de linzen voegen, zonder het water waarin
    ze geweekt zijn af te gieten. De helft van|de uien bakken met laurier en kruidnagel.
    Alle uien, kerrie en zout bij de linzen|voegen. Alles aan de kook brengen. Van de
    bloem met boter en melk een papje maken en|verder afmaken met de soep. Als de linzen
    gaar zijn is de soep klaar."""
    return picture(media("typewriter.png")), said.replace("\n", "|").split("|")


_MAKERS: Sequence[Callable[[np.random.Generator, Media], tuple[Pixels, list[str]]]] = (
    *(_label, _badge, _receipt, _english_page, _chinese_page, _screenshot, _dark),
    *(_signs, _camera, _form, _table, _photographed, _typed),
)


def printed(media: Media, seed: int) -> Iterator[Printed]:
    """One of each kind; `seed` chooses what the drawn ones say."""
    for number, make in enumerate(_MAKERS):
        bgr, lines = make(np.random.default_rng([seed, number]), media)
        yield Printed(make.__name__.strip("_"), bgr, lines)
