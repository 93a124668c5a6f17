//! Failed attempts to sign in, and how long whoever made them waits.
//!
//! Counted for an account from one address, so that a stranger cannot lock a clerk out from elsewhere, and for an address
//! over all accounts. Kept in memory and bounded: beyond it the oldest are forgotten.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use fengqiao_hub::clock::Moment;

/// Failures before anybody waits.
const FREE: u32 = 5;
/// The same for one address over all accounts: an office may stand behind one.
const FREE_OF_ADDRESS: u32 = 30;
/// The longest wait.
const WAIT_S_MAX: u64 = 900;
/// Failures are forgotten after so long.
const FORGOTTEN_MS: i64 = 3_600_000;
/// Counters kept.
const KEPT_MAX: usize = 10_000;

/// Failures by account and address.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<BTreeMap<(String, IpAddr), Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Moment,
}

impl Attempts {
    /// Seconds to wait before the next attempt; 0 is none.
    pub(crate) fn wait_s(&self, login: &str, from: IpAddr, now: Moment) -> u64 {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = |whose: &str, free: u32| {
            let found = kept.get(&(whose.to_owned(), from));
            found.map_or(0, |failures| left(*failures, free, now))
        };
        wait(login, FREE).max(wait("", FREE_OF_ADDRESS))
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, login: &str, from: IpAddr, now: Moment) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for whose in [login, ""] {
            let failures = kept.entry((whose.to_owned(), from)).or_insert(Failures {
                count: 0,
                last: now,
            });
            if failures.is_forgotten(now) {
                failures.count = 0;
            }
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
        }
        if kept.len() > KEPT_MAX {
            kept.retain(|_, failures| !failures.is_forgotten(now));
        }
        while kept.len() > KEPT_MAX {
            let oldest = kept.iter().min_by_key(|(_, failures)| failures.last);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            kept.remove(&key);
        }
    }

    /// Forgets the failures of an account that got in.
    pub(crate) fn forgive(&self, login: &str, from: IpAddr) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&(login.to_owned(), from));
    }
}

impl Failures {
    fn is_forgotten(self, now: Moment) -> bool {
        now.0.saturating_sub(self.last.0) > FORGOTTEN_MS
    }
}

fn left(failures: Failures, free: u32, now: Moment) -> u64 {
    if failures.count < free || failures.is_forgotten(now) {
        return 0;
    }
    let doublings = (failures.count - free).min(10);
    let wait = (1_u64 << doublings).min(WAIT_S_MAX);
    let passed = u64::try_from(now.0.saturating_sub(failures.last.0)).unwrap_or(0) / 1000;
    wait.saturating_sub(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_is_of_one_account_and_address() {
        let attempts = Attempts::default();
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let now = Moment(1_000_000);
        for _ in 0..FREE {
            assert_eq!(attempts.wait_s("wang", here, now), 0);
            attempts.failed("wang", here, now);
        }
        assert_eq!(attempts.wait_s("wang", here, now), 1);
        attempts.failed("wang", here, now);
        assert_eq!(attempts.wait_s("wang", here, now), 2);
        assert_eq!(attempts.wait_s("wang", here, Moment(now.0 + 2_000)), 0);
        assert_eq!(attempts.wait_s("wang", there, now), 0);
        assert_eq!(attempts.wait_s("li", here, now), 0);
        attempts.forgive("wang", here);
        assert_eq!(attempts.wait_s("wang", here, now), 0);
    }

    #[test]
    fn an_address_that_tries_many_accounts_waits_for_all_of_them() {
        let attempts = Attempts::default();
        let from = IpAddr::from([10, 0, 0, 1]);
        for number in 0..FREE_OF_ADDRESS {
            attempts.failed(&format!("a{number}"), from, Moment(0));
        }
        assert_eq!(attempts.wait_s("another", from, Moment(0)), 1);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let attempts = Attempts::default();
        for number in 0..u32::try_from(KEPT_MAX).unwrap_or(u32::MAX) + 10 {
            attempts.failed(
                "x",
                IpAddr::from(number.to_be_bytes()),
                Moment(i64::from(number)),
            );
        }
        let kept = attempts.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(kept.len() <= KEPT_MAX);
    }
}
