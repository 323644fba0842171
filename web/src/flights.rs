//! Everything that is under way at once, and the orders that come from outside meanwhile. Pure.
//!
//! futures-util and futures-channel do the same for many more and weigh eight kilobytes; an upload has some
//! twenty futures, so polling all of them whenever one stirs costs nothing.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Futures polled together; dropping one stops it.
pub struct Flights<T>(Vec<Pin<Box<dyn Future<Output = T>>>>);

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Flights<T> {
    pub fn push(&mut self, flight: impl Future<Output = T> + 'static) {
        self.0.push(Box::pin(flight));
    }

    /// Drops all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The outcome of one that has ended; `None` if there is none at all.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        for place in 0..self.0.len() {
            if let Poll::Ready(outcome) = self.0[place].as_mut().poll(context) {
                drop(self.0.swap_remove(place));
                return Poll::Ready(Some(outcome));
            }
        }
        if self.0.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }
}

/// An order that can be given once, from anywhere on the same thread.
#[derive(Clone, Default)]
pub struct Order(Rc<Shared>);

#[derive(Default)]
struct Shared {
    given: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Order {
    pub fn give(&self) {
        self.0.given.set(true);
        // Taken out first, as waking may poll right away.
        let waiting = self.0.waiting.borrow_mut().take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Ready once it has been given, and from then on.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.0.given.get() {
            return Poll::Ready(());
        }
        self.0.waiting.replace(Some(context.waker().clone()));
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
    fn each_outcome_comes_once() {
        let mut context = Context::from_waker(Waker::noop());
        let mut flights = Flights::default();
        assert_eq!(flights.poll_next(&mut context), Poll::Ready(None));
        flights.push(pending());
        flights.push(ready(1));
        flights.push(ready(2));
        let mut outcomes = [(); 2].map(|()| flights.poll_next(&mut context));
        outcomes.sort_by_key(|outcome| format!("{outcome:?}"));
        assert_eq!(outcomes, [Poll::Ready(Some(1)), Poll::Ready(Some(2))]);
        assert_eq!(flights.poll_next(&mut context), Poll::Pending);
        flights.clear();
        assert_eq!(flights.poll_next(&mut context), Poll::Ready(None));
    }

    #[test]
    fn an_order_wakes_who_waits_and_stays_given() {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        let order = Order::default();
        assert_eq!(order.poll(&mut context), Poll::Pending);
        order.clone().give();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!([order.poll(&mut context), order.poll(&mut context)], [Poll::Ready(()); 2]);
    }
}
