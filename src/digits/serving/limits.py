"""Set the limits of the server on sizes, times and numbers of requests.

A person who draws or sends photos does not reach them. A hostile client cannot fill the memory of a small
machine, since the server refuses requests beyond a limit. docs/serving.md lists these error answers.
"""

from digits.reading.image_files import PictureLimits

PICTURE_LIMITS = PictureLimits()  # largest picture; as on the command line
MAX_BODY = PICTURE_LIMITS.file_bytes  # largest body of a request
MAX_JSON = 5_000_000  # bytes; largest body that is JSON
MAX_BODIES = 200_000_000  # bytes; largest sum of all bodies in memory at the same time
MAX_HEAD = 64 * 1024  # bytes; largest first line and headers of a request together
MAX_CONNECTIONS = 1_000  # largest number of connections that are open at the same time
MAX_STROKES = 1_000  # largest number of pen strokes in a drawing
MAX_POINTS = 10_000  # largest number of points in a drawing, all strokes together

RECEIVE_SECONDS = 10.0  # s; longest time from the first byte of a request to its last one
SEND_SECONDS = 20.0  # s; longest time in which a client accepts no byte of its answer
