//! A set of keyed futures polled together; removing one drops it.
//!
//! An upload has some twenty futures at most, so all of them are polled whenever one wakes.

use std::pin::Pin;
use std::task::{Context, Poll};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// Futures of outcome `T`, each with a key.
pub struct TaskSet<K, T>(Vec<(K, BoxFuture<T>)>);

impl<K, T> Default for TaskSet<K, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq, T> TaskSet<K, T> {
    pub fn insert(&mut self, key: K, future: impl Future<Output = T> + 'static) {
        self.0.push((key, Box::pin(future)));
    }

    /// Drops the futures with this key.
    pub fn remove(&mut self, key: K) {
        self.0.retain(|(other, _)| *other != key);
    }

    /// Drops all futures.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The outcome of one future that is complete. Pending while none is, also if the set is empty.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<T> {
        for index in 0..self.0.len() {
            if let Some((_, future)) = self.0.get_mut(index)
                && let Poll::Ready(outcome) = future.as_mut().poll(context)
            {
                drop(self.0.swap_remove(index));
                return Poll::Ready(outcome);
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::task::Waker;

    #[test]
    fn complete_futures_are_returned_once() {
        let mut context = Context::from_waker(Waker::noop());
        let mut tasks = TaskSet::default();
        tasks.insert("never", pending());
        tasks.insert("one", ready(1));
        tasks.insert("two", ready(2));
        let mut outcomes = [(); 2].map(|()| tasks.poll_next(&mut context));
        outcomes.sort_by_key(|outcome| format!("{outcome:?}"));
        assert_eq!(outcomes, [Poll::Ready(1), Poll::Ready(2)]);
        assert_eq!(tasks.poll_next(&mut context), Poll::Pending);
    }

    #[test]
    fn removed_futures_are_never_returned() {
        let mut context = Context::from_waker(Waker::noop());
        let mut tasks = TaskSet::default();
        tasks.insert("one", ready(1));
        tasks.remove("one");
        assert_eq!(tasks.poll_next(&mut context), Poll::Pending);
        tasks.insert("two", ready(2));
        tasks.clear();
        assert_eq!(tasks.poll_next(&mut context), Poll::Pending);
    }
}
