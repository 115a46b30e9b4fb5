//! Renewals and profiles together, at half of what both come to when nobody holds them back.
//!
//! Owns the load of the scenarios that take minutes: what is on their minds is the service beside something, not at its limit.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Plan;
use crate::driver::{Pace, Stream, Work, drive};
use crate::measure::progress;
use crate::process::Server;
use crate::seed::Person;
use crate::tally::Tally;
use crate::work::{CrowdRenewals, Profiles};

/// Of what they come to.
const SHARE: f64 = 0.5;
/// How much longer than a turn they are let run to find that out.
const FINDING: u32 = 2;

/// Renewals of a crowd, profiles of some of it, and how many of each a second.
pub(super) struct Mixed<'keys> {
    pub renewals: CrowdRenewals<'keys>,
    people: Vec<Person>,
    connections: usize,
    /// A second.
    pub rates: [f64; 2],
}

/// What is offered beside: how often in a second, and what.
pub(super) type Beside<'work> = (f64, &'work mut dyn Work);

impl<'keys> Mixed<'keys> {
    /// Finds out what `server` comes to.
    pub fn half(plan: &Plan, server: &Server, renewals: CrowdRenewals<'keys>, people: Vec<Person>) -> Result<Self> {
        let connections = (plan.connections / 2).max(1);
        let mut mixed = Self { renewals, people, connections, rates: [0.0; 2] };
        let most = mixed.drive(server, [Pace::Closed; 2], plan.span * FINDING, None)?;
        let mut rates = most.iter().map(|tally| tally.rate() * SHARE);
        let mut rate = || rates.next().context("no tally");
        mixed.rates = [rate()?, rate()?];
        let [renewals, profiles] = mixed.rates;
        progress(&format!("half of what it comes to: {renewals:.0} renewals/s and {profiles:.0} profiles/s"));
        Ok(mixed)
    }

    /// Offers both for so long, and what is beside them: a tally of each.
    pub fn offer(&mut self, server: &Server, span: Duration, beside: Option<Beside<'_>>) -> Result<Vec<Tally>> {
        let paces = self.rates.map(Pace::PerSecond);
        self.drive(server, paces, span, beside)
    }

    fn drive(
        &mut self,
        server: &Server,
        [renewing, calling]: [Pace; 2],
        span: Duration,
        beside: Option<Beside<'_>>,
    ) -> Result<Vec<Tally>> {
        let (address, connections) = (server.address, self.connections);
        let mut profiles = Profiles::of(&self.people);
        let mut streams = vec![
            Stream { address, connections, pace: renewing, work: &mut self.renewals },
            Stream { address, connections, pace: calling, work: &mut profiles },
        ];
        if let Some((rate, work)) = beside {
            streams.push(Stream { address, connections: 1, pace: Pace::PerSecond(rate), work });
        }
        drive(&mut streams, span)
    }
}
