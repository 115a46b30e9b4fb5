//! How the death of a part becomes the end of the process.
//!
//! Owns one rule: a part that owns state and is gone is never silently missed. Actors and the storage thread each hold a
//! [`Lifeline`]; one that is dropped before it was retired, by a panic or otherwise, reports its part, and `app` ends the
//! process with a non-zero code for its supervisor to restart.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Where deaths are reported; clone one for each part.
#[derive(Debug, Clone)]
pub struct Watch(UnboundedSender<&'static str>);

/// The reported deaths, each a part's name.
pub type Deaths = UnboundedReceiver<&'static str>;

/// A watch and the deaths that it will report.
pub fn watch() -> (Watch, Deaths) {
    let (sender, receiver) = unbounded_channel();
    (Watch(sender), receiver)
}

impl Watch {
    /// A lifeline for the part with this name.
    pub fn over(&self, part: &'static str) -> Lifeline {
        Lifeline { part, watch: Some(self.clone()) }
    }
}

/// Held by a part for as long as it lives.
#[derive(Debug)]
pub struct Lifeline {
    part: &'static str,
    watch: Option<Watch>,
}

impl Lifeline {
    /// Ends the watch: the part is stopped on purpose.
    pub fn retire(&mut self) {
        self.watch = None;
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        if let Some(Watch(deaths)) = self.watch.take() {
            // Nobody listens any more only where the process is ending already.
            deaths.send(self.part).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_panics_is_reported_and_one_that_retires_is_not() {
        let (watch, mut deaths) = watch();
        let mut retired = watch.over("retired");
        retired.retire();
        drop(retired);
        let lifeline = watch.over("broken");

        let thread = std::thread::spawn(move || {
            let _lifeline = lifeline;
            panic!("on purpose");
        });

        assert!(thread.join().is_err());
        assert_eq!(deaths.try_recv(), Ok("broken"));
        assert!(deaths.try_recv().is_err());
    }
}
