//! The stream of ListAndWatch.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use kubelet_api::v1beta1::{self as api, ListAndWatchResponse};
use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use tonic::Status;

use super::target::Target;
use crate::plugin::messages;

/// The streams of one resource's server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Streams {
    /// How many are open now.
    pub open: usize,
    /// How many were ever opened.
    pub opened: u64,
}

/// The whole list at once and then whenever the kubelet would see a difference. A reader that is slow
/// misses intermediate lists, holds nothing up, and ends with the newest one.
#[derive(Debug)]
pub(crate) struct Lists {
    targets: WatchStream<Target>,
    sent: Option<Vec<api::Device>>,
    ended: bool,
    streams: watch::Sender<Streams>,
}

impl Lists {
    pub(super) fn new(target: watch::Receiver<Target>, streams: watch::Sender<Streams>) -> Self {
        streams.send_modify(|streams| {
            streams.open += 1;
            streams.opened += 1;
        });
        Self { targets: WatchStream::new(target), sent: None, ended: false, streams }
    }
}

impl Drop for Lists {
    fn drop(&mut self) {
        self.streams.send_modify(|streams| streams.open -= 1);
    }
}

impl Stream for Lists {
    type Item = Result<ListAndWatchResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.ended {
            let devices = match ready!(Pin::new(&mut self.targets).poll_next(cx)) {
                Some(Target::Serve(_, devices)) => messages::list(&devices),
                Some(Target::Retire) => {
                    self.ended = true;
                    Vec::new()
                }
                Some(Target::Stop) | None => break,
            };
            if self.sent.as_ref() != Some(&devices) {
                self.sent = Some(devices.clone());
                return Poll::Ready(Some(Ok(ListAndWatchResponse { devices })));
            }
        }
        self.ended = true;
        Poll::Ready(None)
    }
}
