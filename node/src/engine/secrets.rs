//! Keys and salts of chains as neighbours tell them. Nothing says that a neighbour tells the truth: a salt is proven by
//! what an entry commits to whose author was checked, and a key by what it opens. What is only said gives way.

use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash};
use fengqiao_hub::payload::{self, Part};
use fengqiao_proto::v1 as pb;

use super::group::Group;
use crate::keystore::CaseSecret;

impl Group<'_> {
    /// What is held of a part of a chain, also what came in this group.
    pub(super) fn held_secret(&self, chain: ChainId, part: Part) -> Option<CaseSecret> {
        self.held_as(part.secret_id(chain))
    }

    fn held_as(&self, id: ChainId) -> Option<CaseSecret> {
        let pending = self.secrets.get(&id).cloned();
        pending.or_else(|| self.vault.secret(id))
    }

    /// Learns from an entry that holds, and from what came with it.
    pub(super) fn learn_secrets(&mut self, entry: &Entry, carried: &[pb::ChainSecret]) {
        for part in Part::ALL {
            self.learn_secret(entry, part, told(carried, part));
        }
    }

    fn learn_secret(&mut self, entry: &Entry, part: Part, carried: Option<CaseSecret>) {
        let noted = self.held_as(noted_beside(entry.hash, part));
        let held = self.held_secret(entry.chain, part);
        if carried.is_none() && noted.is_none() && held.as_ref().is_none_or(|held| held.proven) {
            return;
        }
        let mut best = held.clone();
        for told in [carried, noted].into_iter().flatten() {
            best = match best {
                None => Some(told),
                Some(known) if known.salt == told.salt => {
                    let opens_better =
                        !self.opens(entry, part, &known) && self.opens(entry, part, &told);
                    let mut known = known;
                    if opens_better {
                        known.wrapped.clone_from(&told.wrapped);
                    }
                    Some(known)
                }
                Some(known)
                    if known.proven || fits(entry, part, &known) || !fits(entry, part, &told) =>
                {
                    self.alarm("SALT_CONFLICT", &entry.chain.to_string());
                    Some(known)
                }
                Some(_) => Some(told),
            };
        }
        if let Some(mut best) = best {
            best.proven |= fits(entry, part, &best);
            if held.as_ref() != Some(&best) {
                self.secrets.insert(part.secret_id(entry.chain), best);
            }
        }
    }

    /// Notes what came with an entry that waits and whose author may be anybody; it stands aside where something else is
    /// known of the chain.
    pub(super) fn note_secrets(&mut self, entry: &Entry, carried: &[pb::ChainSecret]) {
        for part in Part::ALL {
            let Some(told) = told(carried, part) else {
                continue;
            };
            match self.held_secret(entry.chain, part) {
                None => {
                    self.secrets.insert(part.secret_id(entry.chain), told);
                }
                Some(held) if held.salt != told.salt && !held.proven => {
                    self.secrets.insert(noted_beside(entry.hash, part), told);
                }
                Some(_) => {}
            }
        }
    }

    /// Whether what an entry commits to is what the salts that are proven say.
    pub(super) fn commits_as_proven(&self, entry: &Entry) -> bool {
        Part::ALL.into_iter().all(|part| {
            let held = self.held_secret(entry.chain, part);
            let proven = held.filter(|secret| secret.proven);
            proven.is_none_or(|secret| entry.check_payloads(part, &secret.salt).is_ok())
        })
    }

    /// Whether a secret opens what an entry holds of a part, or opens at all where it holds nothing.
    fn opens(&self, entry: &Entry, part: Part, secret: &CaseSecret) -> bool {
        let Some(key) = self.vault.opened(part.secret_id(entry.chain), secret) else {
            return false;
        };
        let mut sealed = entry.payloads_of(part);
        sealed.all(|(sealed, _)| payload::open(&key, entry.chain, sealed).is_ok())
    }
}

/// Whether an entry commits to what it holds of a part under the salt.
fn fits(entry: &Entry, part: Part, secret: &CaseSecret) -> bool {
    let holds = entry.payloads_of(part).next().is_some();
    holds && entry.check_payloads(part, &secret.salt).is_ok()
}

fn told(carried: &[pb::ChainSecret], part: Part) -> Option<CaseSecret> {
    let mut carried = carried.iter();
    let secret = carried.find(|secret| secret.part() == part.to_wire())?;
    let mut told = CaseSecret::with_salt(<[u8; 32]>::try_from(&secret.salt[..]).ok()?);
    told.wrapped.clone_from(&secret.wrapped_key);
    Some(told)
}

/// Where a secret stands that came with an entry while another one was held of its chain.
fn noted_beside(entry: Hash, part: Part) -> ChainId {
    let noted = Hash::of(
        "fengqiao/noted-secret/1",
        &[&entry.0, &[part.to_wire() as u8]],
    );
    ChainId::from_bytes(&noted.0[..16]).unwrap_or_default()
}
