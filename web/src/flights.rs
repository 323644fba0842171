//! Everything that is under way at once, and what comes in from outside meanwhile. Pure.
//!
//! futures-util and futures-channel do the same for many more and weigh eight kilobytes; an upload has some
//! twenty futures, so polling all of them whenever one stirs costs nothing.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

type Flight<T> = Pin<Box<dyn Future<Output = T>>>;

/// Futures polled together, each under the name of what it does; dropping one stops it.
pub struct Flights<K, T>(Vec<(K, Flight<T>)>);

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq, T> Flights<K, T> {
    pub fn push(&mut self, name: K, flight: impl Future<Output = T> + 'static) {
        self.0.push((name, Box::pin(flight)));
    }

    /// Drops those of that name.
    pub fn cut_off(&mut self, name: K) {
        self.0.retain(|(other, _)| *other != name);
    }

    /// Drops all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The outcome of one that has ended, if any has.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<T> {
        for place in 0..self.0.len() {
            if let Some((_, flight)) = self.0.get_mut(place)
                && let Poll::Ready(outcome) = flight.as_mut().poll(context)
            {
                drop(self.0.swap_remove(place));
                return Poll::Ready(outcome);
            }
        }
        Poll::Pending
    }
}

/// What comes in from anywhere on the same thread, in its order.
pub struct Inbox<T>(Rc<RefCell<Mail<T>>>);

struct Mail<T> {
    /// Few, so taking the first one out of a plain list costs nothing.
    letters: Vec<T>,
    waiting: Option<Waker>,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(Mail { letters: Vec::new(), waiting: None })))
    }
}

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Inbox<T> {
    pub fn put(&self, letter: T) {
        let mut mail = self.0.borrow_mut();
        mail.letters.push(letter);
        let waiting = mail.waiting.take();
        // Waking may poll right away.
        drop(mail);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    pub fn poll(&self, context: &mut Context<'_>) -> Poll<T> {
        let mut mail = self.0.borrow_mut();
        if !mail.letters.is_empty() {
            return Poll::Ready(mail.letters.remove(0));
        }
        mail.waiting = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_outcome_comes_once_and_what_is_cut_off_never() {
        let mut context = Context::from_waker(Waker::noop());
        let mut flights = Flights::default();
        flights.push("never", pending());
        flights.push("one", ready(1));
        flights.push("two", ready(2));
        flights.push("three", ready(3));
        flights.cut_off("three");
        let mut outcomes = [(); 2].map(|()| flights.poll_next(&mut context));
        outcomes.sort_by_key(|outcome| format!("{outcome:?}"));
        assert_eq!(outcomes, [Poll::Ready(1), Poll::Ready(2)]);
        assert_eq!(flights.poll_next(&mut context), Poll::Pending);
        flights.push("four", ready(4));
        flights.clear();
        assert_eq!(flights.poll_next(&mut context), Poll::Pending);
    }

    #[test]
    fn a_letter_wakes_who_waits_and_letters_keep_their_order() {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        let inbox = Inbox::default();
        assert_eq!(inbox.poll(&mut context), Poll::Pending);
        inbox.clone().put(1);
        inbox.put(2);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(
            [(); 3].map(|()| inbox.poll(&mut context)),
            [Poll::Ready(1), Poll::Ready(2), Poll::Pending]
        );
    }
}
