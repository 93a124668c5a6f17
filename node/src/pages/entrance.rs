//! Getting in: who a browser acts as, and for how long.
//!
//! An account signs in with its password, or with the access token that programs use. A password belongs to this node
//! alone and is set by whoever follows a link that an administrator or the command line of this machine made: it works
//! once. Nothing of this stands in the journal, and no neighbour learns it.
//!
//! Sessions live in memory: whoever restarts the process has everybody sign in again.

pub(super) mod attempts;
pub(crate) mod links;
pub(super) mod passwords;
pub(super) mod sessions;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use fengqiao_hub::clock::Moment;
use fengqiao_hub::refusal::{Code, Refusal};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use crate::engine::token_hash;
use crate::node::Node;
use attempts::Attempts;
use passwords::Passwords;
use sessions::{Sessions, Ticket};

/// Passwords that are checked at once: each takes 19 MiB and a core.
const CHECKS_AT_ONCE: usize = 2;

/// Passwords, sessions and failed attempts of one node.
#[derive(Debug)]
pub(super) struct Entrance {
    /// Who is signed in.
    pub sessions: Sessions,
    passwords: Arc<Passwords>,
    attempts: Attempts,
    checks: Semaphore,
}

/// Why somebody did not get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    /// No such account, or not its password: which of them is not said.
    Wrong,
    /// Too many failed attempts; seconds to wait.
    Wait(u64),
    /// The link was used, has expired or never was.
    LinkSpent,
    /// The password may not be used.
    Password(&'static passwords::Unfit),
    /// Passwords cannot be read or kept.
    Broken,
}

impl Entrance {
    /// Opens what the node keeps of it.
    pub(super) fn open(folder: &Path) -> Self {
        Self {
            sessions: Sessions::default(),
            passwords: Arc::new(Passwords::of(folder)),
            attempts: Attempts::default(),
            checks: Semaphore::new(CHECKS_AT_ONCE),
        }
    }

    /// Signs in.
    pub(super) async fn sign_in(
        &self,
        node: &Node,
        login: &str,
        secret: String,
        from: IpAddr,
    ) -> Result<Ticket, Shut> {
        let now = node.clock.now();
        let wait = self.attempts.wait_s(login, from, now);
        if wait > 0 {
            return Err(Shut::Wait(wait));
        }
        let account = node.views.account(login).map_err(|error| {
            tracing::error!(%error, "an account does not read");
            Shut::Broken
        })?;
        let account = account.filter(|account| !account.closed);
        // Unknown accounts take as long as known ones.
        let token = account.as_ref().is_some_and(|account| {
            !account.token_hash.is_empty()
                && bool::from(token_hash(secret.trim()).0.ct_eq(&account.token_hash[..]))
        });
        let known = self.check(login, secret).await?;
        if account.is_none() || !(known || token) {
            self.attempts.failed(login, from, now);
            return Err(Shut::Wrong);
        }
        self.attempts.forgive(login, from);
        tracing::info!(node = %node.me.at.node, %from, "somebody signed in");
        self.sessions.begin(login, now).ok_or(Shut::Broken)
    }

    async fn check(&self, login: &str, secret: String) -> Result<bool, Shut> {
        let _turn = self.checks.acquire().await.map_err(|_| Shut::Broken)?;
        let (passwords, login) = (Arc::clone(&self.passwords), login.to_owned());
        let checked = tokio::task::spawn_blocking(move || passwords.is_right(&login, &secret));
        match checked.await {
            Ok(Ok(right)) => Ok(right),
            Ok(Err(error)) => {
                tracing::error!(%error, "passwords do not read");
                Err(Shut::Broken)
            }
            Err(_) => Err(Shut::Broken),
        }
    }

    /// Whether a link may still be used.
    pub(super) fn link_is_good(
        &self,
        folder: &Path,
        login: &str,
        token: &str,
        now: Moment,
    ) -> bool {
        links::is_good(folder, login, token, now)
    }

    /// Sets the password of whoever follows a link, ends every session of the account, and signs in.
    pub(super) async fn follow_link(
        &self,
        node: &Node,
        folder: &Path,
        link: (&str, &str),
        password: String,
    ) -> Result<Ticket, Shut> {
        let (login, token) = link;
        let now = node.clock.now();
        if let Some(unfit) = passwords::unfit(login, &password) {
            return Err(Shut::Password(unfit));
        }
        let account = node.views.account(login).ok().flatten();
        let open = account.is_some_and(|account| !account.closed);
        if !open || !links::is_good(folder, login, token, now) {
            return Err(Shut::LinkSpent);
        }
        let _turn = self.checks.acquire().await.map_err(|_| Shut::Broken)?;
        // Spent before the password is set: two who follow it at once do not both get in.
        if !links::spend(folder, login, token, now) {
            return Err(Shut::LinkSpent);
        }
        let (passwords, whose) = (Arc::clone(&self.passwords), login.to_owned());
        let set = tokio::task::spawn_blocking(move || passwords.set(&whose, &password));
        if let Ok(Err(error)) | Err(error) = set.await.map_err(anyhow::Error::new) {
            tracing::error!(%error, "a password is not kept");
            return Err(Shut::Broken);
        }
        self.sessions.end_all(login);
        tracing::info!(node = %node.me.at.node, "a password was set");
        self.sessions.begin(login, now).ok_or(Shut::Broken)
    }
}

impl Shut {
    /// The words, Chinese and English.
    pub(super) fn words(self) -> (String, String) {
        match self {
            Self::Wrong => (
                "账号或密码不对。请核对后重试；忘记密码请联系本中心管理员。".to_owned(),
                "Account or password is wrong. Check both; if you forgot it, ask your centre's administrator."
                    .to_owned(),
            ),
            Self::Wait(seconds) => (
                format!("尝试次数过多，请 {seconds} 秒后再试。"),
                format!("Too many attempts. Try again in {seconds} seconds."),
            ),
            Self::LinkSpent => (
                "该链接已使用或已过期，请联系管理员重新发放。".to_owned(),
                "This link was used or has expired. Ask the administrator for a new one.".to_owned(),
            ),
            Self::Password(unfit) => (unfit.zh.to_owned(), unfit.en.to_owned()),
            Self::Broken => {
                let refusal = Refusal::of(Code::ReadOnly, "");
                (refusal.chinese(), refusal.english())
            }
        }
    }
}
