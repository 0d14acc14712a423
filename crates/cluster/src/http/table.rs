//! The open connections of a server that turns nobody away: when it is full, a new connection takes the place of
//! another. That is one of the peer that has the most, so that a peer with many harms itself alone, and of its
//! connections the one that has been without anything new for the longest ([`Mark`]).

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A connection with something new within this time gives way last: it may be a client that has just come.
const FRESH: Duration = Duration::from_secs(1);

/// The open connections.
#[derive(Debug)]
pub struct Table {
    places: usize,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    peer: IpAddr,
    mark: Mark,
    task: JoinHandle<()>,
}

/// What a connection is used for. Clones share it.
#[derive(Debug, Clone)]
pub struct Mark(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    usage: Mutex<Usage>,
    /// A request has come: what is waited for may be earlier now.
    requested: Notify,
}

#[derive(Debug)]
struct Usage {
    /// The last time that it came, had a request or had the answer to one.
    moved: Instant,
    is_proven: bool,
    /// When the requests that are under way came, with their numbers; the oldest is the first.
    requests: VecDeque<(u64, Instant)>,
    next: u64,
}

/// How long a connection may do what.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Without a request, while nothing shows that the client is a real one.
    pub stranger: Duration,
    /// Without a request, after [`Mark::prove`].
    pub idle: Duration,
    /// With a request, until its answer has been taken.
    pub request: Duration,
}

/// What a connection did too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// It had no request.
    Idle,
    /// Its request did not arrive or its answer was not taken.
    Request,
}

/// A request that is under way until this is dropped.
#[derive(Debug)]
pub struct Busy {
    mark: Mark,
    number: u64,
}

impl Default for Mark {
    fn default() -> Self {
        let requests = VecDeque::new();
        let usage = Usage { moved: Instant::now(), is_proven: false, requests, next: 0 };
        Self(Arc::new(Shared { usage: Mutex::new(usage), requested: Notify::new() }))
    }
}

impl Mark {
    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.0.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client has done what it has to do next.
    pub fn moved(&self) {
        self.usage().moved = Instant::now();
    }

    /// The client has sent what only a real one has a reason to send.
    pub fn prove(&self) {
        self.usage().is_proven = true;
    }

    /// A request has come.
    #[must_use]
    pub fn busy(&self) -> Busy {
        let mut usage = self.usage();
        let (now, number) = (Instant::now(), usage.next);
        usage.moved = now;
        usage.next += 1;
        usage.requests.push_back((number, now));
        drop(usage);
        self.0.requested.notify_one();
        Busy { mark: self.clone(), number }
    }

    /// Waits until the connection has done one thing for too long.
    pub async fn expired(&self, limits: Limits) -> Expired {
        loop {
            let (deadline, what) = self.usage().deadline(limits);
            if deadline <= Instant::now() {
                return what;
            }
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => {}
                () = self.0.requested.notified() => {}
            }
        }
    }
}

impl Usage {
    fn deadline(&self, limits: Limits) -> (Instant, Expired) {
        if let Some((_, came)) = self.requests.front() {
            return (*came + limits.request, Expired::Request);
        }
        let limit = if self.is_proven { limits.idle } else { limits.stranger };
        (self.moved + limit, Expired::Idle)
    }

    /// Whoever has the least gives way.
    fn worth(&self, now: Instant) -> (u8, Instant) {
        let is_fresh = now.duration_since(self.moved) < FRESH;
        (if is_fresh { 2 } else { u8::from(self.is_proven) }, self.moved)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut usage = self.mark.usage();
        usage.requests.retain(|(number, _)| *number != self.number);
        usage.moved = Instant::now();
    }
}

impl Table {
    /// Room for so many.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self { places, connections: Vec::new() }
    }

    /// Serves a connection in a task, in the place of another one if there is no room.
    pub fn spawn<F>(&mut self, peer: IpAddr, serve: impl FnOnce(Mark) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.connections.retain(|connection| !connection.task.is_finished());
        while self.connections.len() >= self.places {
            self.evict();
        }
        let mark = Mark::default();
        let task = tokio::spawn(serve(mark.clone()));
        self.connections.push(Connection { peer: client(peer), mark, task });
    }

    /// Cuts the connection that has to give way, if there is any.
    pub fn evict(&mut self) {
        let now = Instant::now();
        let worth = self.connections.iter().map(|c| (c.peer, c.mark.usage().worth(now)));
        if let Some(victim) = victim(&worth.collect::<Vec<_>>()) {
            self.connections.remove(victim).task.abort();
        }
    }

    /// Waits until every connection has ended. Those that have not are cut when the future is dropped.
    pub async fn end(mut self) {
        for connection in &mut self.connections {
            // A connection that failed has ended.
            let _ = (&mut connection.task).await;
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.connections.iter().for_each(|connection| connection.task.abort());
    }
}

/// Whom an address counts for. Whoever has one address of an IPv6 network has the other ones of the same /64 as well.
#[must_use]
pub fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Which of the connections, of which these are the peers and what they are worth, has to give way.
fn victim<W: Ord + Copy>(connections: &[(IpAddr, W)]) -> Option<usize> {
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for (peer, _) in connections {
        *counts.entry(*peer).or_default() += 1;
    }
    let victim = connections
        .iter()
        .enumerate()
        .min_by_key(|(_, (peer, worth))| (Reverse(counts[peer]), *worth));
    victim.map(|(position, _)| position)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    fn victim_of(connections: &[(u8, u8)]) -> Option<usize> {
        victim(&connections.iter().map(|(n, worth)| (peer(*n), *worth)).collect::<Vec<_>>())
    }

    #[test]
    fn the_least_of_the_peer_with_the_most_gives_way() {
        assert_eq!(victim_of(&[]), None);
        assert_eq!(victim_of(&[(1, 5), (1, 5)]), Some(0), "of equals, the oldest");
        assert_eq!(victim_of(&[(1, 6), (1, 5), (1, 5)]), Some(1));
        assert_eq!(victim_of(&[(1, 5), (2, 5), (2, 5)]), Some(1), "the peer with most");
        assert_eq!(victim_of(&[(1, 5), (2, 6), (2, 6)]), Some(1), "whatever it does");
    }

    #[test]
    fn the_addresses_of_a_network_are_one_client() {
        let of = |address: &str| client(address.parse().unwrap());
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("::ffff:10.0.0.1"), of("::ffff:10.0.0.2"));
        assert_eq!(of("fd00::1"), of("fd00::2"));
        assert_ne!(of("fd00::1"), of("fd00:0:0:1::1"));
    }

    /// A stalled request is no reason to stay: otherwise a client that has just come would have to go.
    #[tokio::test(start_paused = true)]
    async fn stalled_and_unknown_clients_give_way_before_real_and_new_ones() {
        let stalled = Mark::default();
        let _request = stalled.busy();
        let (silent, real) = (Mark::default(), Mark::default());
        drop(real.busy());
        real.prove();
        tokio::time::advance(FRESH).await;
        let new = Mark::default();
        let now = Instant::now();
        let worth = |mark: &Mark| mark.usage().worth(now);
        assert!(worth(&stalled) <= worth(&silent));
        assert!(worth(&silent) < worth(&real));
        assert!(worth(&real) < worth(&new));
    }

    #[tokio::test(start_paused = true)]
    async fn each_thing_has_its_time() {
        let seconds = Duration::from_secs;
        let limits = Limits { stranger: seconds(5), idle: seconds(120), request: seconds(10) };
        let mark = Mark::default();
        let started = Instant::now();
        assert_eq!(mark.expired(limits).await, Expired::Idle);
        assert_eq!(started.elapsed(), seconds(5));
        // Idle for long, and then a request that does not end, beside many that do.
        mark.prove();
        let waiting = tokio::spawn({
            let mark = mark.clone();
            async move { mark.expired(limits).await }
        });
        tokio::time::sleep(seconds(50)).await;
        let started = Instant::now();
        let request = mark.busy();
        for _ in 0..8 {
            tokio::time::sleep(seconds(1)).await;
            drop(mark.busy());
        }
        assert_eq!(waiting.await.unwrap(), Expired::Request);
        assert_eq!(started.elapsed(), seconds(10));
        drop(request);
        let started = Instant::now();
        assert_eq!(mark.expired(limits).await, Expired::Idle);
        assert_eq!(started.elapsed(), seconds(120));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_table_takes_one_more_and_a_finished_one_gives_its_place() {
        let mut table = Table::new(2);
        let (ended, mut end) = tokio::sync::mpsc::unbounded_channel();
        struct Tell(u8, tokio::sync::mpsc::UnboundedSender<u8>);
        impl Drop for Tell {
            fn drop(&mut self) {
                let _ = self.1.send(self.0);
            }
        }
        let mut spawn = |n, is_real: bool| {
            let tell = Tell(n, ended.clone());
            table.spawn(peer(1), |mark| async move {
                let _tell = tell;
                if is_real {
                    mark.prove();
                }
                std::future::pending().await
            });
        };
        spawn(0, true);
        spawn(1, false);
        tokio::time::sleep(FRESH).await;
        spawn(2, false);
        assert_eq!(end.recv().await, Some(1), "the real one stays");
        tokio::time::sleep(FRESH).await;
        spawn(3, false);
        assert_eq!(end.recv().await, Some(2));
        drop(table);
        let mut last = [end.recv().await, end.recv().await];
        last.sort_unstable();
        assert_eq!(last, [Some(0), Some(3)]);
    }
}
