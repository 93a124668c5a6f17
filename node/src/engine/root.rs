//! The first place's node goes on in a higher generation: by the word of two leaders and of the root key, which is kept
//! away from this machine. So the entry is written here, signed there, and handed in.

use std::collections::BTreeSet;
use std::sync::Arc;

use fengqiao_hub::entry::{Draft, Entry, Move};
use fengqiao_hub::id::{ChainId, PersonId};
use fengqiao_hub::jurisdiction::registry_change;
use fengqiao_hub::rank::Rank;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use pb::registry_change::Change;
use prost::Message as _;

use super::EngineError;
use super::group::Group;
use super::requests::{Answer, Answered, accept};
use crate::store::tables;

impl Group<'_> {
    /// Writes down what the root key is to sign.
    pub(crate) fn prepare_renewal(&mut self, approved_by: &[String]) -> Answered {
        let registry = self.registry();
        let place = self.me.at.place;
        let record = registry.node(self.me.at.node);
        let Some(record) = record.filter(|_| registry.root() == Some(place)) else {
            return Ok(Err(Refusal::of(Code::NotAbove, "")));
        };
        let mut people = BTreeSet::new();
        for login in approved_by {
            people.insert(accept!(self.leader(login)?));
        }
        if approved_by.len() != 2 || people.len() != 2 {
            return Ok(Err(not_two()));
        }
        let node = pb::NodeEnrolled {
            node: record.id.to_vec(),
            place: place.to_vec(),
            unit: Vec::new(),
            signing_key: record.signing_key.as_bytes().to_vec(),
            encryption_key: record.encryption_key.to_vec(),
            transport_key_hash: record.transport_key_hash.to_vec(),
            incarnation: self.me.incarnation,
            generation: record.generation.max(self.me.generation) + 1,
        };
        let content = Content::from(pb::RootRenewed {
            node: Some(node),
            approved_by: people.into_iter().map(PersonId::to_vec).collect(),
        });
        let chain = ChainId::of_place(place);
        let before = self.before(chain)?;
        let draft = Draft {
            deployment: self.me.deployment,
            kind: pb::ChainKind::Registry,
            chain,
            rank: Rank::default(),
            sequence: before.sequence + 1,
            previous: before.hash,
            author: self.me.at.node,
            incarnation: self.me.incarnation,
            author_sequence: self.state.author_sequence + 1,
            registry: vec![record.pinned_at],
            mv: Move::None,
            submission: None,
            kind_class: pb::KindClass::Work,
            body: self.body(None, content),
            payloads: Vec::new(),
        };
        let entry = Some(draft.written(&self.me.root_key));
        Ok(Ok(Answer::of(&pb::PrepareRootRenewalResponse { entry })))
    }

    /// Takes what the root key signed, unless this node has written something else meanwhile.
    pub(crate) fn renew_root(&mut self, entry: &Arc<Entry>) -> Answered {
        let change = registry_change(entry.body.content.as_ref());
        let Some(Change::RootRenewed(renewed)) = change else {
            return Ok(Err(Refusal::of(Code::Malformed, "entry")));
        };
        if entry.check_signature(&self.me.root_key).is_err() {
            return Ok(Err(
                Refusal::of(Code::Malformed, "entry").because("not signed by the root key")
            ));
        }
        let leaders = self.leaders()?;
        let approved = |person: &Vec<u8>| {
            PersonId::from_bytes(person).is_some_and(|person| leaders.contains(&person))
        };
        if !renewed.approved_by.iter().all(approved) {
            return Ok(Err(not_two()));
        }
        let own = entry.author == self.me.at.node
            && (entry.incarnation, entry.author_sequence)
                == (self.me.incarnation, self.state.author_sequence + 1);
        if !own || self.admissible(entry)?.is_err() {
            return Ok(Err(Refusal::of(Code::Busy, "entry")
                .because("written over meanwhile: prepare it again")));
        }
        self.keep_entry(entry, &entry.bytes(), None)?;
        let generation = renewed.node.as_ref().map_or(0, |node| node.generation);
        Ok(Ok(Answer::of(&pb::RenewRootResponse { generation })))
    }

    /// The person behind a leader's account.
    fn leader(&self, login: &str) -> Result<Result<PersonId, Refusal>, EngineError> {
        Ok(self
            .account(login)?
            .as_ref()
            .and_then(leading)
            .ok_or_else(|| Refusal::of(Code::RoleMissing, "approved_by").because("leader")))
    }

    fn leaders(&self) -> Result<BTreeSet<PersonId>, EngineError> {
        let rows = crate::store::all_rows(&self.overlay, &tables::accounts())?;
        let accounts = rows
            .iter()
            .filter_map(|(_, row)| pb::AccountSet::decode(&row[..]).ok());
        Ok(accounts.filter_map(|account| leading(&account)).collect())
    }
}

fn leading(account: &pb::AccountSet) -> Option<PersonId> {
    let leads = !account.closed && account.roles().any(|role| role == pb::Role::Leader);
    PersonId::from_bytes(&account.person).filter(|_| leads)
}

fn not_two() -> Refusal {
    Refusal::of(Code::OutOfRange, "approved_by").because("two leaders of this centre")
}
