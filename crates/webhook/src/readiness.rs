//! Whether requests can be answered well: the objects are known and there is a certificate to serve with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::tls::Serving;

/// Shared between those who know and the endpoints that tell.
#[derive(Debug, Clone)]
pub(crate) struct Readiness {
    serving: Serving,
    flags: Arc<Flags>,
}

#[derive(Debug, Default)]
struct Flags {
    synced: AtomicBool,
    stopping: AtomicBool,
}

impl Readiness {
    /// Nothing is there yet but what `serving` has.
    #[must_use]
    pub(crate) fn new(serving: Serving) -> Self {
        Self { serving, flags: Arc::default() }
    }

    /// Every object that exists has been taken in. What is known stays good when the API server goes away.
    pub(crate) fn synced(&self) {
        if !self.flags.synced.swap(true, Ordering::Relaxed) {
            tracing::info!("all objects are known");
        }
    }

    /// No new connections are wanted.
    pub(crate) fn stopping(&self) {
        self.flags.stopping.store(true, Ordering::Relaxed);
    }

    /// True once every object has been taken in.
    #[must_use]
    pub(crate) fn is_synced(&self) -> bool {
        self.flags.synced.load(Ordering::Relaxed)
    }

    /// What is lacking, a line for each thing; empty when ready.
    #[must_use]
    pub(crate) fn missing(&self) -> Vec<String> {
        let stopping = self.flags.stopping.load(Ordering::Relaxed);
        let checks = [
            (stopping, "stopping"),
            (!self.is_synced(), "the objects are not known yet"),
            (!self.serving.is_there(), "there is no certificate yet"),
        ];
        checks.into_iter().filter(|(is_so, _)| *is_so).map(|(_, word)| word.to_owned()).collect()
    }
}
