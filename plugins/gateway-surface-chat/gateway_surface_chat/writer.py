"""One call's answer in a chat client's words."""

from collections.abc import Sequence

from gateway import Call, Entry, Event, GatewayError, Writer, strictjson
from gateway_surface_chat.answer import completion
from gateway_surface_chat.chunks import Stream
from gateway_surface_chat.errors import error_object
from gateway_surface_chat.frame import DONE, Frame
from gateway_surface_chat.usage import usage
from gateway_surface_chat.wishes import Wishes


class ChatWriter(Writer):
    """Writes one completion, or chunks.

    Args:
        call: the call that is answered.
    """

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._wishes = Wishes.of(call.asked)
        self._frame = Frame(call, usage=self._wishes.usage)
        self._stream = Stream(self._frame, self._wishes)

    def message(self, event: Event, entry: Entry) -> bytes:
        """A chat completion with its usage and cost."""
        return strictjson.dumps_lenient(completion(self.call, self._wishes, event.json(), usage(entry)))

    def events(self, burst: Sequence[Event]) -> bytes:
        """The chunks of a burst."""
        take = self._stream.take
        return b"".join([take(event) for event in burst])

    def end(self, entry: Entry) -> bytes:
        """Usage and cost if the client wants them, and the word that ends every stream."""
        return (self._frame.usage(usage(entry)) if self._wishes.usage else b"") + DONE

    def error(self, error: GatewayError) -> bytes:
        """An error instead of the rest; clients raise on it, so no final word follows."""
        return b"data: %b\n\n" % strictjson.dumps_lenient(error_object(error))
