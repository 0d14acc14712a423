//! The open connections of a server that turns nobody away: when it is full, a new connection takes the place of
//! another. That is one of the peer that has the most, so that a peer with many harms itself alone, and of its
//! connections the oldest without a request, or else the oldest.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinHandle;

/// The open connections, in the order in which they came.
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

/// How many requests a connection has under way. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Mark(Arc<AtomicUsize>);

/// A request that is under way until this is dropped.
#[derive(Debug)]
pub struct Busy(Mark);

impl Mark {
    /// A request has come.
    pub fn busy(&self) -> Busy {
        self.0.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    fn is_busy(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
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
        self.connections.push(Connection { peer, mark, task });
    }

    /// Cuts the connection that has to give way, if there is any.
    pub fn evict(&mut self) {
        let peers = self.connections.iter().map(|c| (c.peer, c.mark.is_busy()));
        if let Some(victim) = victim(&peers.collect::<Vec<_>>()) {
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

/// Which of the connections, of which these are the peers and whether they are busy, has to give way.
fn victim(connections: &[(IpAddr, bool)]) -> Option<usize> {
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for (peer, _) in connections {
        *counts.entry(*peer).or_default() += 1;
    }
    // Of equals the last one is taken, and the oldest should be.
    let oldest_last = connections.iter().enumerate().rev();
    let victim = oldest_last.max_by_key(|(_, (peer, is_busy))| (counts[peer], !is_busy));
    victim.map(|(position, _)| position)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn victim_of(connections: &[(u8, bool)]) -> Option<usize> {
        let peer = |n| IpAddr::from([10, 0, 0, n]);
        victim(&connections.iter().map(|(n, busy)| (peer(*n), *busy)).collect::<Vec<_>>())
    }

    #[test]
    fn the_oldest_idle_one_of_the_peer_with_the_most_gives_way() {
        assert_eq!(victim_of(&[]), None);
        assert_eq!(victim_of(&[(1, false), (1, false)]), Some(0));
        assert_eq!(victim_of(&[(1, true), (1, false), (1, false)]), Some(1));
        assert_eq!(victim_of(&[(1, true), (1, true)]), Some(0), "if none is idle, the oldest");
        assert_eq!(victim_of(&[(1, false), (2, false), (2, false)]), Some(1), "the peer with most");
        assert_eq!(victim_of(&[(1, false), (2, true), (2, true)]), Some(1), "even if it is busy");
    }

    #[tokio::test]
    async fn a_full_table_takes_one_more_and_a_finished_one_gives_its_place() {
        let mut table = Table::new(2);
        let peer = IpAddr::from([10, 0, 0, 1]);
        let (ended, mut end) = tokio::sync::mpsc::unbounded_channel();
        struct Tell(u8, tokio::sync::mpsc::UnboundedSender<u8>);
        impl Drop for Tell {
            fn drop(&mut self) {
                let _ = self.1.send(self.0);
            }
        }
        let mut spawn = |n, is_busy: bool| {
            let tell = Tell(n, ended.clone());
            table.spawn(peer, |mark| async move {
                let _tell = tell;
                let _busy = is_busy.then(|| mark.busy());
                std::future::pending().await
            });
        };
        spawn(0, true);
        spawn(1, false);
        tokio::task::yield_now().await;
        spawn(2, false);
        assert_eq!(end.recv().await, Some(1), "the busy one stays");
        spawn(3, false);
        assert_eq!(end.recv().await, Some(2));
        drop(table);
        let mut last = [end.recv().await, end.recv().await];
        last.sort_unstable();
        assert_eq!(last, [Some(0), Some(3)]);
    }
}
