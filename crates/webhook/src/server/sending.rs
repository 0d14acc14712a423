//! The body of an answer, which lasts as long as the client has not let it be sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use fpga_cluster::http::table::Busy;
use hyper::body::{Body, Bytes, Frame, SizeHint};

/// An answer and its request, which is under way until this is dropped.
///
/// HTTP/2 takes a piece of a body as soon as the client's window has any room, and keeps what does not fit. So the last
/// byte is a piece of its own: that it is taken shows that there was room for the rest.
pub(super) struct Sending {
    rest: Bytes,
    _busy: Busy,
}

impl Sending {
    pub(super) fn new(answer: Bytes, busy: Busy) -> Self {
        Self { rest: answer, _busy: busy }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match self.rest.len() {
            0 => return Poll::Ready(None),
            1 => 1,
            length => length - 1,
        };
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
