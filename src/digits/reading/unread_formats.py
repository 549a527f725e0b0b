"""Say what to do with a file whose format is not read here."""

# Brands of files with an "ftyp" box; source: ISO/IEC 23008-12 and the AV1 Image File Format.
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF = (b"avif", b"avis")
_JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL ")


def why_not(content: bytes) -> str:
    """Return the end of a sentence about a file that is not read; it begins with the file's name."""
    start = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if content[4:12] in [b"ftyp" + brand for brand in _HEIC]:
        return "is a HEIC photo, which needs a reader: pip install pillow-heif; or save it as JPEG"
    if content[4:12] in [b"ftyp" + brand for brand in _AVIF]:
        return (
            "is an AVIF picture, which needs a newer Pillow: pip install --upgrade pillow; or save it as PNG"
        )
    if content.startswith(_JXL):
        return "is a JPEG XL picture, which is not read; save it as PNG (djxl picture.jxl picture.png)"
    if start.startswith(b"%pdf"):
        return "is a PDF document; save its pages as pictures first (pdftoppm -png document.pdf page)"
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!doctype svg")) and b"<svg" in start):
        return "is an SVG drawing; save it as PNG first (rsvg-convert drawing.svg -o drawing.png)"
    if start.startswith((b"<!doctype html", b"<html")):
        return "is a web page and no picture; download the picture itself"
    return "is no picture in a known format; save it as PNG or JPEG"
