//! The memory for the bodies that are under way. It is counted as they arrive, so that one that is announced and does
//! not come costs nothing. When there is too little, a body is given up: one of the client that holds the most, and
//! of its bodies the oldest.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Counts bytes.
pub(super) struct Memory {
    limit: usize,
    /// The oldest is the first.
    bodies: Mutex<Vec<Held>>,
}

struct Held {
    client: IpAddr,
    bytes: usize,
    given_up: Arc<Notify>,
}

/// What one body holds, until this is dropped.
pub(super) struct Share<'a> {
    memory: &'a Memory,
    given_up: Arc<Notify>,
}

impl Memory {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, bodies: Mutex::default() }
    }

    /// Nothing yet.
    pub(super) fn share(&self, client: IpAddr) -> Share<'_> {
        let given_up = Arc::new(Notify::new());
        self.bodies().push(Held { client, bytes: 0, given_up: Arc::clone(&given_up) });
        Share { memory: self, given_up }
    }

    fn bodies(&self) -> MutexGuard<'_, Vec<Held>> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share<'_> {
    /// The body holds so much now.
    pub(super) fn hold(&self, bytes: usize) {
        let mut bodies = self.memory.bodies();
        // One that was given up counts no longer.
        if let Some(held) =
            bodies.iter_mut().find(|held| Arc::ptr_eq(&held.given_up, &self.given_up))
        {
            held.bytes = bytes;
        }
        while bodies.iter().map(|held| held.bytes).sum::<usize>() > self.memory.limit {
            let Some(victim) = victim(&bodies) else { break };
            bodies.remove(victim).given_up.notify_one();
        }
    }

    /// Waits until others need the memory.
    pub(super) async fn given_up(&self) {
        self.given_up.notified().await;
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.memory.bodies().retain(|held| !Arc::ptr_eq(&held.given_up, &self.given_up));
    }
}

fn victim(bodies: &[Held]) -> Option<usize> {
    let mut sums: HashMap<IpAddr, usize> = HashMap::new();
    for held in bodies {
        *sums.entry(held.client).or_default() += held.bytes;
    }
    // Of equals the last one is taken, and the oldest should be; one that holds nothing is of no use.
    let oldest_last = bodies.iter().enumerate().rev().filter(|(_, held)| held.bytes > 0);
    oldest_last.max_by_key(|(_, held)| sums[&held.client]).map(|(position, _)| position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_body_of_the_client_with_the_most_is_given_up() {
        let client = |n| IpAddr::from([10, 0, 0, n]);
        let memory = Memory::new(100);
        let real = memory.share(client(1));
        real.hold(30);
        let announced = memory.share(client(2));
        let (old, new) = (memory.share(client(2)), memory.share(client(2)));
        old.hold(35);
        new.hold(35);
        assert_eq!(memory.bodies().len(), 4, "there is room");
        real.hold(31);
        old.given_up().await;
        old.hold(90);
        assert_eq!(memory.bodies().iter().map(|held| held.bytes).sum::<usize>(), 66);
        drop((announced, old));
        assert_eq!(memory.bodies().len(), 2);
        drop((real, new));
        // One alone that is too large.
        let large = memory.share(client(1));
        large.hold(101);
        large.given_up().await;
    }
}
