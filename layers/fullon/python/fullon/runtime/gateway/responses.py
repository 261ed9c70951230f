"""An HTTP answer before it is sent."""

from dataclasses import dataclass

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class HttpResponse:
    """A response that is ready to be sent; ``headers`` have lower-case names.

    The length is counted from the body; ``length`` is what the function says, which counts for HEAD alone.
    """

    status: int
    headers: Headers
    body: bytes
    length: int | None = None
