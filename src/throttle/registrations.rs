//! How many registrations an address may make.
//!
//! Owns one rule: `REGISTRATIONS=N per D` is N at once and one more each time D/N has passed (GCRA, by `governor`), for each
//! address by itself. In memory: a restart forgets it, and all that is lost is a few more accounts. Bounded: where there
//! are too many addresses, the half that used the least of theirs is forgotten, which gives them back what they had used.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};

use super::origin::{Origin, StandsFor, network};
use super::told::Told;
use crate::clock::{Clock, Timestamp};
use crate::config::Rate;

/// Addresses that are remembered: about 10 MB at most.
const MOST_ADDRESSES: usize = 100_000;

/// A registration that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// When the next is allowed.
    pub retry_after: Duration,
    /// To be told, with the number of others that were not, where it was not told of this address lately.
    pub untold: Option<u64>,
}

/// The limit, if there is one.
pub struct Registrations(Option<Limited>);

struct Limited {
    limiter: RateLimiter<IpAddr, Addresses, SinceStart>,
    told: Told<IpAddr>,
    per: Duration,
}

impl Registrations {
    /// With this limit, by this clock.
    pub fn new(rate: Option<Rate>, clock: Clock) -> Self {
        let limited = rate.and_then(|rate| quota(rate).map(|quota| (rate, quota))).map(|(rate, quota)| {
            let clock = SinceStart { start: clock.now(), clock };
            let limiter = RateLimiter::new(quota, Addresses::holding(MOST_ADDRESSES), clock);
            Limited { limiter, told: Told::new(), per: rate.per }
        });
        Self(limited)
    }

    /// Counts a registration. Errors: one more than its address may make; nothing was counted.
    pub fn admit(&self, origin: Origin) -> Result<(), Refused> {
        let (Some(limited), Some(ip), StandsFor::Client) = (&self.0, origin.ip, origin.stands_for) else {
            return Ok(());
        };
        let address = network(ip);
        limited.limiter.check_key(&address).map_err(|refusal| {
            let clock = limited.limiter.clock();
            let now = clock.clock.now();
            let untold = limited.told.turn(address, now.plus(limited.per), now);
            Refused { retry_after: refusal.wait_time_from(clock.now()), untold }
        })
    }
}

/// `None` for what no setting says: none at all.
fn quota(rate: Rate) -> Option<Quota> {
    let most = NonZeroU32::new(rate.most)?;
    Quota::with_period(rate.per.checked_div(rate.most)?).map(|quota| quota.allow_burst(most))
}

/// The service's time as `governor` wants it.
struct SinceStart {
    start: Timestamp,
    clock: Clock,
}

impl governor::clock::Clock for SinceStart {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.clock.now().since(self.start).into()
    }
}

/// What each address has used: the moment, since the start, at which it has all of its registrations again.
struct Addresses {
    most: usize,
    states: Mutex<HashMap<IpAddr, Nanos>>,
}

impl Addresses {
    fn holding(most: usize) -> Self {
        Self { most, states: Mutex::new(HashMap::new()) }
    }
}

impl StateStore for Addresses {
    type Key = IpAddr;

    fn measure_and_replace<T, F, E>(&self, address: &IpAddr, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // A poisoned lock: whoever panicked had written all or nothing.
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let (allowed, state) = decide(states.get(address).copied())?;
        if states.len() >= self.most && !states.contains_key(address) {
            forget_half(&mut states);
        }
        states.insert(*address, state);
        Ok(allowed)
    }
}

/// Keeps the half that used the most. Takes the time of looking at each, once in so many new addresses.
fn forget_half(states: &mut HashMap<IpAddr, Nanos>) {
    let mut used: Vec<Nanos> = states.values().copied().collect();
    let half = used.len() / 2;
    if half == 0 {
        return states.clear();
    }
    let (more, least, _) = used.select_nth_unstable_by(half - 1, |one, other| other.cmp(one));
    let least = *least;
    // Many may have used the same; of them only as many stay as make up the half.
    let mut room = half - more.iter().filter(|used| **used > least).count();
    states.retain(|_, used| {
        let fills_up = *used == least && room > 0;
        room -= usize::from(fills_up);
        *used > least || fills_up
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn from(ip: &str) -> Origin {
        Origin { ip: Some(ip.parse().unwrap()), stands_for: StandsFor::Client }
    }

    fn three_a_minute() -> (Registrations, Clock) {
        let clock = Clock::system();
        // From here on it stands still unless it is moved.
        clock.step_back(Duration::from_secs(100 * 365 * 24 * 60 * 60));
        (Registrations::new(Some(Rate { most: 3, per: MINUTE }), clock.clone()), clock)
    }

    #[test]
    fn an_address_has_so_many_at_once_and_one_more_after_each_part_of_the_while() {
        let (registrations, clock) = three_a_minute();
        let admit = || registrations.admit(from("192.0.2.1")).map_err(|refused| refused.retry_after);

        assert_eq!([admit(), admit(), admit()], [Ok(()); 3]);
        assert_eq!(admit(), Err(MINUTE / 3));
        clock.note(clock.now().plus(MINUTE / 3));
        assert_eq!((admit(), admit()), (Ok(()), Err(MINUTE / 3)));
        assert_eq!(registrations.admit(from("192.0.2.2")), Ok(()), "another address");
    }

    #[test]
    fn neighbours_in_one_ipv6_network_are_one_address() {
        let (registrations, _) = three_a_minute();
        for ip in ["2001:db8::1", "2001:db8::2", "2001:db8::3:4"] {
            assert_eq!(registrations.admit(from(ip)), Ok(()));
        }
        assert!(registrations.admit(from("2001:db8::5")).is_err());
        assert_eq!(registrations.admit(from("2001:db8:0:1::5")), Ok(()));
    }

    #[test]
    fn a_refusal_is_told_once_in_a_while() {
        let (registrations, clock) = three_a_minute();
        let refusals = || (0..9).filter_map(|_| registrations.admit(from("192.0.2.1")).err());

        assert_eq!(refusals().filter(|refused| refused.untold.is_some()).count(), 1);
        clock.note(clock.now().plus(MINUTE));
        assert_eq!(refusals().filter(|refused| refused.untold.is_some()).count(), 1);
    }

    #[test]
    fn where_there_is_no_limit_or_no_address_nothing_is_counted() {
        let nobody = Origin { ip: None, stands_for: StandsFor::Client };
        let many = Origin { stands_for: StandsFor::Many, ..from("192.0.2.1") };
        let here = Origin { stands_for: StandsFor::ThisHost, ..from("192.0.2.1") };
        let (registrations, clock) = three_a_minute();
        let off = Registrations::new(None, clock);
        for _ in 0..9 {
            assert_eq!(registrations.admit(nobody), Ok(()));
            assert_eq!(registrations.admit(many), Ok(()));
            assert_eq!(registrations.admit(here), Ok(()));
            assert_eq!(off.admit(from("192.0.2.1")), Ok(()));
        }
    }

    #[test]
    fn a_flood_of_addresses_is_bounded_and_forgets_those_that_used_the_least() {
        let addresses = Addresses::holding(100);
        let address = |number: u32| IpAddr::V4(number.into());
        let uses = |number: u32, state: u64| {
            addresses.measure_and_replace(&address(number), |_| Ok::<_, ()>(((), Nanos::from(state)))).unwrap();
        };
        (0..40).for_each(|number| uses(number, 1000));

        (40..1000).for_each(|number| uses(number, 10));

        let states = addresses.states.lock().unwrap();
        assert!((50..=100).contains(&states.len()), "{}", states.len());
        for number in 0..40 {
            assert_eq!(states.get(&address(number)).map(|state| state.as_u64()), Some(1000), "{number}");
        }
    }
}
