//! Everything that is under way at once, and what comes in from outside meanwhile. Pure.
//!
//! futures-util and futures-channel do the same for many more and weigh eight kilobytes; an upload has some
//! twenty futures, so polling all of them whenever one stirs costs nothing.

use std::cell::{Cell, RefCell};
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
pub struct Inbox<T>(Rc<RefCell<Vec<T>>>);

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Inbox<T> {
    pub fn put(&self, letter: T) {
        self.0.borrow_mut().push(letter);
    }

    /// The oldest letter. They are few, so taking the first one out of a plain list costs nothing.
    pub fn take(&self) -> Option<T> {
        let mut letters = self.0.borrow_mut();
        if letters.is_empty() { None } else { Some(letters.remove(0)) }
    }
}

/// Work that is looked at whenever anything has stirred. So nothing in it needs to wake anyone.
pub struct Work {
    work: RefCell<Option<Flight<()>>>,
    stirred: Cell<bool>,
}

impl Work {
    pub fn new(work: impl Future<Output = ()> + 'static) -> Self {
        Self { work: RefCell::new(Some(Box::pin(work))), stirred: Cell::new(false) }
    }

    /// Goes on as far as it can. What stirs meanwhile counts, too.
    pub fn go_on(&self) {
        self.stirred.set(true);
        // Called from within itself, it is under way already.
        let Ok(mut work) = self.work.try_borrow_mut() else { return };
        while self.stirred.take() {
            if let Some(going) = &mut *work
                && going.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
            {
                *work = None;
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;
    use std::future::{pending, poll_fn, ready};

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
    fn letters_keep_their_order() {
        let inbox = Inbox::default();
        inbox.clone().put(1);
        inbox.put(2);
        assert_eq!([(); 3].map(|()| inbox.take()), [Some(1), Some(2), None]);
    }

    #[test]
    fn work_goes_on_whenever_something_stirs_even_from_within() {
        let inbox = Inbox::default();
        let (letters, looks) = (inbox.clone(), Rc::new(Cell::new(0)));
        let (counted, itself) = (looks.clone(), Rc::new(RefCell::new(Rc::new(Work::new(pending())))));
        let within = itself.clone();
        let work = Rc::new(Work::new(poll_fn(move |_| {
            counted.set(counted.get() + 1);
            match letters.take() {
                // One more letter, and word of it, in the middle of the work.
                Some(1) => {
                    letters.put(2);
                    within.borrow().go_on();
                    Poll::Pending
                }
                Some(2) => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })));
        *itself.borrow_mut() = work.clone();
        work.go_on();
        assert_eq!(looks.get(), 1);
        inbox.put(1);
        work.go_on();
        assert_eq!(looks.get(), 3);
        work.go_on();
        assert_eq!(looks.get(), 3, "it is over");
    }
}
