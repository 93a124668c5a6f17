//! Who is signed in. A browser holds a random ticket; here stands only its hash.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::base32;
use sha2::{Digest as _, Sha256};

use crate::trust::random::{OsRandom, draw};

/// A session that nobody used for so long has ended.
pub(crate) const IDLE_MS_MAX: i64 = 30 * 60 * 1000;
/// However much it was used, it ends after so long.
pub(crate) const AGE_MS_MAX: i64 = 12 * 3600 * 1000;
/// Sessions at once; beyond it the one that was not used for longest ends.
const SESSIONS_MAX: usize = 10_000;
/// Sessions of one account at once.
const OF_ONE_ACCOUNT_MAX: usize = 16;

/// What a browser holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) String);

/// What stands here of one.
#[derive(Debug, Clone)]
struct Session {
    login: String,
    began: Moment,
    used: Moment,
}

/// All sessions, by the hash of their ticket.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<BTreeMap<[u8; 32], Session>>);

fn hash(ticket: &str) -> [u8; 32] {
    Sha256::digest(ticket.as_bytes()).into()
}

impl Session {
    fn is_over(&self, now: Moment) -> bool {
        let since = |then: Moment| now.0.saturating_sub(then.0);
        since(self.used) > IDLE_MS_MAX || since(self.began) > AGE_MS_MAX
    }
}

impl Sessions {
    /// Begins one; `None` when the system has no randomness.
    pub(crate) fn begin(&self, login: &str, now: Moment) -> Option<Ticket> {
        let ticket = base32(&draw::<32>(&mut OsRandom).ok()?);
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| !session.is_over(now));
        let own = |session: &Session| session.login == login;
        while sessions.values().filter(|session| own(session)).count() >= OF_ONE_ACCOUNT_MAX {
            drop_oldest(&mut sessions, own);
        }
        while sessions.len() >= SESSIONS_MAX {
            drop_oldest(&mut sessions, |_| true);
        }
        let session = Session {
            login: login.to_owned(),
            began: now,
            used: now,
        };
        sessions.insert(hash(&ticket), session);
        Some(Ticket(ticket))
    }

    /// Whose it is, while it has not ended; it counts as used.
    pub(crate) fn login(&self, ticket: &str, now: Moment) -> Option<String> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = hash(ticket);
        let session = sessions.get_mut(&key)?;
        if session.is_over(now) {
            sessions.remove(&key);
            return None;
        }
        session.used = now;
        Some(session.login.clone())
    }

    /// Ends one.
    pub(crate) fn end(&self, ticket: &str) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&hash(ticket));
    }

    /// Ends all of an account.
    pub(crate) fn end_all(&self, login: &str) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.login != login);
    }

    /// How many an account has, and when the first began.
    pub(crate) fn of(&self, login: &str, now: Moment) -> Vec<(Moment, Moment)> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = sessions
            .values()
            .filter(|session| session.login == login && !session.is_over(now));
        own.map(|session| (session.began, session.used)).collect()
    }
}

fn drop_oldest(sessions: &mut BTreeMap<[u8; 32], Session>, of: impl Fn(&Session) -> bool) {
    let oldest = sessions
        .iter()
        .filter(|(_, session)| of(session))
        .min_by_key(|(_, session)| session.used);
    if let Some(key) = oldest.map(|(key, _)| *key) {
        sessions.remove(&key);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_idle_when_old_and_when_told() {
        let sessions = Sessions::default();
        let Ticket(idle) = sessions.begin("wang", Moment(0)).unwrap();
        assert_eq!(sessions.login(&idle, Moment(IDLE_MS_MAX)).unwrap(), "wang");
        assert_eq!(sessions.login(&idle, Moment(2 * IDLE_MS_MAX + 1)), None);

        let Ticket(old) = sessions.begin("wang", Moment(0)).unwrap();
        let mut now = 0;
        while now + IDLE_MS_MAX <= AGE_MS_MAX {
            now += IDLE_MS_MAX;
            assert!(sessions.login(&old, Moment(now)).is_some());
        }
        assert_eq!(sessions.login(&old, Moment(AGE_MS_MAX + 1)), None);

        let Ticket(one) = sessions.begin("wang", Moment(0)).unwrap();
        let Ticket(other) = sessions.begin("wang", Moment(0)).unwrap();
        let Ticket(of_li) = sessions.begin("li", Moment(0)).unwrap();
        sessions.end(&one);
        assert_eq!(sessions.login(&one, Moment(1)), None);
        sessions.end_all("wang");
        assert_eq!(sessions.login(&other, Moment(1)), None);
        assert_eq!(sessions.login(&of_li, Moment(1)).unwrap(), "li");
    }

    #[test]
    fn an_account_has_a_bounded_number_of_sessions() {
        let sessions = Sessions::default();
        let first = sessions.begin("wang", Moment(0)).unwrap();
        for moment in 1..=OF_ONE_ACCOUNT_MAX {
            sessions
                .begin("wang", Moment(i64::try_from(moment).unwrap()))
                .unwrap();
        }
        assert_eq!(sessions.login(&first.0, Moment(20)), None);
        assert_eq!(sessions.of("wang", Moment(20)).len(), OF_ONE_ACCOUNT_MAX);
    }
}
