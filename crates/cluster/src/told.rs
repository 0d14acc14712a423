//! What the log already says, so that it says it once.

use std::collections::BTreeSet;

/// What was last said about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<T = String>(Option<T>);

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: PartialEq> Told<T> {
    /// True when `now` differs from what was said last, and is therefore to be said.
    pub fn is_news(&mut self, now: T) -> bool {
        let is_news = self.0.as_ref() != Some(&now);
        self.0 = Some(now);
        is_news
    }

    /// There is nothing to say any more; true when there was.
    pub fn clear(&mut self) -> bool {
        self.0.take().is_some()
    }
}

/// Everything that holds at a time and has been said: complaints about objects, for example.
#[derive(Debug, Clone)]
pub struct Standing<T>(BTreeSet<T>);

impl<T> Default for Standing<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<T: Ord + Clone> Standing<T> {
    /// Takes what holds now, and returns what is new in it and what no longer holds.
    pub fn update(&mut self, now: BTreeSet<T>) -> (Vec<T>, Vec<T>) {
        let new = now.difference(&self.0).cloned().collect();
        let gone = self.0.difference(&now).cloned().collect();
        self.0 = now;
        (new, gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_news_once_and_again_after_it_was_over() {
        let mut told = Told::default();
        assert!(!told.clear());
        assert!(told.is_news("away") && !told.is_news("away"));
        assert!(told.is_news("refused") && told.is_news("away"));
        assert!(told.clear() && !told.clear());
        assert!(told.is_news("away"));
    }

    #[test]
    fn of_what_stands_the_changes_are_told() {
        let mut standing = Standing::default();
        assert_eq!(standing.update(BTreeSet::from([1, 2])), (vec![1, 2], vec![]));
        assert_eq!(standing.update(BTreeSet::from([2, 3])), (vec![3], vec![1]));
        assert_eq!(standing.update(BTreeSet::from([2, 3])), (vec![], vec![]));
    }
}
