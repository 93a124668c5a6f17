//! The services: each call finds its account, resolves names, asks the engine or reads a view, and answers.

mod administration;
mod casework;
mod filter;
mod imports;
mod open;
mod rulebook;

pub(crate) use administration::digest_of;
pub(crate) use open::open_cases;

use std::sync::Arc;

use fengqiao_hub::casework::{Actor, CaseState, DecisionContext, Spec};
use fengqiao_hub::centre::{self, Purpose};
use fengqiao_hub::clock::Contact;
use fengqiao_hub::id::{ChainId, Hash, PersonId, PlaceId, UnitId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::number::{self, NumberError};
use fengqiao_hub::payload::Part;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_hub::rulebook::Rulebook;
use fengqiao_proto::v1 as pb;
use tonic::{Request, Status};

use super::LOGIN_KEY;
use super::error::status;
use super::view::{Background, EntryLine, in_short, notice_view, view};
use crate::app::resolve::case_id;
use crate::engine::chains::Chain;
use crate::engine::vault::Vault;
use crate::engine::{Caller, EngineError, EntryStanding, Listed, no_account, token_hash};
use crate::node::Node;
use crate::node::hosted::Hosted;

/// The services of one node.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    /// The node.
    pub hosted: Arc<Hosted>,
    /// Whether a caller may name an account without its token: on the local socket.
    pub trusted: bool,
}

impl Desk {
    fn node(&self) -> &Arc<Node> {
        &self.hosted.node
    }

    /// Who calls: on the socket by name, elsewhere by token.
    fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let metadata = request.metadata();
        let text = |key: &str| metadata.get(key).and_then(|value| value.to_str().ok());
        if self.trusted {
            let login = text(LOGIN_KEY).unwrap_or(crate::node::opening::FIRST_LOGIN);
            return Ok(Caller {
                login: login.to_owned(),
            });
        }
        let refused = || status(&Refusal::of(Code::NotSignedIn, "authorization"));
        let token = text("authorization").and_then(bearer).ok_or_else(refused)?;
        let hash = token_hash(token);
        let accounts = self
            .node()
            .views
            .accounts()
            .map_err(|error| internal(&error))?;
        let account = accounts
            .into_iter()
            .find(|account| account.token_hash == hash.0 && !account.closed);
        account
            .map(|account| Caller {
                login: account.login,
            })
            .ok_or_else(refused)
    }

    /// Who looks at what concerns no case: an open account, or on the socket of a node where none is open, whoever may open
    /// one there. Every account may where `roles` is empty.
    fn may_look<T>(&self, request: &Request<T>, roles: &[pb::Role]) -> Result<(), Status> {
        let caller = self.caller(request)?;
        let accounts = self.node().views.accounts();
        let accounts = accounts.map_err(|error| internal(&error))?;
        if self.trusted && accounts.iter().all(|account| account.closed) {
            return Ok(());
        }
        let actor = self.actor(&caller)?;
        centre::require_any(&actor, roles).map_err(|refusal| status(&refusal))
    }

    fn registry(&self) -> Arc<Registry> {
        self.node().registry.load_full()
    }

    /// A case by id or number.
    fn case(&self, text: &str) -> Result<ChainId, Status> {
        if let Some(id) = case_id(text) {
            return Ok(id);
        }
        let number = number::read(text).map_err(|error| {
            let code = match error {
                NumberError::Check => Code::NumberCheck,
                NumberError::Shape => Code::CaseUnknown,
            };
            status(&Refusal::of(code, "case"))
        })?;
        let found = self
            .node()
            .views
            .find_cases(&number)
            .map_err(|error| internal(&error))?;
        match found[..] {
            [one] => Ok(one),
            [] => Err(status(&Refusal::of(Code::CaseUnknown, "case"))),
            _ => Err(status(&Refusal::of(Code::NumberTwice, "case"))),
        }
    }

    fn background<'a>(
        &'a self,
        registry: &'a Registry,
        rules: &'a Rulebook,
        contact: Contact,
    ) -> Background<'a> {
        Background {
            registry,
            catalogue: rules,
            now: self.node().clock.now(),
            contact,
            here: self.node().me.at,
        }
    }

    /// Whether the parent is reached now.
    fn linked(&self, registry: &Registry) -> bool {
        let node = self.node();
        let up = node.me.at.up(registry);
        up.is_some_and(|up| {
            let ends = node.link_ends();
            ends.get(&up).is_some_and(|end| end.is_connected())
        })
    }

    fn standing(
        &self,
        registry: &Registry,
        chain: ChainId,
        sequence: u64,
        hash: Hash,
    ) -> Result<pb::Standing, Status> {
        let standing = self.node().views.standing(registry, chain, sequence, hash);
        Ok(match standing.map_err(|error| internal(&error))? {
            EntryStanding::StoredHere => pb::Standing::StoredHere,
            EntryStanding::AtParent => pb::Standing::AtParent,
            EntryStanding::AtTop => pb::Standing::AtTop,
        })
    }

    /// A case in short, for lists.
    fn listed(&self, registry: &Registry, listed: &Listed) -> Result<Option<pb::CaseView>, Status> {
        match listed {
            Listed::Chain(id, row) => {
                let Some(case) = &row.case else {
                    return Ok(None);
                };
                let custodian = PlaceId::from_bytes(&case.custodian).unwrap_or_default();
                let contact = self.node().contact(custodian);
                let rules = self.node().rules();
                let background = self.background(registry, &rules, contact);
                let pending = self.node().views.submissions(*id);
                let pending = pending.map_err(|error| internal(&error))?;
                let head = Hash::from_bytes(&row.head).unwrap_or_default();
                let standing = self.standing(registry, *id, row.sequence, head)?;
                Ok(in_short(*id, row, &pending, standing, &background))
            }
            Listed::Notice(_, notice) => {
                let custodian = PlaceId::from_bytes(&notice.custodian).unwrap_or_default();
                let contact = self.node().contact(custodian);
                let rules = self.node().rules();
                let background = self.background(registry, &rules, contact);
                Ok(notice_view(notice, &background))
            }
        }
    }

    fn chain_view(
        &self,
        registry: &Registry,
        id: ChainId,
        chain: &Chain,
        with_entries: bool,
        reader: &Reader<'_>,
    ) -> Result<Option<pb::CaseView>, Status> {
        let (Some(case), Some(head)) = (&chain.case, chain.tree.head()) else {
            return Ok(None);
        };
        let custodian = chain
            .tree
            .custody()
            .map_or(case.custody.custodian, |custody| custody.custodian);
        let contact = self.node().contact(custodian);
        let rules = self.rules_of(chain);
        let background = self.background(registry, &rules, contact);
        let shows_texts = matches!(reader, Reader::Texts(..));
        if let Reader::Texts(actor, purpose) = reader {
            self.may_read_texts(registry, id, chain, actor, *purpose)?;
        }
        let mut lines = Vec::new();
        if with_entries {
            for (entry, place) in chain.entries.values() {
                let texts = if shows_texts {
                    opened_texts(&self.node().vault, id, entry)
                } else {
                    Vec::new()
                };
                let standing = self.standing(registry, id, entry.sequence, entry.hash)?;
                lines.push(EntryLine {
                    entry,
                    place: *place,
                    standing,
                    texts,
                });
            }
        }
        let pending = self
            .node()
            .views
            .submissions(id)
            .map_err(|error| internal(&error))?;
        let standing = self.standing(registry, id, head.sequence, head.hash)?;
        let mut shown = view(id, chain, &lines, &pending, standing, &background);
        if let (Some(shown), Reader::Texts(actor, _) | Reader::Steps(actor)) = (&mut shown, reader)
        {
            let state = CaseState {
                case,
                tree: &chain.tree,
            };
            let steps = centre::next_steps(&self.centre(registry, &rules, contact), &state, actor);
            shown.next = steps.into_iter().map(next_step).collect();
        }
        Ok(shown)
    }

    /// The rules that a case is judged by: those it was opened under.
    fn rules_of(&self, chain: &Chain) -> Arc<Rulebook> {
        let node = self.node();
        let now = node.clock.now();
        node.rulebooks
            .load()
            .of_case(chain.judged_by().as_ref(), now)
    }

    /// What a decision here looks at beside the case.
    fn centre<'a>(
        &'a self,
        registry: &'a Registry,
        rulebook: &'a Rulebook,
        contact: Contact,
    ) -> DecisionContext<'a> {
        let node = self.node();
        DecisionContext {
            place: node.me.at.place,
            registry,
            rulebook,
            now: node.clock.now(),
            contact,
        }
    }

    /// The person behind a login.
    fn actor(&self, caller: &Caller) -> Result<Actor, Status> {
        let accounts = self
            .node()
            .views
            .accounts()
            .map_err(|error| internal(&error))?;
        let is_named = |account: &&pb::AccountSet| account.login == caller.login;
        let Some(account) = accounts.iter().find(is_named) else {
            let open = accounts.iter().filter(|account| !account.closed);
            let logins: Vec<String> = open.map(|account| account.login.clone()).collect();
            let refusal = no_account(Code::AccountUnknown, &caller.login, &logins);
            return Err(status(&refusal));
        };
        if account.closed {
            return Err(status(&Refusal::of(Code::AccountClosed, "login")));
        }
        Ok(Actor {
            person: PersonId::from_bytes(&account.person),
            place: self.node().me.at.place,
            unit: UnitId::from_bytes(&account.unit).or(self.node().me.at.unit),
            roles: account.roles().collect(),
        })
    }

    /// Refuses who may not read the texts of a case by virtue of an entry, and where none is held that opens them.
    fn may_read_texts(
        &self,
        registry: &Registry,
        id: ChainId,
        chain: &Chain,
        actor: &Actor,
        purpose: pb::LookPurpose,
    ) -> Result<(), Status> {
        let sealed = || status(&Refusal::of(Code::TextSealed, "show_texts"));
        let case = chain.case.as_ref().ok_or_else(sealed)?;
        centre::may_read(
            &self.centre(registry, &self.rules_of(chain), Contact::Here),
            case,
            actor,
            match purpose {
                pb::LookPurpose::Export => Purpose::Export,
                pb::LookPurpose::Unspecified | pb::LookPurpose::Handling => Purpose::Handling,
            },
        )
        .map_err(|refusal| status(&refusal))?;
        let vault = &self.node().vault;
        let held = Part::ALL
            .into_iter()
            .any(|part| vault.key(id, part).is_some());
        held.then_some(()).ok_or_else(sealed)
    }
}

/// The token in an `authorization` header; the word before it may be written in capitals or not (RFC 7235).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim())
        .filter(|token| !token.is_empty())
}

/// For whom a case is shown.
#[derive(Debug)]
enum Reader<'a> {
    /// With what this person may do now.
    Steps(&'a Actor),
    /// With the texts too, looked at for this.
    Texts(&'a Actor, pb::LookPurpose),
}

fn next_step(spec: &Spec) -> pb::NextStep {
    pb::NextStep {
        name: spec.name.to_owned(),
        zh: spec.zh.to_owned(),
        en: spec.en.to_owned(),
    }
}

/// What is held here of an entry's parts, opened.
fn opened_texts(
    vault: &Vault,
    id: ChainId,
    entry: &fengqiao_hub::entry::Entry,
) -> Vec<pb::PrivateText> {
    let opened = entry
        .signed
        .payloads
        .iter()
        .filter_map(|sealed| vault.open(id, sealed));
    opened
        .flat_map(|content| {
            let requester = content.requester.map(|requester| {
                let line = [requester.name, requester.phone, requester.address]
                    .join(" ")
                    .trim()
                    .to_owned();
                pb::PrivateText {
                    role: "requester".to_owned(),
                    text: line,
                }
            });
            requester.into_iter().chain(content.texts)
        })
        .collect()
}

/// A failure that is not the caller's: the words stay here, the log has the causes.
fn internal(error: &EngineError) -> Status {
    tracing::error!(%error, "a view does not read");
    Status::internal("the node could not read its store")
}

/// What a request asks, to tell a repeat from a reuse of its id.
fn asked<M: prost::Message>(name: &str, message: &M) -> Hash {
    Hash::of(
        "fengqiao/request/1",
        &[name.as_bytes(), b"\0", &message.encode_to_vec()],
    )
}

fn answer<M: prost::Message + Default>(
    answer: Result<Vec<u8>, Refusal>,
) -> Result<tonic::Response<M>, Status> {
    let bytes = answer.map_err(|refusal| status(&refusal))?;
    M::decode(&bytes[..])
        .map(tonic::Response::new)
        .map_err(|_| Status::internal("an answer does not read"))
}
