//! Accounts of the people of this centre and their access tokens.
//!
//! A token is shown once and kept as its hash. It ends when another is given, when it is revoked, and for good when its
//! account is closed: who opens that account again gets a new one.

use fengqiao_hub::casework::Actor;
use fengqiao_hub::id::{ChainId, Hash, PersonId, UnitId, base32};
use fengqiao_hub::name::nearest;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use prost::Message as _;

use super::EngineError;
use super::fields::{login_allowed, name_of};
use super::group::Group;
use super::requests::AccountChange;
use super::requests::{Answer, Answered, Caller, accept};
use crate::store::{Read as _, all_rows, tables};

impl Group<'_> {
    /// The account of a login; none for what cannot be one.
    pub(crate) fn account(&self, login: &str) -> Result<Option<pb::AccountSet>, EngineError> {
        if login_allowed(login).is_err() {
            return Ok(None);
        }
        let row = self.overlay.get(&tables::account(login))?;
        Ok(row.and_then(|row| pb::AccountSet::decode(&row[..]).ok()))
    }

    /// Whoever holds the data folder opens the first administrator's account, and does so again where none is open; and
    /// where the accounts were lost with a machine, goes on without a neighbour that would have brought them back.
    pub(crate) fn founder(&self, caller: &Caller) -> Result<Option<Actor>, EngineError> {
        if login_allowed(&caller.login).is_err() || self.administrators()? > 0 {
            return Ok(None);
        }
        Ok(Some(Actor {
            person: None,
            place: self.me.at.place,
            unit: self.me.at.unit,
            roles: [pb::Role::Administrator, pb::Role::Leader].into(),
        }))
    }

    fn administrators(&self) -> Result<usize, EngineError> {
        let rows = all_rows(&self.overlay, &tables::accounts())?;
        let accounts = rows
            .iter()
            .filter_map(|(_, row)| pb::AccountSet::decode(&row[..]).ok());
        Ok(accounts.filter(administers).count())
    }

    pub(crate) fn set_account(&mut self, actor: &Actor, change: &AccountChange) -> Answered {
        accept!(login_allowed(&change.login));
        let named = |role: &i32| pb::Role::try_from(*role).unwrap_or_default();
        if change
            .roles
            .iter()
            .map(named)
            .any(|role| role == pb::Role::Unspecified)
        {
            return Ok(Err(Refusal::of(Code::Malformed, "roles")));
        }
        let name = match change.name.as_deref() {
            None | Some("") => change.name.clone(),
            Some(typed) => Some(accept!(name_of(typed))),
        };
        let known = self.account(&change.login)?;
        let opens = match &known {
            None if change.closed == Some(true) => {
                return Ok(Err(self.no_account(Code::AccountUnknown, &change.login)?));
            }
            None if change.roles.is_empty() => return Ok(Err(Refusal::of(Code::Empty, "roles"))),
            None => true,
            Some(known) if known.closed && change.closed.is_none() => {
                return Ok(Err(Refusal::of(Code::AccountClosed, "login")));
            }
            Some(known) => known.closed && change.closed == Some(false),
        };
        let mut account = known.clone().unwrap_or_else(|| pb::AccountSet {
            person: self.vault.draw::<10>().to_vec(),
            login: change.login.clone(),
            ..Default::default()
        });
        if !change.roles.is_empty() {
            account.roles.clone_from(&change.roles);
        }
        if let Some(name) = name {
            account.name = name;
        }
        if let Some(unit) = change.unit {
            account.unit = unit.map(UnitId::to_vec).unwrap_or_default();
        }
        account.closed = change.closed.unwrap_or_default();
        let token = opens.then(|| self.draw_token());
        account.token_hash = match &token {
            Some(token) => token_hash(token).to_vec(),
            None if account.closed => Vec::new(),
            None => account.token_hash,
        };
        let administered = known.as_ref().is_some_and(administers);
        if administered && !administers(&account) && self.administrators()? < 2 {
            return Ok(Err(Refusal::of(Code::LastAdministrator, "login")));
        }
        let person = PersonId::from_bytes(&account.person)
            .map(|person| person.to_string())
            .unwrap_or_default();
        if known.as_ref() != Some(&account) {
            self.write_account(actor, account)?;
        }
        let later = pb::SetAccountResponse {
            person,
            token: String::new(),
            secret_withheld: token.is_some(),
        };
        let Some(token) = token else {
            return Ok(Ok(Answer::of(&later)));
        };
        let now = pb::SetAccountResponse {
            token,
            secret_withheld: false,
            ..later.clone()
        };
        Ok(Ok(Answer::once(&now, &later)))
    }

    pub(crate) fn rotate_token(&mut self, actor: &Actor, login: &str) -> Answered {
        let account = accept!(self.open_account(login)?);
        let token = self.draw_token();
        let account = pb::AccountSet {
            token_hash: token_hash(&token).to_vec(),
            ..account
        };
        self.write_account(actor, account)?;
        let now = pb::RotateTokenResponse {
            token,
            secret_withheld: false,
        };
        let later = pb::RotateTokenResponse {
            token: String::new(),
            secret_withheld: true,
        };
        Ok(Ok(Answer::once(&now, &later)))
    }

    pub(crate) fn revoke_token(&mut self, actor: &Actor, login: &str) -> Answered {
        let account = accept!(self.open_account(login)?);
        if !account.token_hash.is_empty() {
            let account = pb::AccountSet {
                token_hash: Vec::new(),
                ..account
            };
            self.write_account(actor, account)?;
        }
        Ok(Ok(Answer::of(&pb::RevokeTokenResponse {})))
    }

    fn open_account(&self, login: &str) -> Result<Result<pb::AccountSet, Refusal>, EngineError> {
        Ok(match self.account(login)? {
            Some(account) if account.closed => Err(Refusal::of(Code::AccountClosed, "login")),
            Some(account) => Ok(account),
            None => Err(self.no_account(Code::AccountUnknown, login)?),
        })
    }

    /// Nobody has this login; who has one like it.
    pub(crate) fn no_account(&self, code: Code, login: &str) -> Result<Refusal, EngineError> {
        let rows = all_rows(&self.overlay, &tables::accounts())?;
        let open = rows
            .iter()
            .filter_map(|(_, row)| pb::AccountSet::decode(&row[..]).ok())
            .filter(|account| !account.closed);
        let logins: Vec<String> = open.map(|account| account.login).collect();
        Ok(no_account(code, login, &logins))
    }

    fn write_account(&mut self, actor: &Actor, account: pb::AccountSet) -> Result<(), EngineError> {
        let chain = ChainId::administration_of(self.me.at.place, self.me.at.unit);
        let content = Content::from(account);
        self.write_own(pb::ChainKind::Administration, chain, actor.person, content)?;
        Ok(())
    }

    fn draw_token(&self) -> String {
        base32(&self.vault.draw::<20>())
    }
}

fn administers(account: &pb::AccountSet) -> bool {
    !account.closed && account.roles().any(|role| role == pb::Role::Administrator)
}

/// Nobody has this login; which of those given are like it.
pub(crate) fn no_account(code: Code, login: &str, logins: &[String]) -> Refusal {
    let like = nearest(login, logins.iter().map(String::as_str));
    let refusal = Refusal::of(code, "login").with_choices(like);
    match login_allowed(login) {
        Ok(()) => refusal.because(login),
        Err(_) => refusal,
    }
}

/// The stored form of an access token.
#[must_use]
pub fn token_hash(token: &str) -> Hash {
    Hash::of("fengqiao/access-token/1", &[token.as_bytes()])
}
