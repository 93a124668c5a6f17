//! Keys and salts of chains as neighbours tell them. Nothing says that a neighbour tells the truth: a salt is proven by
//! what an entry commits to whose author was checked, and a key by the texts it opens. What is only said gives way.

use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash};
use fengqiao_hub::payload;
use fengqiao_proto::v1 as pb;

use super::group::Group;
use crate::keystore::CaseSecret;

impl Group<'_> {
    /// What is held of a chain, also what came in this group.
    pub(super) fn held_secret(&self, chain: ChainId) -> Option<CaseSecret> {
        let pending = self.secrets.get(&chain).cloned();
        pending.or_else(|| self.vault.secret(chain))
    }

    /// Learns from an entry that holds, and from what came with it.
    pub(super) fn learn_secret(&mut self, entry: &Entry, carried: Option<&pb::ChainSecret>) {
        let chain = entry.chain;
        let noted = self.held_secret(noted_beside(entry.hash));
        let carried = carried.and_then(told);
        let held = self.held_secret(chain);
        if carried.is_none() && noted.is_none() && held.as_ref().is_none_or(|held| held.proven) {
            return;
        }
        let mut best = held.clone();
        for told in [carried, noted].into_iter().flatten() {
            best = match best {
                None => Some(told),
                Some(known) if known.salt == told.salt => {
                    let opens_better = !self.opens(entry, &known) && self.opens(entry, &told);
                    let mut known = known;
                    if opens_better {
                        known.wrapped.clone_from(&told.wrapped);
                    }
                    Some(known)
                }
                Some(known) if known.proven || fits(entry, &known) || !fits(entry, &told) => {
                    self.alarm("SALT_CONFLICT", &chain.to_string());
                    Some(known)
                }
                Some(_) => Some(told),
            };
        }
        if let Some(mut best) = best {
            best.proven |= fits(entry, &best);
            if held.as_ref() != Some(&best) {
                self.secrets.insert(chain, best);
            }
        }
    }

    /// Notes what came with an entry that waits and whose author may be anybody; it stands aside where something else is
    /// known of the chain.
    pub(super) fn note_secret(&mut self, entry: &Entry, carried: Option<&pb::ChainSecret>) {
        let Some(told) = carried.and_then(told) else {
            return;
        };
        match self.held_secret(entry.chain) {
            None => {
                self.secrets.insert(entry.chain, told);
            }
            Some(held) if held.salt != told.salt && !held.proven => {
                self.secrets.insert(noted_beside(entry.hash), told);
            }
            Some(_) => {}
        }
    }

    /// Whether a secret opens the texts of an entry, or opens at all where it has none.
    fn opens(&self, entry: &Entry, secret: &CaseSecret) -> bool {
        let Some(key) = self.vault.opened(entry.chain, secret) else {
            return false;
        };
        let mut sealed = entry.signed.payloads.iter();
        sealed.all(|sealed| payload::open(&key, entry.chain, sealed).is_ok())
    }
}

/// Whether an entry commits to its texts under the salt.
fn fits(entry: &Entry, secret: &CaseSecret) -> bool {
    !entry.signed.payloads.is_empty() && entry.check_payloads(&secret.salt).is_ok()
}

fn told(secret: &pb::ChainSecret) -> Option<CaseSecret> {
    let mut told = CaseSecret::with_salt(<[u8; 32]>::try_from(&secret.salt[..]).ok()?);
    told.wrapped.clone_from(&secret.wrapped_key);
    Some(told)
}

/// Where a secret stands that came with an entry while another one was held of its chain.
fn noted_beside(entry: Hash) -> ChainId {
    let noted = Hash::of("fengqiao/noted-secret/1", &[&entry.0]);
    ChainId::from_bytes(&noted.0[..16]).unwrap_or_default()
}
