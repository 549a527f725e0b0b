"""Limits of the server: the sizes, times and numbers that no client can exceed.

Each is generous for a person who draws or sends photos, and small enough that a hostile client cannot fill
the memory of a small machine. docs/serving.md lists the answers that a client gets.
"""

from digits.reading.image_files import PictureLimits

MAX_BODY = 5_000_000  # bytes of a request's body; enough for most photos of a phone
MAX_BODIES = 200_000_000  # bytes of all bodies that are in memory at the same time
MAX_HEAD = 64 * 1024  # bytes of a request's first line and headers
MAX_CONNECTIONS = 1_000  # connections open at the same time
PICTURE_LIMITS = PictureLimits(file_bytes=MAX_BODY, pixels=25_000_000, side=20_000)
MAX_STROKES = 1_000  # strokes in a drawing
MAX_POINTS = 10_000  # points in a drawing, all strokes together
MAX_COORDINATE = 1_000_000  # largest absolute coordinate; digits.data.pen refuses larger ones too
MAX_CORRECTIONS = 10_000  # pictures in the folder of corrections; about 400 bytes each

RECEIVE_SECONDS = 10.0  # from the first byte of a request until all of it must have arrived
SEND_SECONDS = 20.0  # while a client takes nothing of its answer
IDLE_SECONDS = 15  # between two requests of a connection
STOP_SECONDS = 4  # to answer running requests after the signal to stop

MAX_JOBS = 64  # jobs that wait in the reading queue; at 400 pictures a second they take a sixth of a second
ANSWER_SECONDS = 10.0  # from a job's entry in the queue until the client is told that the server is busy
